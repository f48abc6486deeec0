# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
JPEG and PNG files: read their headers and decode their pixels.

The header is read without decoding, so a file that states a huge size costs neither time nor
memory. Files are not trusted: a faulty file raises `FrameError` and never returns a wrong image.
"""

from __future__ import annotations

from collections.abc import Iterator
import re
import struct
from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np

from fcos_ros.core.arrays import Bytes, Pixels
from fcos_ros.core.errors import FrameError, FrameErrorKind
from fcos_ros.core.resize import Size

MAX_PIXELS = 7680 * 4320
"""Maximum number of pixels of an image: 8K, which is 100 MB in BGR."""

_MAX_SEGMENTS = 1000
"""
Maximum number of segments of a JPEG up to its first scan, and again after it. A colour profile
alone may have 255.
"""

_MAX_SCANS = 50
"""
Maximum number of scans of a JPEG. Most programs write up to 10. Even a short scan costs time for
all pixels.
"""

_MAX_CHUNKS = 50_000
"""
Maximum number of chunks of a PNG. Most programs write chunks of 8 KB; as many of these hold more
than an 8K image needs.
"""

_MARKER = re.compile(rb'\xff+([^\xff])')
_MARKER_AFTER_SCAN = re.compile(rb'\xff([\xc0-\xcf\xd9-\xfe])')
"""The marker after the pixels of a scan. Among the pixels, FF precedes only 00 and restarts."""
_STANDALONE_MARKERS = frozenset([0x00, 0x01, *range(0xD0, 0xDA)])
"""Second bytes of markers without a segment: restarts, start and end of the image."""
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN_HEADER = 0xDA

_SIGNATURES = {'jpeg': b'\xff\xd8\xff', 'png': b'\x89PNG\r\n\x1a\n'}
_JPEG_END, _PNG_END = b'\xff\xd9', b'IEND'

FORMATS = tuple(_SIGNATURES)
"""The names of the accepted file formats."""

_DECODE_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""OpenCV's flags by the divisor of both sides."""


class _Problem(NamedTuple):
    """Why a file is not accepted."""

    text: str
    kind: FrameErrorKind


class _Segment(NamedTuple):
    """
    A segment of a JPEG.

    :ivar start: position of its content, after marker and length.
    :ivar stop: position after it.
    """

    marker: int
    start: int
    stop: int


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


def read_header(file: Bytes) -> tuple[str, Size]:
    """
    Return the format of a file and the size of its image.

    :raises FrameError: it is neither JPEG nor PNG, its header is damaged, or it states more than
        `MAX_PIXELS`.
    """
    encoding = _format(file)
    size = _READ_SIZE[encoding](file)
    if min(size) < 1:
        raise FrameError(
            f'{encoding} image is {size}; accepted: both sides at least 1 pixel', 'size')
    if size.width * size.height > MAX_PIXELS:
        raise FrameError(
            f'{encoding} image is {size}; accepted: at most {MAX_PIXELS} pixels', 'size')
    return encoding, size


def decode(file: Bytes, encoding: str, size: Size, needed_size: Size | None = None) -> Pixels:
    """
    Decode a file to (H, W, 3) uint8 in BGR order. The orientation tag is ignored.

    :param encoding: the format that `read_header` returned; likewise `size`.
    :param needed_size: the minimum size that is needed. A JPEG is decoded at 1/2, 1/4 or 1/8 of
        its size if that is enough, which is faster.
    :raises FrameError: the file is truncated, damaged or not supported.
    """
    _require_complete(file, encoding, size)
    if encoding == 'png':
        file = _without_ancillary_chunks(file)
    divisor = _divisor(size, needed_size) if encoding == 'jpeg' and needed_size else 1
    expected = Size(*(-(-side // divisor) for side in size))
    try:
        pixels = cv2.imdecode(file, _DECODE_FLAGS[divisor] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameError(f'{encoding} file {size} cannot be decoded: {error}') from error
    if pixels is None:
        raise FrameError(f'{encoding} file {size} of {file.size} bytes cannot be decoded: '
                         'it is damaged, or OpenCV does not support this kind')
    decoded = Size(*pixels.shape[1::-1])
    if decoded != expected:
        raise FrameError(f'{encoding} file is decoded to {decoded}; '
                         f'expected from its header: {expected}')
    return np.asarray(pixels, np.uint8)


def _format(file: Bytes) -> str:
    first = file[:8].tobytes()
    for name, signature in _SIGNATURES.items():
        if first.startswith(signature):
            return name
    raise FrameError(f'image file of {file.size} bytes begins with {first.hex(" ") or "nothing"}; '
                     f'accepted: {", ".join(FORMATS)}', 'format')


def _jpeg_size(file: Bytes) -> Size:
    for segment in _jpeg_segments(file):
        if segment.marker in _FRAME_HEADERS and segment.stop - segment.start >= 5:
            _, height, width = struct.unpack_from('>BHH', file.data, segment.start)
            return Size(width, height)
    raise FrameError(f'jpeg file of {file.size} bytes is damaged: no header states its size')


def _png_size(file: Bytes) -> Size:
    # The first chunk of a PNG is always its header, with 13 bytes.
    if file[8:16].tobytes() != b'\x00\x00\x00\x0dIHDR' or file.size < 24:
        raise FrameError(f'png file of {file.size} bytes is damaged: no header states its size')
    return Size(*struct.unpack_from('>II', file.data, 16))


_READ_SIZE = {'jpeg': _jpeg_size, 'png': _png_size}


def _jpeg_segments(file: Bytes) -> Iterator[_Segment]:
    """
    Iterate over the segments of a JPEG, up to its first scan or its first damaged segment.

    Segments that decoders may read in different ways count as damaged. Otherwise a decoder might
    find another size.
    """
    position = 2
    for _ in range(_MAX_SEGMENTS):
        segment = _segment(file, _MARKER.match(file.data, position))
        if segment is None:
            return
        yield segment
        if segment.marker == _SCAN_HEADER:
            return
        position = segment.stop


def _segment(file: Bytes, found: re.Match[bytes] | None) -> _Segment | None:
    """Return the segment of a marker; None if it has none, or a damaged one."""
    if found is None or found[1][0] in _STANDALONE_MARKERS or found.end() + 2 > file.size:
        return None
    length, = struct.unpack_from('>H', file.data, found.end())
    stop = found.end() + length
    complete = length >= 2 and stop <= file.size
    return _Segment(found[1][0], found.end() + 2, stop) if complete else None


def _require_complete(file: Bytes, encoding: str, size: Size) -> None:
    """
    Raise FrameError if a file has no end, or would cost more to decode than its pixels need.

    Bytes after the end are ignored, as cameras pad with zeros.
    """
    problem = _FIND_PROBLEM[encoding](file)
    if problem:
        raise FrameError(
            f'{encoding} file {size} of {file.size} bytes {problem.text}', problem.kind)


def _jpeg_problem(file: Bytes) -> _Problem | None:
    """Return why a JPEG is not accepted; None if it is."""
    # Some versions of OpenCV fill missing pixels with grey, so the end marker is required. The
    # search begins at the first scan, as in a decoder: a thumbnail before it has its own end, and
    # a comment after it may contain the bytes of one.
    position = max((segment.stop for segment in _jpeg_segments(file)), default=0)
    scans = 1
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER_AFTER_SCAN.search(file.data, position)
        if found and found[0] == _JPEG_END:
            return None
        segment = _segment(file, found)
        if segment is None:
            return _Problem('is truncated: it has no end marker', 'truncated')
        scans += segment.marker == _SCAN_HEADER
        if scans > _MAX_SCANS:
            return _Problem(f'has more than {_MAX_SCANS} scans, each of which costs time for all '
                            'pixels', 'limit')
        position = segment.stop
    return _Problem(f'is damaged: it has more than {_MAX_SEGMENTS} segments after its first scan',
                    'limit')


def _png_problem(file: Bytes) -> _Problem | None:
    """Return why a PNG is not accepted; None if it is."""
    # Some versions of OpenCV allocate the length that a chunk states, up to 4 GB. libpng prints a
    # line for each damaged chunk.
    for count, (name, start, stop) in enumerate(_png_chunks(file)):
        if count == _MAX_CHUNKS:
            return _Problem(f'is damaged: it has more than {_MAX_CHUNKS} chunks', 'limit')
        if stop > file.size:
            return _Problem(f'is truncated: its chunk {name!r} at {start} states '
                            f'{stop - start - 12} bytes', 'truncated')
        checksum, = struct.unpack_from('>I', file.data, stop - 4)
        if checksum != crc32(file.data[start + 4:stop - 4]):
            return _Problem(
                f'is damaged: its chunk {name!r} at {start} has a wrong checksum', 'damaged')
        if name == _PNG_END:
            return None
    return _Problem(f'is truncated: it has no {_PNG_END.decode()} chunk', 'truncated')


def _png_chunks(file: Bytes) -> Iterator[_Chunk]:
    """Iterate over the chunks of a PNG, up to its end."""
    stop, name = 8, b''
    while name != _PNG_END and stop + 12 <= file.size:
        start = stop
        length, name = struct.unpack_from('>I4s', file.data, start)
        stop = start + 12 + length
        yield _Chunk(name, start, stop)


def _without_ancillary_chunks(file: Bytes) -> Bytes:
    """
    Return a complete PNG without the chunks that its pixels do not need; no copy if it has none.

    libpng would decompress each text and colour profile, to up to 8 MB, and keep them all.
    """
    chunks = list(_png_chunks(file))
    if all(chunk.critical for chunk in chunks):
        return file
    return np.concatenate([file[:8], *(
        file[chunk.start:chunk.stop] for chunk in chunks if chunk.critical)])


_FIND_PROBLEM = {'jpeg': _jpeg_problem, 'png': _png_problem}


def _divisor(size: Size, needed_size: Size) -> int:
    """Return the largest divisor of both sides that leaves at least `needed_size`."""
    return max(divisor for divisor in _DECODE_FLAGS if divisor == 1 or all(
        side >= divisor * needed for side, needed in zip(size, needed_size)))
