# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the JPEG files that the page shows."""

from __future__ import annotations

from collections.abc import Iterator
import struct

import cv2

from fcos_ros.core.annotate import draw
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels

MAX_JPEG = 4 * 2**20
"""Bytes of a JPEG file of a camera that is sent as it is; a larger one is scaled."""

_START = b'\xff\xd8'
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_HUFFMAN_TABLES, _SCAN, _COMMENT = 0xC4, 0xDA, 0xFE
_APP0, _APP14, _APP15 = 0xE0, 0xEE, 0xEF

_FRAME_HEADERS = (_BASELINE, _EXTENDED, _PROGRESSIVE)

_METADATA = frozenset((_COMMENT, *range(_APP0 + 1, _APP15 + 1))) - {_APP14}
"""
Segments that the page does not need: comments, EXIF data with places and orientation.

The detector ignores the orientation, so the browser must not apply it. APP14 states the colours.
"""


def to_jpeg(frame: Frame, width: int, quality: int) -> bytes:
    """
    Return an image as a JPEG file.

    :param width: maximum width; the own JPEG file of a camera is not scaled.
    :raises FrameError: the frame is a damaged image file.
    """
    return _own_jpeg(frame) or _scaled_jpeg(frame, width, quality)


def _scaled_jpeg(frame: Frame, width: int, quality: int) -> bytes:
    image = draw(frame, Detections.empty(), Labels(()), width)
    _, jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(jpeg.data)


def _own_jpeg(frame: Frame) -> bytes | None:
    """Return the JPEG file of the camera without metadata; None if browsers cannot show it."""
    if frame.encoding != 'jpeg' or frame.mosaic or frame.planes[0].size > MAX_JPEG:
        return None
    file = frame.planes[0].tobytes()
    kept, markers, position = [_START], [], 2
    for marker, start, stop in _header_segments(file):
        if marker in _FRAME_HEADERS and not _is_usual(file[start + 4:stop]):
            return None
        markers.append(marker)
        if marker not in _METADATA:
            kept.append(file[start:stop])
        position = stop
    # Some webcams leave out the tables, which browsers need.
    if _SCAN not in markers or _HUFFMAN_TABLES not in markers:
        return None
    return b''.join((*kept, file[position:]))


def _header_segments(file: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and stop of each segment, up to that of the first scan."""
    position, marker = 2, 0
    while marker != _SCAN and file[position:position + 1] == b'\xff':
        while file[position + 1:position + 2] == b'\xff':  # fill bytes
            position += 1
        if position + 4 > len(file):
            return
        _, marker, length = struct.unpack_from('>BBH', file, position)
        stop = position + 2 + max(length, 2)
        yield marker, position, stop
        position = stop


def _is_usual(frame_header: bytes) -> bool:
    """Return whether the samples have 8 bits, and the pixels are grey or YCbCr."""
    return len(frame_header) > 5 and frame_header[0] == 8 and frame_header[5] in (1, 3)
