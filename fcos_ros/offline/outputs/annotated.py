# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Annotated pictures and videos."""

from __future__ import annotations

from pathlib import Path
from shutil import disk_usage
from types import TracebackType

import cv2

from fcos_ros.core.arrays import Pixels
from fcos_ros.offline.files import OutputError, part_path
from fcos_ros.offline.pictures import SUFFIXES

MAX_JPEG_SIDE = 65500
"""Maximum side of a JPEG file that libjpeg writes, in pixels."""

QUALITY_KEYS = {'.jpg': cv2.IMWRITE_JPEG_QUALITY, '.jpeg': cv2.IMWRITE_JPEG_QUALITY,
                '.webp': cv2.IMWRITE_WEBP_QUALITY}
"""The option of OpenCV for the quality; version 5 warns about options of other forms."""

VIDEO_SUFFIX, CODEC = '.mp4', 'mp4v'
"""The form of annotated videos: OpenCV writes it on every platform, and browsers play it."""


def encode_picture(bgr: Pixels, suffix: str, quality: int) -> bytes:
    """
    Return a picture file.

    :param suffix: the form, as a suffix of `pictures.SUFFIXES`; PNG in place of any other one.
    :param quality: of JPEG and WebP, 1 to 100.
    :raises OutputError: the picture is too large for this form.
    """
    suffix = suffix.lower() if suffix.lower() in SUFFIXES else '.png'
    if suffix in {'.jpg', '.jpeg'} and max(bgr.shape[:2]) > MAX_JPEG_SIDE:
        raise OutputError(f'the annotated picture has a side of {max(bgr.shape[:2])} pixels; '
                          f'accepted: up to {MAX_JPEG_SIDE} for JPEG; set annotated_width')
    key = QUALITY_KEYS.get(suffix)
    encoded, file = cv2.imencode(suffix, bgr, [] if key is None else [key, quality])
    if not encoded:
        raise OutputError(f'OpenCV cannot write pictures that end in {suffix}')
    return file.tobytes()


MIN_FREE = 16 << 20
"""Bytes of free space below which a video ends: OpenCV does not report a full disk."""

FREE_CHECK_PERIOD = 32
"""Frames between two checks of the free space."""


class VideoFile:
    """
    An annotated video.

    Use it as a context manager: it gets its name at the end, also after an interrupt.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = part_path(path)
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if self._writer is not None:
            self._finish()

    def write(self, bgr: Pixels, rate: float) -> None:
        """
        Write a frame; all frames get the size of the first.

        :param rate: frames a second; that of the first frame is used.
        :raises OutputError: the video cannot be written.
        """
        if self._writer is None:
            self._size = (bgr.shape[1], bgr.shape[0])
            self._writer = self._open(rate)
        if self._written % FREE_CHECK_PERIOD == 0:
            self._check_space()
        same_size = cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(same_size)
        self._written += 1

    def _check_space(self) -> None:
        if disk_usage(self._part.parent).free < MIN_FREE:
            raise OutputError(f'{self._path} cannot be written: the disk is full; free space, or '
                              'choose another folder with --out')

    def _open(self, rate: float) -> cv2.VideoWriter:
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._part.touch()
        except OSError as error:
            raise OutputError(f'{self._path} cannot be written: {error.strerror}; choose another '
                              'folder with --out') from error
        code = cv2.VideoWriter_fourcc(*CODEC)  # type: ignore[attr-defined]
        writer = cv2.VideoWriter(str(self._part), code, rate, self._size)
        if not writer.isOpened():
            self._part.unlink(missing_ok=True)
            raise OutputError(f'{self._path} cannot be written: this OpenCV has no encoder for '
                              f'{CODEC}; install opencv-python-headless, or add --no-pictures')
        return writer

    def _finish(self) -> None:
        """Close the file, and give it its name if it is complete: OpenCV reports no errors."""
        assert self._writer is not None
        self._writer.release()
        reader = cv2.VideoCapture(str(self._part))
        complete = reader.isOpened() and reader.get(cv2.CAP_PROP_FRAME_COUNT) >= self._written
        reader.release()
        if not complete:
            self._part.unlink(missing_ok=True)
            raise OutputError(f'{self._path} cannot be written: the file is incomplete; free '
                              'space, or choose another folder with --out')
        self._part.replace(self._path)
