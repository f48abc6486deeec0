# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
WebP files with one image.

They have no checksum: truncated files are refused, but damaged data may remain unnoticed.
"""

from __future__ import annotations

import struct

import cv2

from fcos_ros.core.arrays import Array, Bytes
from fcos_ros.core.errors import FrameError, FrameErrorKind
from fcos_ros.core.image_file import opencv
from fcos_ros.core.resize import Size

SIGNATURE = b'RIFF'

_ANIMATION = 2
"""The flag of files with several images."""


def read_header(file: Bytes) -> tuple[Size, bool]:
    """
    Return the size, and False: no file is grey.

    :raises FrameError: the header is damaged, or the file is truncated or has several images.
    """
    first = file[:30].tobytes()
    if file.size < 30 or first[8:12] != b'WEBP':
        raise _damaged(file, 'no header states its size')
    length = 8 + int.from_bytes(first[4:8], 'little')
    if length > file.size:
        raise _damaged(file, f'it is truncated; its header states {length} bytes', 'truncated')
    kind, content = first[12:16], first[20:]
    if kind == b'VP8 ' and content[3:6] == b'\x9d\x01\x2a':
        width, height = struct.unpack_from('<HH', content, 6)
        return Size(width & 0x3fff, height & 0x3fff), False
    if kind == b'VP8L' and content[:1] == b'\x2f':
        sides = int.from_bytes(content[1:5], 'little')
        return Size((sides & 0x3fff) + 1, (sides >> 14 & 0x3fff) + 1), False
    if kind == b'VP8X':
        if content[0] & _ANIMATION:
            raise FrameError(f'webp file of {file.size} bytes has several images; accepted: one',
                             'format')
        width, height = (int.from_bytes(content[at:at + 3], 'little') for at in (4, 7))
        return Size(width + 1, height + 1), False
    raise _damaged(file, 'no header states its size')


def decode(file: Bytes, size: Size, divisor: int = 1, *, grey: bool = False) -> Array:
    """
    Return the pixels, uint8: (H, W, 3) in BGR order, or (H, W) in grey.

    :param size: the size that the header states.
    :param divisor: always 1.
    :raises FrameError: OpenCV cannot decode the file.
    """
    flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    return opencv.decode(file, flags, 'webp', size)


def _damaged(file: Bytes, reason: str, kind: FrameErrorKind = 'damaged') -> FrameError:
    return FrameError(f'webp file of {file.size} bytes is damaged: {reason}', kind)
