# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PNG files: their chunks are checked before they are decoded."""

from __future__ import annotations

from collections.abc import Iterator
import struct
from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np

from fcos_ros.core.arrays import Array, Bytes
from fcos_ros.core.errors import FrameError, FrameErrorKind
from fcos_ros.core.image_file import opencv
from fcos_ros.core.resize import Size

SIGNATURE = b'\x89PNG\r\n\x1a\n'

_MAX_CHUNKS = 50_000
"""
Maximum number of chunks of a PNG. Most programs write chunks of 8 KB; as many of these hold more
than an 8K image needs.
"""

_END = b'IEND'

_GREY_TYPES = (0, 4)
"""Colour types of grey images, without and with alpha."""


class _Problem(NamedTuple):
    """Why a file is not accepted."""

    text: str
    kind: FrameErrorKind


class _Chunk(NamedTuple):
    """
    A chunk of a PNG.

    :ivar start: its position; it begins with the length of its content.
    :ivar stop: position after its checksum; beyond the end of a truncated file.
    """

    name: bytes
    start: int
    stop: int

    @property
    def critical(self) -> bool:
        """Whether the pixels need it; its name then begins with a capital letter."""
        return self.name[:1].isupper()


def read_header(file: Bytes) -> tuple[Size, bool]:
    """Return the size, and whether the image is grey; raise FrameError if there is no header."""
    # The first chunk of a PNG is always its header, with 13 bytes.
    if file[8:16].tobytes() != b'\x00\x00\x00\x0dIHDR' or file.size < 26:
        raise FrameError(f'png file of {file.size} bytes is damaged: no header states its size')
    width, height, _, colour_type = struct.unpack_from('>IIBB', file.data, 16)
    return Size(width, height), colour_type in _GREY_TYPES


def decode(file: Bytes, size: Size, divisor: int = 1, *, grey: bool = False) -> Array:
    """
    Return the pixels: (H, W, 3) in BGR order, or (H, W) in grey; uint8 or uint16 as in the file.

    Bytes after the end are ignored, as cameras pad with zeros.

    :param size: the size that the header states.
    :param divisor: always 1.
    :raises FrameError: the file is truncated or damaged.
    """
    problem = _find_problem(file)
    if problem:
        raise FrameError(f'png file {size} of {file.size} bytes {problem.text}', problem.kind)
    flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    return opencv.decode(
        _without_ancillary_chunks(file), flags | cv2.IMREAD_ANYDEPTH, 'png', size)


def _find_problem(file: Bytes) -> _Problem | None:
    """Return why a PNG is not accepted; None if it is."""
    # Some versions of OpenCV allocate the length that a chunk states, up to 4 GB. libpng prints a
    # line for each damaged chunk.
    for count, (name, start, stop) in enumerate(_chunks(file)):
        if count == _MAX_CHUNKS:
            return _Problem(f'is damaged: it has more than {_MAX_CHUNKS} chunks', 'limit')
        if stop > file.size:
            return _Problem(f'is truncated: its chunk {name!r} at {start} states '
                            f'{stop - start - 12} bytes', 'truncated')
        checksum, = struct.unpack_from('>I', file.data, stop - 4)
        if checksum != crc32(file.data[start + 4:stop - 4]):
            return _Problem(
                f'is damaged: its chunk {name!r} at {start} has a wrong checksum', 'damaged')
        if name == _END:
            return None
    return _Problem(f'is truncated: it has no {_END.decode()} chunk', 'truncated')


def _chunks(file: Bytes) -> Iterator[_Chunk]:
    """Iterate over the chunks, up to the end."""
    stop, name = 8, b''
    while name != _END and stop + 12 <= file.size:
        start = stop
        length, name = struct.unpack_from('>I4s', file.data, start)
        stop = start + 12 + length
        yield _Chunk(name, start, stop)


def _without_ancillary_chunks(file: Bytes) -> Bytes:
    """
    Return a complete PNG without the chunks that its pixels do not need; no copy if it has none.

    libpng would decompress each text and colour profile, to up to 8 MB, and keep them all.
    """
    chunks = list(_chunks(file))
    if all(chunk.critical for chunk in chunks):
        return file
    return np.concatenate([file[:8], *(
        file[chunk.start:chunk.stop] for chunk in chunks if chunk.critical)])
