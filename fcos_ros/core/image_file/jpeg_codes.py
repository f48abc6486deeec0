# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write MCUs with the code tables of a JPEG file, and append them to its data."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from fcos_ros.core.image_file.jpeg_header import Jpeg

MIN_MCUS = 6
"""Minimum number of MCUs that are written: few enough to cost little, with enough plain ones."""

_MAX_BLOCKS = 10
"""Maximum number of 8x8 blocks in an MCU that libjpeg decodes."""

_MIN_RISE = 16
"""Levels by which a bright MCU exceeds the last one of the image, if the code tables allow it."""

_MAX_BITS = 11
"""Maximum number of bits of a difference of brightness."""


class Codes(NamedTuple):
    """
    The codes of some MCUs, as texts of 0 and 1.

    :ivar mcus: a bright MCU, plain ones, and a bright one.
    :ivar end: the code that ends a block of the last component, and usually ends the data.
    """

    mcus: str
    end: str

    def append_to(self, data: bytes) -> bytes | None:
        """
        Append the codes to data; return None if the data do not end with the end of a block.

        The last byte is filled up with ones, which the codes replace. Its other ones at the end
        belong to the end of the block.
        """
        if not data:
            return _to_bytes(self.mcus)
        stuffed = data.endswith(b'\xff\0')  # FF among data is written as FF 00
        head, last = (data[:-2], 0xFF) if stuffed else (data[:-1], data[-1])
        bits = format(last, '08b')
        filling = _count_last_ones(bits) - _count_last_ones(self.end)
        return head + _to_bytes(bits[:8 - filling] + self.mcus) if 0 <= filling < 8 else None


def mcu_codes(jpeg: Jpeg, count: int) -> Codes | None:
    """Return the codes of this many MCUs; None if the tables lack a code that they need."""
    scan = jpeg.scans[0]
    parts = [jpeg.frame.components[name] for name in scan.names]
    blocks = tuple(part.blocks.width * part.blocks.height for part in parts)
    step = jpeg.steps.get(parts[0].quantisation, 0)
    return _write(scan.tables, blocks if len(blocks) > 1 else (1,), step, count)


@lru_cache(maxsize=32)
def _write(
    tables: tuple[tuple[bytes, bytes], ...], blocks: tuple[int, ...], step: int, count: int,
) -> Codes | None:
    """
    Write the codes of MCUs; the frames of a camera need the same ones.

    The code of a block is its difference in brightness from the block before, then its end. A
    difference is the number of its bits, then these bits.

    :param blocks: blocks of each component in an MCU.
    :param step: of a difference, in eighths of a level.
    """
    codes = [(_huffman_codes(first), _huffman_codes(others)) for first, others in tables]
    sizes = [size for size in sorted(codes[0][0]) if 1 <= size <= _MAX_BITS]
    if sum(blocks) > _MAX_BLOCKS or not sizes or not all(
            0 in first and 0 in others for first, others in codes):
        return None
    bits = next((size for size in sizes if 2**(size - 1) * step >= 8 * _MIN_RISE), sizes[-1])
    same = [first[0] + others[0] for first, others in codes]
    rest = same[0] * (blocks[0] - 1) + ''.join(
        block * number for block, number in zip(same[1:], blocks[1:]))
    # Up by 2^(bits - 1), down by twice as much, and up by twice as much; less one.
    up, down, twice_up = (codes[0][0][bits] + difference + codes[0][1][0] + rest for difference in
                          ('1' + '0' * (bits - 1), '0' * bits, '1' * bits))
    plain = same[0] + rest
    return Codes(up + down + plain * (count - 3) + twice_up, codes[-1][1][0])


def _huffman_codes(table: bytes) -> dict[int, str]:
    """Return the code of each symbol of a table, as a text of 0 and 1."""
    lengths = [length for length, count in enumerate(table[:16], 1) for _ in range(count)]
    codes, code, last = {}, 0, 0
    for symbol, length in zip(table[16:], lengths):
        code <<= length - last
        codes[symbol] = format(code, f'0{length}b')
        code, last = code + 1, length
    return codes


def _to_bytes(bits: str) -> bytes:
    bits += '1' * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, 'big').replace(b'\xff', b'\xff\0')


def _count_last_ones(bits: str) -> int:
    return len(bits) - len(bits.rstrip('1'))
