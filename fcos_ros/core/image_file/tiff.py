# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
TIFF files with one grey or RGB image of 8 or 16 bits, as `compressed_image_transport` sends them.

Most files have no checksum: truncated files are refused, but damaged data may remain unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
import struct

import cv2

from fcos_ros.core.arrays import Array, Bytes
from fcos_ros.core.errors import FrameError, FrameErrorKind
from fcos_ros.core.image_file import opencv
from fcos_ros.core.resize import Size

_ORDERS = {b'II*\0': '<', b'MM\0*': '>'}
"""Byte orders by the first bytes of a file."""

SIGNATURES = tuple(_ORDERS)

_MAX_TAGS = 200
"""Maximum number of tags. The format defines fewer than 100."""

_TYPES = {1: 'B', 3: 'H', 4: 'I'}
"""Codes of `struct` for the types of the tags below."""

_WIDTH, _HEIGHT, _SAMPLES, _STRIPS, _STRIP_LENGTHS = 256, 257, 277, 273, 279

_ACCEPTED: Mapping[int, tuple[str, tuple[int, ...], int]] = {
    258: ('bits of a sample', (8, 16), 1),
    259: ('compression', (1, 5, 8, 32773, 32946), 1),
    262: ('photometric interpretation', (1, 2), 0),
    274: ('orientation', (1,), 1),
    _SAMPLES: ('samples of a pixel', (1, 3, 4), 1),
    284: ('planar configuration', (1,), 1),
    322: ('tile width', (0,), 0),
    339: ('sample format', (1,), 1),
}
"""
The meaning of a tag, its accepted values, and its value in a file without it.

These are images in grey or RGB, of integers, in strips; uncompressed, or compressed by LZW,
deflate or PackBits. OpenCV misreads some of the others.
"""

Tags = Mapping[int, tuple[int, ...]]


def read_header(file: Bytes) -> tuple[Size, bool]:
    """
    Return the size, and whether the image is grey.

    :raises FrameError: the header is damaged, or the file is of a kind that is not accepted.
    """
    tags = _read_tags(file)
    for tag, (meaning, accepted, default) in _ACCEPTED.items():
        values = set(tags.get(tag, (default,)))  # one for each channel
        if len(values) != 1 or not values <= set(accepted):
            raise FrameError(f'tiff file of {file.size} bytes has {meaning} {sorted(values)}; '
                             f'accepted: {", ".join(map(str, accepted))}', 'format')
    if not {_WIDTH, _HEIGHT} <= set(tags):
        raise _damaged(file, 'no header states its size')
    return Size(tags[_WIDTH][0], tags[_HEIGHT][0]), tags.get(_SAMPLES, (1,)) == (1,)


def decode(file: Bytes, size: Size, divisor: int = 1, *, grey: bool = False) -> Array:
    """
    Return the pixels: (H, W, 3) in BGR order, or (H, W) in grey; uint8 or uint16 as in the file.

    :param size: the size that the header states.
    :param divisor: always 1.
    :raises FrameError: the file is truncated, or OpenCV cannot decode it.
    """
    tags = _read_tags(file)
    strips = zip(tags.get(_STRIPS, ()), tags.get(_STRIP_LENGTHS, ()))
    if any(start + length > file.size for start, length in strips):
        raise _damaged(file, 'it is truncated', 'truncated')
    flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    return opencv.decode(file, flags | cv2.IMREAD_ANYDEPTH, 'tiff', size)


def _read_tags(file: Bytes) -> Tags:
    """Return the numbers of each known tag of the first image."""
    order = _ORDERS[file[:4].tobytes()]
    known = {_WIDTH, _HEIGHT, _STRIPS, _STRIP_LENGTHS, *_ACCEPTED}
    try:
        start, = struct.unpack_from(f'{order}I', file.data, 4)
        count, = struct.unpack_from(f'{order}H', file.data, start)
        entries = [struct.unpack_from(f'{order}HHI', file.data, start + 2 + 12 * number)
                   for number in range(min(count, _MAX_TAGS))]
        # libtiff uses the first of several equal tags, and other programs use the last.
        if count > _MAX_TAGS or len({tag for tag, *_ in entries}) < count:
            raise _damaged(file, 'it has too many tags, or one of them twice')
        return {tag: _numbers(file, order, start + 10 + 12 * number, _TYPES[kind], length)
                for number, (tag, kind, length) in enumerate(entries) if tag in known}
    except struct.error as error:
        raise _damaged(file, 'its header cannot be read: it lies beyond the end of the file',
                       'truncated') from error
    except KeyError as error:
        raise _damaged(
            file, f'its header cannot be read: a tag has the type {error}; accepted: '
                  f'{", ".join(map(str, _TYPES))}') from error


def _numbers(file: Bytes, order: str, place: int, code: str, count: int) -> tuple[int, ...]:
    """Return the numbers of a tag, which stand in its last 4 bytes, or elsewhere if longer."""
    layout = f'{order}{count}{code}'
    if struct.calcsize(layout) > 4:
        place, = struct.unpack_from(f'{order}I', file.data, place)
    return struct.unpack_from(layout, file.data, place)


def _damaged(file: Bytes, reason: str, kind: FrameErrorKind = 'damaged') -> FrameError:
    return FrameError(f'tiff file of {file.size} bytes is damaged: {reason}', kind)
