# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read image files upright, as the tools for labelling show them.

Cameras of phones store an image as the sensor sees it, and in the EXIF data how to rotate it.
JPEG and PNG files are checked before they are decoded: a damaged file is never a wrong image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
import struct

import cv2
import numpy as np

from fcos_ros.core.arrays import Bytes, Pixels
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size

SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'})
"""Suffixes of image files, in lower case."""

_OTHER_SIGNATURES = (b'BM', b'RIFF', b'II*\0', b'MM\0*')
"""The first bytes of BMP, WebP and TIFF, which only OpenCV reads."""

_EXIF_LENGTH = 1 << 16
"""Bytes at the start of a file in which EXIF data are looked for: a segment of maximum length."""

_ORIENTATION_TAG = 0x0112

_TURNS: Mapping[int, Callable[[Pixels], Pixels]] = {
    2: lambda image: image[:, ::-1], 3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1], 5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}
"""How to turn an image upright, by the orientation in its EXIF data; 1 is upright."""

_SWAPPING = frozenset({5, 6, 7, 8})
"""The orientations that exchange width and height."""


def read_size(path: Path, stated: Size | None = None) -> Size:
    """
    Read the size that `read_pixels` returns; of JPEG and PNG files only the header is read.

    :raises FrameError: as for `read_pixels`.
    """
    file = _open(path)
    if _is_other(file):
        return Size(*_decode(path, file).shape[1::-1])
    size = _frame(path, file).size
    return Size(*size[::-1]) if _turn(file, size, stated) in _SWAPPING else size


def read_pixels(path: Path, stated: Size | None = None) -> Pixels:
    """
    Read an image upright, uint8 of shape (H, W, 3) in BGR order.

    :param stated: the size that the labels state. If the image has it only when it is not turned,
        the labels belong to the image as it is stored.
    :raises FrameError: the file is missing, damaged or of an unknown format.
    """
    file = _open(path)
    pixels = _decode(path, file)
    turn = _turn(file, Size(*pixels.shape[1::-1]), stated)
    return np.ascontiguousarray(_TURNS[turn](pixels)) if turn in _TURNS else pixels


def _open(path: Path) -> Bytes:
    """Map a file into memory, so that only the bytes that are used are read."""
    try:
        return np.memmap(path, np.uint8, 'r')
    except OSError as error:
        raise FrameError(f'{path} cannot be read: {error.strerror}') from error
    except ValueError as error:  # it is empty, or its name is not possible
        raise FrameError(f'{path} cannot be read: {error}') from error


def _decode(path: Path, file: Bytes) -> Pixels:
    if not _is_other(file):
        frame = _frame(path, file)
        try:
            return frame.bgr()
        except FrameError as error:
            raise FrameError(f'{path}: {error}') from error
    try:
        pixels = cv2.imdecode(file, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameError(f'{path} cannot be decoded: {error}') from error
    if pixels is None:
        raise FrameError(f'{path} is damaged, or OpenCV does not support this kind')
    return np.asarray(pixels, np.uint8)


def _frame(path: Path, file: Bytes) -> Frame:
    try:
        return Frame.compressed(file)
    except FrameError as error:
        raise FrameError(f'{path}: {error}') from error


def _is_other(file: Bytes) -> bool:
    return file[:4].tobytes().startswith(_OTHER_SIGNATURES)


def _turn(file: Bytes, size: Size, stated: Size | None) -> int:
    """Return the orientation by which an image of this stored size is turned."""
    orientation = _orientation(file)
    as_stored = orientation in _SWAPPING and stated == size != Size(*size[::-1])
    return 1 if as_stored else orientation


def _orientation(file: Bytes) -> int:
    """Return the orientation of a JPEG, from 1 to 8; 1 for any other file and without one."""
    head = file[:_EXIF_LENGTH].tobytes()
    _, found, tiff = head.partition(b'Exif\0\0')
    if not head.startswith(b'\xff\xd8') or not found:
        return 1
    order = {b'II': '<', b'MM': '>'}.get(tiff[:2])
    try:
        start, = struct.unpack_from(f'{order}I', tiff, 4)
        count, = struct.unpack_from(f'{order}H', tiff, start)
        for number in range(count):
            tag, _, _, value = struct.unpack_from(f'{order}HHIH', tiff, start + 2 + 12 * number)
            if tag == _ORIENTATION_TAG:
                return value if value in _TURNS else 1
    except struct.error:
        return 1  # the data are damaged; the pixels may be good
    return 1
