# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decode a JPEG file, but only if its data are complete.

libjpeg fills an image whose data end too early with grey, and prints a warning that a program
cannot read. So we let it decode a few MCUs more than the image has, and look for them. An MCU is
the unit of the data: 8x8 to 32x32 pixels in all colours.

    the file              the file that is decoded

    +-----------+         +-----------+
    |   image   |         |   image   |   the data of the file
    |           |         |           |
    +-----------+         +-----------+
                          |# - - - - #|   our data: a bright MCU, plain ones, a bright one;
                          +-----------+   these rows are cut off again

- The data are codes of variable length, one MCU after the other, without their positions. If data
  are lost, repeated or overwritten, the decoder finds too few or too many MCUs in them.
- Our MCUs then begin too early or too late, and the bright ones are not in both corners.
- Our MCUs are written with the code tables of the file. So a good file becomes another good file,
  and libjpeg prints nothing.

The data of a file with restart markers come in intervals. If each is a row, as with most cameras,
our MCUs are on the right of the image. Else the file is decoded a second time, at an eighth of its
size, with our MCUs after each interval.

Some good files do not allow this: the code tables of a small file may lack a code that we need, or
a file of the best quality may end in another way. Such a file is decoded once more, without any
data for the additional MCUs. libjpeg then decodes one of them from zeros, and leaves the others
grey. It prints a line, once for each such file. Usual cameras send none.

Files with several scans, such as progressive ones, are checked by their markers only. Each
coefficient must have arrived with all its bits. Most holes in them are noticed only by a program
that collects the warnings of libjpeg, as the node does; see `check_warnings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import re
import struct
from typing import NamedTuple

import cv2
import numpy as np

from fcos_ros.core.arrays import Array, Bytes, Pixels
from fcos_ros.core.errors import FrameError
from fcos_ros.core.image_file import opencv
from fcos_ros.core.image_file.jpeg_codes import MIN_MCUS, mcu_codes
from fcos_ros.core.image_file.jpeg_header import (
    DRI,
    END,
    FRAME_HEADERS,
    SEQUENTIAL,
    Jpeg,
    Scan,
    damaged,
    read_frame_header,
    read_structure,
)
from fcos_ros.core.resize import Size

SIGNATURE = b'\xff\xd8\xff'

_START = b'\xff\xd8'
_RESTART_MARKER = re.compile(rb'\xff[\xd0-\xd7]')

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""OpenCV's flags by the divisor of both sides."""

DIVISORS = tuple(_FLAGS)
"""Both sides of an image can be decoded at 1/1, 1/2, 1/4 and 1/8 of their length."""

CHECK_WARNING = 'Corrupt JPEG data: premature end of data segment'
"""The warning of libjpeg about our own MCUs in a complete file."""

_CORRUPT = 'Corrupt JPEG data'
"""The warnings of libjpeg about missing data begin with it."""

_MAX_SIDE = 65500
"""Maximum side of an image that libjpeg decodes, in pixels."""

_VISIBLE_RISE = 3
"""Levels by which a bright MCU differs from plain ones at least: more than by rounding."""

_MAX_INTERVAL = 0xFFFF - MIN_MCUS
"""Maximum number of MCUs between two restart markers, so that ours can be added."""

_GREY = (128, 64, 65)
"""Levels of pixels without data; the last two in files of four inks, which are mixed."""

_TAILS = (b'', b'\x2a', b'\x55', b'\x7f', b'\x99', b'\xe1')
"""
Bytes to decode after the data. After none, the next MCU is made of zeros; where these may mean an
empty block, it may be grey like the others.
"""


class _Grid(NamedTuple):
    """
    The MCUs of a scan.

    :ivar mcu: size of an MCU in pixels.
    :ivar across: MCUs in a row.
    :ivar down: rows.
    """

    mcu: Size
    across: int
    down: int

    @property
    def total(self) -> int:
        """The number of all MCUs."""
        return self.across * self.down


class _Decoder(NamedTuple):
    """Decodes one file, also with another size or other data than it has."""

    file: Bytes
    jpeg: Jpeg
    divisor: int
    flags: int

    def pixels(self, size: Size, data: bytes, interval: int = 0) -> Pixels:
        """
        Decode data with the header of the file, as an image of this size.

        :param interval: MCUs between two restart markers; 0 for no restarts.
        :raises FrameError: OpenCV cannot decode them.
        """
        content = b''.join([_START, *_header(self.jpeg, size, interval), data, END])
        expected = Size(*(-(-side // self.divisor) for side in size))
        return opencv.decode(np.frombuffer(content, np.uint8), self.flags, 'jpeg', expected)


def read_header(file: Bytes) -> tuple[Size, bool]:
    """Return the size, and whether the image is grey; raise FrameError if there is no header."""
    frame = read_frame_header(file)
    return frame.size, len(frame.components) == 1


def decode(file: Bytes, size: Size, divisor: int = 1, *, grey: bool = False) -> Pixels:
    """
    Return the pixels, uint8 (H, W, 3) in BGR order, or (H, W) in grey. Orientation is ignored.

    They equal those of libjpeg, except the colours of the last row or column; see
    `_remove_added_colour`.

    :param size: the size that the header states.
    :param divisor: one of `DIVISORS`; 1 for a grey image.
    :raises FrameError: data are missing, or the file is damaged in another way.
    """
    jpeg = read_structure(file)
    if jpeg.frame.size != size:
        raise damaged(file, f'it is {jpeg.frame.size}; expected: {size}')
    single = _has_one_scan(jpeg)
    scans = jpeg.scans[:1] if single else jpeg.scans
    # Any number of FF may stand before a marker.
    data = file[scans[0].start:scans[-1].stop].tobytes().rstrip(b'\xff')
    problem = _find_problem(file, jpeg, scans, single) if data else 'it has no data'
    if problem:
        raise _incomplete(file, jpeg, problem)
    decoder = _Decoder(file, jpeg, divisor, cv2.IMREAD_GRAYSCALE if grey else _FLAGS[divisor])
    pixels = _decode_checked(decoder, data) if single else (
        decoder.pixels(size, data, scans[0].interval))
    if pixels is None:
        raise _incomplete(file, jpeg, 'data are missing, or do not belong to it')
    return pixels


def check_warnings(file: Bytes, warnings: Sequence[str]) -> list[str]:
    """
    Return the warnings of libjpeg about a file that `decode` accepts, without those that we cause.

    :raises FrameError: they show that data are missing, in a file with several scans.
    """
    corrupt = [warning for warning in warnings if warning.startswith(_CORRUPT)]
    if corrupt and not _has_one_scan(read_structure(file)):
        raise damaged(file, corrupt[0])
    return [warning for warning in warnings if warning != CHECK_WARNING]


def _has_one_scan(jpeg: Jpeg) -> bool:
    """Return whether the first scan has the whole image; libjpeg then reads no further one."""
    return jpeg.frame.marker in SEQUENTIAL and len(jpeg.scans[0].names) == len(
        jpeg.frame.components)


def _incomplete(file: Bytes, jpeg: Jpeg, reason: str) -> FrameError:
    return damaged(file, reason, 'damaged' if jpeg.has_end else 'truncated')


def _header(jpeg: Jpeg, size: Size, interval: int) -> Iterator[bytes]:
    """
    Yield the segments of the header, with another size and restart interval.

    Bytes between them are left out, as libjpeg prints a line for them.
    """
    for segment in jpeg.header:
        if segment.marker in FRAME_HEADERS:
            sides = struct.pack('>HH', size.height, size.width)
            segment = segment._replace(content=segment.content[:1] + sides + segment.content[5:])
        elif segment.marker == DRI:
            segment = segment._replace(content=struct.pack('>H', interval))
        yield segment.encode()


def _grid(jpeg: Jpeg, scan: Scan) -> _Grid:
    most, parts = jpeg.frame.most_blocks, Size(1, 1)
    if len(scan.names) == 1:  # its MCUs are single blocks
        parts = jpeg.frame.components[scan.names[0]].blocks
    across, down = (-(-side * part // (8 * blocks)) for side, part, blocks in
                    zip(jpeg.frame.size, parts, most))
    mcu = Size(*(8 * blocks // part for blocks, part in zip(most, parts)))
    return _Grid(mcu, across, down)


# Files with one scan

def _decode_checked(decoder: _Decoder, data: bytes) -> Pixels | None:
    """Decode a file if its data are complete; return None if they are not."""
    jpeg, scan = decoder.jpeg, decoder.jpeg.scans[0]
    size, interval = jpeg.frame.size, scan.interval
    grid = _grid(jpeg, scan)
    if not any(any(table[16:]) for pair in scan.tables for table in pair):
        return decoder.pixels(size, data, interval)  # such tables make all data the same grey
    if _count_restarts(jpeg, scan):
        if interval > _MAX_INTERVAL:
            raise damaged(decoder.file, f'its restart interval is {interval}; accepted: at most '
                                        f'{_MAX_INTERVAL}', 'limit')
        intervals = _RESTART_MARKER.split(data)
        if interval == grid.across:
            pixels = _decode_with_columns(decoder, intervals, grid)
            if pixels is not None:
                return pixels
        complete = _are_complete(decoder, intervals, grid, interval)
        return decoder.pixels(size, data, interval) if complete else None
    pixels = _decode_with_rows(decoder, data, grid)
    if pixels is None and _end_in_last_mcu(decoder, [data], grid, grid.total):
        return decoder.pixels(size, data)
    return pixels


def _decode_with_rows(decoder: _Decoder, data: bytes, grid: _Grid) -> Pixels | None:
    """Decode a file with MCUs below the image; return None if they are not in their places."""
    size, divisor = decoder.jpeg.frame.size, decoder.divisor
    rows = -(-MIN_MCUS // grid.across)
    higher = Size(size.width, (grid.down + rows) * grid.mcu.height)
    codes = mcu_codes(decoder.jpeg, rows * grid.across)
    with_added = codes.append_to(data) if codes else None
    if with_added is None or higher.height > _MAX_SIDE:
        return None
    pixels = decoder.pixels(higher, with_added)
    if not _is_added(_one_of_each_mcu(pixels, grid.mcu, divisor)[grid.total:]):
        return None
    image = pixels[:-(-size.height // divisor)]
    if divisor == 1 and decoder.jpeg.frame.most_blocks.height > 1:
        _remove_added_colour(image)
    return image


def _decode_with_columns(
    decoder: _Decoder, intervals: Sequence[bytes], grid: _Grid,
) -> Pixels | None:
    """Decode a file with a restart after each row and MCUs on the right, as with MCUs below."""
    size, divisor = decoder.jpeg.frame.size, decoder.divisor
    across = grid.across + MIN_MCUS
    wider = Size(across * grid.mcu.width, grid.down * grid.mcu.height)
    codes = mcu_codes(decoder.jpeg, MIN_MCUS)
    with_added = [codes.append_to(part) if codes else None for part in intervals]
    complete = [part for part in with_added if part is not None]
    if len(complete) < len(intervals) or max(wider) > _MAX_SIDE:
        return None
    pixels = decoder.pixels(wider, _join(complete), across)
    mcus = _one_of_each_mcu(pixels, grid.mcu, divisor).reshape(grid.down, across, -1)
    if not all(_is_added(row[grid.across:]) for row in mcus):
        return None
    image = pixels[:-(-size.height // divisor), :-(-size.width // divisor)]
    if divisor == 1 and decoder.jpeg.frame.most_blocks.width > 1:
        _remove_added_colour(image.swapaxes(0, 1))
    return image


def _one_of_each_mcu(pixels: Pixels, mcu: Size, divisor: int) -> Array:
    """Return one pixel of each MCU in the order of the data, int16 (N, C)."""
    width, height = (side // divisor for side in mcu)
    rows = pixels[4 // divisor::height, ::width].astype(np.int16)
    return rows.reshape(rows.shape[0] * rows.shape[1], -1)


def _is_added(mcus: Array) -> bool:
    """Return whether MCUs are those that we have added, by one pixel of each."""
    rise = abs(mcus - mcus[1]).max(axis=1)
    return bool(min(rise[0], rise[-1]) >= _VISIBLE_RISE and not rise[1:-1].any())


def _remove_added_colour(image: Pixels) -> None:
    """
    Give the last row the colours of the row above it, in place, and keep its brightness.

    Where two rows share their colours, libjpeg mixes those of the last row with our MCUs. The
    same holds for columns.
    """
    if image.ndim == 3 and len(image) > 1:
        rows = cv2.cvtColor(image[-2:], cv2.COLOR_BGR2YCrCb)
        rows[1, :, 1:] = rows[0, :, 1:]
        image[-1] = cv2.cvtColor(rows, cv2.COLOR_YCrCb2BGR)[1]


def _are_complete(
    decoder: _Decoder, intervals: Sequence[bytes], grid: _Grid, interval: int,
) -> bool:
    """Return whether the data of each interval end in its last MCU, by MCUs added to each."""
    layout = _Layout.of(len(intervals), interval + MIN_MCUS, grid.mcu)
    lengths = _lengths(len(intervals), grid, interval)
    # Intervals without pixels of the image fill the last row.
    lengths += [0] * (layout.intervals - len(intervals))
    data = [*intervals, *[b''] * (layout.intervals - len(intervals))]
    added = [mcu_codes(decoder.jpeg, layout.length - length) for length in lengths]
    with_added = [codes.append_to(part) if codes else None for codes, part in zip(added, data)]
    complete = [part for part in with_added if part is not None]
    if len(complete) == len(data):
        mcus = _decode_intervals(decoder, complete, layout, grid.mcu, divisor=8)[..., 0, 0, :]
        if all(_is_added(part[length:]) for part, length in zip(mcus, lengths)):
            return True
    return _end_in_last_mcu(decoder, intervals, grid, interval)


def _lengths(count: int, grid: _Grid, interval: int) -> list[int]:
    """Return the number of MCUs in each interval; the last one may be shorter."""
    return [interval] * (count - 1) + [grid.total - interval * (count - 1)]


class _Layout(NamedTuple):
    """
    The MCUs of intervals as an image of whole rows; one row has several intervals, or a part.

    :ivar intervals: number of intervals; there may be some more than the file has.
    :ivar length: number of MCUs in an interval.
    :ivar across: number of MCUs in a row.
    """

    intervals: int
    length: int
    across: int

    @classmethod
    def of(cls, count: int, length: int, mcu: Size) -> _Layout:
        """Arrange intervals of at least `length` MCUs, so that both sides are short enough."""
        widest, highest = _MAX_SIDE // mcu.width, _MAX_SIDE // mcu.height
        if length > widest:
            rows = -(-length // widest)
            across = -(-length // rows)
            return cls(count, rows * across, across)
        in_row = -(-count // highest)
        return cls(-(-count // in_row) * in_row, length, length * in_row)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.intervals * self.length // self.across


def _join(intervals: Sequence[bytes]) -> bytes:
    """Join intervals by restart markers."""
    return b''.join(part for number, interval in enumerate(intervals)
                    for part in (interval, bytes([0xFF, 0xD0 + number % 8])))[:-2]


def _decode_intervals(
    decoder: _Decoder, intervals: Sequence[bytes], layout: _Layout, mcu: Size, divisor: int,
) -> Array:
    """Decode each MCU of intervals: int16 (intervals, MCUs, H, W, 3)."""
    size = Size(layout.across * mcu.width, layout.rows * mcu.height)
    interval = layout.length if len(intervals) > 1 else 0
    pixels = decoder._replace(divisor=divisor, flags=_FLAGS[divisor]).pixels(
        size, _join(intervals), interval)
    width, height = (side // divisor for side in mcu)
    tiles = pixels.reshape(layout.rows, height, layout.across, width, 3).swapaxes(1, 2)
    mcus = tiles.reshape(layout.intervals, layout.length, height, width, 3)
    return np.asarray(mcus, np.int16)


def _end_in_last_mcu(
    decoder: _Decoder, intervals: Sequence[bytes], grid: _Grid, interval: int,
) -> bool:
    """
    Return whether data of intervals end in their last MCU, by the MCUs that are decoded after it.

    libjpeg decodes the first from zeros, leaves all later ones grey, and prints a line.
    """
    layout = _Layout.of(len(intervals), interval + MIN_MCUS, grid.mcu)
    lengths = _lengths(len(intervals), grid, interval)
    tails = _TAILS if _zeros_are_empty(decoder.jpeg.scans[0]) else _TAILS[:1]
    found = np.zeros(len(intervals), bool)
    for tail in tails:
        data = [part + tail for part in intervals]
        data += [b''] * (layout.intervals - len(data))
        mcus = _decode_intervals(decoder, data, layout, grid.mcu, divisor=1)
        inner = mcus[:, :, 2:-2, 2:-2]  # colours are mixed at the edges
        grey = np.asarray(np.isin(inner, _GREY).all(axis=(2, 3, 4)))
        found |= [not row[length] and row[length + 1:].all()
                  for row, length in zip(grey, lengths)]
        if found.all():
            return True
    return False


def _zeros_are_empty(scan: Scan) -> bool:
    """Return whether zeros may be the code of an empty block, in every table of the scan."""
    return not any(others[16] & 15 for _, others in scan.tables if len(others) > 16)


# Markers

def _find_problem(file: Bytes, jpeg: Jpeg, scans: Sequence[Scan], single: bool) -> str:
    """
    Return what is wrong with the data of a file by its markers; '' if nothing is.

    :param single: whether the first scan has the whole image.
    """
    for scan in scans:
        expected, found = _count_restarts(jpeg, scan), []
        if expected or not single:
            data = file[scan.start:scan.stop].data
            found = [marker[1] for marker in _RESTART_MARKER.findall(data)]
        if found != [0xD0 + number % 8 for number in range(expected)]:
            return (f'a scan has {len(found)} restart markers; expected: {expected} in their '
                    'order')
    if single:
        return ''
    if not jpeg.has_end:
        return 'it has several scans, and no end marker'
    missing = _count_incomplete(jpeg)
    return f'{missing} of its components are not complete' if missing else ''


def _count_restarts(jpeg: Jpeg, scan: Scan) -> int:
    """Return the number of restart markers that a scan must have."""
    return (_grid(jpeg, scan).total - 1) // scan.interval if scan.interval else 0


def _count_incomplete(jpeg: Jpeg) -> int:
    """Return the number of components of which the scans do not have all bits."""
    missing = {name: np.ones(64, int) for name in jpeg.frame.components}
    for scan in jpeg.scans:
        first, last = scan.coefficients
        for name in scan.names:
            missing[name][first:last + 1] = scan.lowest_bit
    return sum(bool(bits.any()) for bits in missing.values())
