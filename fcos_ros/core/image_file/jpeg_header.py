# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The structure of a JPEG file: its segments, its size, its scans and their code tables.

The rules are those of libjpeg, on which cameras rely: bytes between segments are skipped, and the
end marker may be missing. Files in which decoders could find another size are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
import re
import struct
from typing import NamedTuple

import cv2
import numpy as np

from fcos_ros.core.arrays import Bytes
from fcos_ros.core.errors import FrameError, FrameErrorKind
from fcos_ros.core.resize import Size

_MARKER = re.compile(rb'\xff([\x02-\xcf\xd8-\xfe])')
"""
The next marker. libjpeg skips all bytes before it, also FF 00, FF 01 and restarts. These are the
only markers among pixels, so the next marker is also the end of a scan.
"""

END = b'\xff\xd9'

_DHT, _DQT, DRI, _SOS = 0xC4, 0xDB, 0xDD, 0xDA
SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}
_WITH_CONTENT = FRAME_HEADERS | {_DHT, _DQT, DRI, _SOS, 0xCC, 0xDC, 0xFE, *range(0xE0, 0xF0)}
"""Markers of segments with a content. libjpeg refuses a file with any other."""

_MAX_SEGMENTS = 1000
"""Maximum number of segments. A colour profile alone may have 255."""

_MAX_SCANS = 50
"""
Maximum number of scans. Most programs write up to 10. Even a short scan costs time for all pixels.
"""


class Segment(NamedTuple):
    """
    A segment, such as a code table.

    :ivar content: without marker and length.
    :ivar start: position of its marker.
    :ivar stop: position after its content.
    """

    marker: int
    content: bytes
    start: int
    stop: int

    def encode(self) -> bytes:
        """Return the segment as it stands in a file."""
        return struct.pack('>BBH', 0xFF, self.marker, 2 + len(self.content)) + self.content


class Component(NamedTuple):
    """
    A colour channel.

    :ivar blocks: blocks of 8x8 samples that an MCU has of it, across and down.
    :ivar quantisation: number of its quantisation table.
    """

    blocks: Size
    quantisation: int


class FrameHeader(NamedTuple):
    """
    The header that states the size.

    :ivar components: by the names that scans use.
    """

    marker: int
    size: Size
    components: Mapping[int, Component]

    @property
    def most_blocks(self) -> Size:
        """The largest number of blocks that an MCU has of a component, across and down."""
        return Size(*map(max, zip(*(part.blocks for part in self.components.values()))))


class Scan(NamedTuple):
    """
    A part of the data: some components, some of their coefficients, some of their bits.

    :ivar names: of its components.
    :ivar tables: of each component the two Huffman tables, of the first coefficient of a block and
        of the others: 16 counts of codes by length, then their symbols. b'' if there is none.
    :ivar coefficients: the first and the last of the 64 coefficients of a block.
    :ivar lowest_bit: the lowest bit of the coefficients that is known with this scan.
    :ivar interval: MCUs between two restart markers; 0 for no restarts.
    :ivar start: position of its data; likewise `stop`.
    """

    names: tuple[int, ...]
    tables: tuple[tuple[bytes, bytes], ...]
    coefficients: tuple[int, int]
    lowest_bit: int
    interval: int
    start: int
    stop: int


@dataclass
class Jpeg:
    """
    The structure of a file, as far as it has been read.

    :ivar frame: the header that states the size.
    :ivar header: the segments before the data of the first scan.
    :ivar steps: quantisation step of the first coefficient, by the number of its table.
    :ivar tables: Huffman tables by class and number, as in a file.
    :ivar interval: MCUs between two restart markers; 0 for no restarts.
    :ivar has_end: whether the end marker is there.
    """

    frame: FrameHeader
    header: list[Segment] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    steps: dict[int, int] = field(default_factory=dict)
    tables: dict[int, bytes] = field(default_factory=dict)
    interval: int = 0
    has_end: bool = False


def read_frame_header(file: Bytes) -> FrameHeader:
    """
    Return the header that states the size.

    :raises FrameError: there is none, or the file is of a kind that is not accepted.
    """
    for segment in _segments(file):
        if segment.marker in FRAME_HEADERS:
            return _frame_header(segment, file)
    raise damaged(file, 'no header states its size')


def read_structure(file: Bytes) -> Jpeg:
    """
    Return the structure of a file.

    :raises FrameError: its segments contradict each other, or it would cost more to decode than
        its pixels need.
    """
    segments = list(_segments(file))
    frames = [segment for segment in segments if segment.marker in FRAME_HEADERS]
    if len(frames) != 1:
        raise damaged(file, f'{len(frames)} headers state its size')
    jpeg = Jpeg(_frame_header(frames[0], file))
    jpeg.has_end = file[segments[-1].start:segments[-1].start + 2].tobytes() == END
    for segment, following in pairwise(segments):
        if not jpeg.scans:
            jpeg.header.append(segment)
        if segment.marker in _READ:
            _READ[segment.marker](jpeg, segment.content)
        elif segment.marker == _SOS:
            jpeg.scans.append(_scan(jpeg, segment, following.start, file))
    if not jpeg.scans:
        raise damaged(file, 'it has no pixels', 'truncated')
    if len(jpeg.scans) > _MAX_SCANS:
        raise damaged(file, f'it has more than {_MAX_SCANS} scans, each of which costs time for '
                            'all pixels', 'limit')
    return jpeg


def damaged(file: Bytes, reason: str, kind: FrameErrorKind = 'damaged') -> FrameError:
    """Return the error for a damaged file."""
    fault = 'truncated' if kind == 'truncated' else 'damaged'
    return FrameError(f'jpeg file of {file.size} bytes is {fault}: {reason}', kind)


def _segments(file: Bytes) -> Iterator[Segment]:
    """Iterate over the segments; an empty one stands for the end."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(file.data, position)
        segment = _segment(file, found)
        if segment is None:
            end = found.start() if found else file.size
            yield Segment(0, b'', end, end)
            return
        yield segment
        position = segment.stop
    raise damaged(file, f'it has more than {_MAX_SEGMENTS} segments', 'limit')


def _segment(file: Bytes, found: re.Match[bytes] | None) -> Segment | None:
    """Return the segment of a marker; None if it has none, or a truncated one."""
    if found is None or found[1][0] not in _WITH_CONTENT or found.end() + 2 > file.size:
        return None
    length, = struct.unpack_from('>H', file.data, found.end())
    stop = found.end() + max(length, 2)  # libjpeg takes 0 and 1 for an empty segment
    content = file[found.end() + 2:stop].tobytes()
    return Segment(found[1][0], content, found.start(), stop) if stop <= file.size else None


def _frame_header(segment: Segment, file: Bytes) -> FrameHeader:
    marker, content = segment.marker, segment.content
    if marker not in (*SEQUENTIAL, _PROGRESSIVE):
        raise FrameError(f'jpeg file of {file.size} bytes is of the kind {marker:02x}; '
                         'accepted: c0, c1 (baseline) and c2 (progressive)', 'format')
    if len(content) < 9 or len(content) != 6 + 3 * content[5]:
        raise damaged(file, f'its frame header has {len(content)} bytes')
    _, height, width = struct.unpack_from('>BHH', content)
    components = {name: Component(Size(sampling >> 4, sampling & 15), table)
                  for name, sampling, table in struct.iter_unpack('BBB', content[6:])}
    if not all(1 <= side <= 4 for part in components.values() for side in part.blocks):
        raise damaged(file, 'a component has a wrong number of blocks')
    return FrameHeader(marker, Size(width, height), components)


def _read_huffman_tables(jpeg: Jpeg, content: bytes) -> None:
    while len(content) > 16:
        stop = 17 + sum(content[1:17])
        jpeg.tables[content[0]] = content[1:stop]
        content = content[stop:]


def _read_steps(jpeg: Jpeg, content: bytes) -> None:
    while content:
        width = 2 if content[0] >> 4 else 1
        jpeg.steps[content[0] & 15] = int.from_bytes(content[1:1 + width], 'big')
        content = content[1 + 64 * width:]


def _read_interval(jpeg: Jpeg, content: bytes) -> None:
    jpeg.interval = int.from_bytes(content[:2], 'big')


_READ = {_DHT: _read_huffman_tables, _DQT: _read_steps, DRI: _read_interval}


def _scan(jpeg: Jpeg, segment: Segment, stop: int, file: Bytes) -> Scan:
    content = segment.content
    if len(content) < 6 or len(content) != 4 + 2 * content[0]:
        raise damaged(file, f'a scan header has {len(content)} bytes')
    chosen = list(struct.iter_unpack('BB', content[1:-3]))
    if not {name for name, _ in chosen} <= set(jpeg.frame.components):
        raise damaged(file, 'a scan is of an unknown component')
    tables = {**_standard_tables(), **jpeg.tables}
    first, last, bits = content[-3:]
    return Scan(
        tuple(name for name, _ in chosen),
        tuple((tables.get(number >> 4, b''), tables.get(16 | number & 15, b''))
              for _, number in chosen),
        (first, last), bits & 15, jpeg.interval, segment.stop, stop)


@lru_cache(maxsize=1)
def _standard_tables() -> Mapping[int, bytes]:
    """Return the Huffman tables that some webcams leave out, by class and number."""
    file = np.asarray(cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1], np.uint8).reshape(-1)
    jpeg = Jpeg(read_frame_header(file))
    for segment in _segments(file):
        if segment.marker == _DHT:
            _read_huffman_tables(jpeg, segment.content)
    return jpeg.tables
