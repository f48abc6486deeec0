# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
JPEG and PNG files: what their first bytes say of them, and their pixels.

The header is read without decoding anything, so that a file which claims to be huge costs nothing.
Files come from anywhere: whatever is wrong with one is a `FrameError`, never a wrong picture.
"""

from __future__ import annotations

from collections.abc import Iterator
import re
import struct
from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.errors import FrameError
from fcos_ros.core.resize import Size

Bytes = NDArray[np.uint8]
"""A file, flat."""

MOST_PIXELS = 7680 * 4320
"""The largest picture that is decoded, 8K: 100 MB of pixels."""

_SEGMENTS = 1000
"""Segments of a JPEG before its pixels; a colour profile alone may have 255. As many after."""

_SCANS = 50
"""Scans of a JPEG, each of which costs time for all pixels, however short it is; most programs
write up to 10."""

_CHUNKS = 50_000
"""Chunks of a PNG: of 8 KB each, as most programs write, they hold more than 8K pixels need."""

_MARKER = re.compile(rb'\xff+([^\xff])')
_SCAN_LEAVER = re.compile(rb'\xff([\xc0-\xcf\xd9-\xfe])')
"""What pixels end with: among them, FF stands before 00 and in restarts only."""
_BARE_MARKERS = frozenset([0x00, 0x01, *range(0xD0, 0xDA)])
"""Second bytes that no segment follows: restarts, start and end of the image."""
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN_HEADER = 0xDA

_MAGIC = {'jpeg': b'\xff\xd8\xff', 'png': b'\x89PNG\r\n\x1a\n'}
_JPEG_END, _PNG_END = b'\xff\xd9', b'IEND'

FORMATS = tuple(_MAGIC)
"""The names of the kinds of files."""

_DECODE = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""How OpenCV is told to decode every n-th pixel of each axis."""


class _Segment(NamedTuple):
    marker: int
    start: int
    """Where its content begins, behind marker and length."""
    stop: int


class _Chunk(NamedTuple):
    name: bytes
    start: int
    """Where it begins, with the length of its content."""
    stop: int
    """Where it ends, with a checksum; perhaps not in the file."""

    @property
    def critical(self) -> bool:
        """Whether the pixels need it, as its first letter says: a capital one."""
        return self.name[:1].isupper()


def read_header(file: Bytes) -> tuple[str, Size]:
    """
    Tell the format and the size of a file by its first bytes.

    :raises FrameError: it is neither JPEG nor PNG, its header is broken, or it claims more than
        `MOST_PIXELS`.
    """
    encoding = _format(file)
    size = _SIZES[encoding](file)
    if min(size) < 1:
        raise FrameError(f'{encoding} picture is {size}: both sides must be at least 1 pixel')
    if size.width * size.height > MOST_PIXELS:
        raise FrameError(f'{encoding} picture is {size}: at most {MOST_PIXELS} pixels are decoded')
    return encoding, size


def decode(file: Bytes, encoding: str, size: Size, least: Size | None = None) -> Bytes:
    """
    Make the pixels of a file, (H, W, 3) uint8 in BGR order; its orientation tag is not obeyed.

    :param encoding: what `read_header` said, as is `size`.
    :param least: of a JPEG so many pixels will do; fewer are then decoded, in less time.
    :raises FrameError: the file is cut off, or is broken in another way.
    """
    _require_whole(file, encoding, size)
    if encoding == 'png':
        file = _bare_png(file)
    divisor = _divisor(size, least) if encoding == 'jpeg' and least else 1
    expected = Size(*(-(-side // divisor) for side in size))
    try:
        pixels = cv2.imdecode(file, _DECODE[divisor] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameError(f'{encoding} picture {size} cannot be decoded: {error}') from error
    if pixels is None:
        raise FrameError(f'{encoding} picture {size} of {file.size} bytes cannot be decoded: '
                         'it is broken, or of a kind that OpenCV does not read')
    found = Size(*pixels.shape[1::-1])
    if found != expected:
        raise FrameError(f'{encoding} picture is {found}: its header promised {expected}')
    return np.asarray(pixels, np.uint8)


def _format(file: Bytes) -> str:
    first = file[:8].tobytes()
    for name, magic in _MAGIC.items():
        if first.startswith(magic):
            return name
    raise FrameError(f'a picture of {file.size} bytes begins with {first.hex(" ") or "nothing"}: '
                     f'accepted are {", ".join(FORMATS)}')


def _jpeg_size(file: Bytes) -> Size:
    for segment in _jpeg_segments(file):
        if segment.marker in _FRAME_HEADERS and segment.stop - segment.start >= 5:
            _, height, width = struct.unpack_from('>BHH', file.data, segment.start)
            return Size(width, height)
    raise FrameError(f'jpeg picture of {file.size} bytes is broken: no header tells its size')


def _png_size(file: Bytes) -> Size:
    # A PNG has no choice: its header is the first chunk, of this length.
    if file[8:16].tobytes() != b'\x00\x00\x00\x0dIHDR' or file.size < 24:
        raise FrameError(f'png picture of {file.size} bytes is broken: no header tells its size')
    return Size(*struct.unpack_from('>II', file.data, 16))


_SIZES = {'jpeg': _jpeg_size, 'png': _png_size}


def _jpeg_segments(file: Bytes) -> Iterator[_Segment]:
    """
    Walk over the segments of a JPEG, up to its first scan; stops early where they are broken.

    Takes nothing that a decoder may read in another way, or the size might be another one there.
    """
    position = 2
    for _ in range(_SEGMENTS):
        segment = _segment(file, _MARKER.match(file.data, position))
        if segment is None:
            return
        yield segment
        if segment.marker == _SCAN_HEADER:
            return
        position = segment.stop


def _segment(file: Bytes, found: re.Match[bytes] | None) -> _Segment | None:
    """See the segment behind a marker; None where there is none, or it is broken."""
    if found is None or found[1][0] in _BARE_MARKERS or found.end() + 2 > file.size:
        return None
    length, = struct.unpack_from('>H', file.data, found.end())
    stop = found.end() + length
    whole = length >= 2 and stop <= file.size
    return _Segment(found[1][0], found.end() + 2, stop) if whole else None


def _require_whole(file: Bytes, encoding: str, size: Size) -> None:
    """
    Refuse a file without its end, and one that would cost a decoder more than its pixels.

    Anything may follow the end; cameras pad with zeros.
    """
    fault = _FAULTS[encoding](file)
    if fault:
        raise FrameError(f'{encoding} picture {size} of {file.size} bytes {fault}')


def _jpeg_fault(file: Bytes) -> str:
    # Some versions of OpenCV would fill what is missing with grey. The end is looked for where a
    # decoder would, from the first scan's header on: a thumbnail before it has its own, and a
    # comment behind it may hold the two bytes of one.
    position = max((segment.stop for segment in _jpeg_segments(file)), default=0)
    scans = 1
    for _ in range(_SEGMENTS):
        found = _SCAN_LEAVER.search(file.data, position)
        if found and found[0] == _JPEG_END:
            return ''
        segment = _segment(file, found)
        if segment is None:
            return 'is cut off: it has no end'
        scans += segment.marker == _SCAN_HEADER
        if scans > _SCANS:
            return f'has more than {_SCANS} scans: each costs time for all pixels'
        position = segment.stop
    return f'is broken: it has more than {_SEGMENTS} segments behind its first scan'


def _png_fault(file: Bytes) -> str:
    # Some versions of OpenCV reserve what the length of a chunk claims, up to 4 GB, and libpng
    # writes a line to the log for each broken one.
    for count, (name, start, stop) in enumerate(_png_chunks(file)):
        if count == _CHUNKS:
            return f'is broken: it has more than {_CHUNKS} chunks'
        if stop > file.size:
            return f'is cut off: its chunk {name!r} at {start} claims {stop - start - 12} bytes'
        checksum, = struct.unpack_from('>I', file.data, stop - 4)
        if checksum != crc32(file.data[start + 4:stop - 4]):
            return f'is broken: its chunk {name!r} at {start} has another checksum'
        if name == _PNG_END:
            return ''
    return 'is cut off: it has no end'


def _png_chunks(file: Bytes) -> Iterator[_Chunk]:
    """Walk over the chunks of a PNG, up to its end."""
    stop, name = 8, b''
    while name != _PNG_END and stop + 12 <= file.size:
        start = stop
        length, name = struct.unpack_from('>I4s', file.data, start)
        stop = start + 12 + length
        yield _Chunk(name, start, stop)


def _bare_png(file: Bytes) -> Bytes:
    """
    Leave out of a whole PNG what its pixels do not need; the same file where that is nothing.

    Of texts and colour profiles libpng would unpack each to up to 8 MB, and keep them all.
    """
    chunks = list(_png_chunks(file))
    if all(chunk.critical for chunk in chunks):
        return file
    return np.concatenate([file[:8], *(
        file[chunk.start:chunk.stop] for chunk in chunks if chunk.critical)])


_FAULTS = {'jpeg': _jpeg_fault, 'png': _png_fault}


def _divisor(size: Size, least: Size) -> int:
    """Divide both sides by as much as leaves at least so many pixels."""
    return max(divisor for divisor in _DECODE
               if divisor == 1 or all(side >= divisor * few for side, few in zip(size, least)))
