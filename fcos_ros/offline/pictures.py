# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture files as a source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.offline.frames import SourceFrame

SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'})
"""Suffixes of picture files, in lower case."""

PERIOD = 33_333_333
"""Nanoseconds between two pictures, for tracking: files have no stamps, and 30 Hz is common."""

BMP = b'BM'
"""The first bytes of a BMP file, which only OpenCV reads."""


@dataclass(frozen=True)
class Picture:
    """
    A picture file.

    :ivar label: its name among all inputs, such as `a/1.jpg`.
    """

    path: Path
    label: str


@dataclass(frozen=True)
class Pictures:
    """
    Pictures of one camera, in order.

    :ivar name: for the user.
    """

    name: str
    pictures: tuple[Picture, ...]

    @property
    def count(self) -> int:
        """The number of pictures."""
        return len(self.pictures)

    def frames(self) -> Iterator[SourceFrame]:
        """Yield each picture; one that cannot be read is an error."""
        for number, picture in enumerate(self.pictures):
            yield SourceFrame(picture.label, number * PERIOD, read_picture(picture.path))


def read_picture(path: Path) -> Frame | FrameError:
    """Return a picture file, which is not decoded yet, or why it cannot be used."""
    try:
        file = np.fromfile(path, np.uint8)
    except OSError as error:
        return FrameError(f'the file cannot be read: {error.strerror}', 'data')
    try:
        return _decode_bmp(file) if file[:2].tobytes() == BMP else Frame.compressed(file)
    except FrameError as error:
        return error


def _decode_bmp(file: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Frame:
    try:
        pixels = cv2.imdecode(file, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise FrameError(f'BMP file cannot be decoded: {error}') from error
    if pixels is None:
        raise FrameError('BMP file is damaged, or OpenCV does not support this kind')
    return Frame.from_bgr(np.asarray(pixels, np.uint8))
