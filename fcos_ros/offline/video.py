# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos, cameras and streams as sources of frames, read with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
import os
from pathlib import Path
import re
from time import time_ns
from typing import Any

import cv2
import numpy as np

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.offline.frames import SourceError, SourceFrame
from fcos_ros.offline.ordered import read_ahead

READ_AHEAD = 4
"""Frames that are decoded while others are processed."""

TOLERATED_LOSS = 0.01
"""Share by which the number of frames that a file states may be wrong: some estimate it."""

DEFAULT_RATE = 30.0
"""Frames a second of a source that does not state its rate."""

LOG_LEVELS = {'OPENCV_LOG_LEVEL': 'SILENT', 'OPENCV_FFMPEG_LOGLEVEL': '-8'}
"""Environment by which OpenCV and FFmpeg print nothing; our errors name the source."""

_DEVICE = re.compile(r'/dev/video(\d+)')


def quiet_opencv() -> None:
    """Let OpenCV and FFmpeg print nothing about sources, unless the user has chosen otherwise."""
    for name, level in LOG_LEVELS.items():
        os.environ.setdefault(name, level)
    if os.environ['OPENCV_LOG_LEVEL'] != LOG_LEVELS['OPENCV_LOG_LEVEL']:
        return
    # OpenCV has read its variable when it was imported; where the function is depends on it.
    logging = getattr(getattr(cv2, 'utils', None), 'logging', None)
    set_level = getattr(logging, 'setLogLevel', None) or getattr(cv2, 'setLogLevel', None)
    if set_level is not None:
        set_level(0)


@dataclass(frozen=True)
class Video:
    """
    A video file, a camera of this machine, or a stream of the network.

    :ivar address: a path, `/dev/videoN`, or an address such as `rtsp://host/stream`.
    :ivar label: its name among all inputs.
    :ivar stride: use every so many frames only.
    :ivar live: whether it has no end and no beginning.
    :ivar limit: maximum number of used frames; 0 for all.
    """

    address: str
    label: str
    stride: int = 1
    live: bool = False
    limit: int = 0

    @property
    def name(self) -> str:
        """The name for the user."""
        return self.label

    @property
    def count(self) -> int | None:
        """The number of used frames, as the file states it; None if it is unknown."""
        if self.live:
            return self.limit or None
        try:
            with closing(_Capture(self.address)) as capture:
                used = -(-capture.stated_count // self.stride)
        except SourceError:
            return None
        return min(used, self.limit) if self.limit else used or None

    def frames(self) -> Iterator[SourceFrame]:
        """
        Yield the frames, with the number of used frames a second as their context.

        A video that ends too early ends with an error.

        :raises SourceError: it cannot be opened.
        """
        return read_ahead(self._read(), READ_AHEAD)

    def _read(self) -> Iterator[SourceFrame]:
        number = used = 0
        with closing(_Capture(self.address)) as capture:
            while capture.grab():
                if number % self.stride == 0:
                    stamp = time_ns() if self.live else capture.stamp(number)
                    yield SourceFrame(f'{self.label}:{number}', stamp, capture.frame(),
                                      context=capture.rate / self.stride)
                    used += 1
                    if used == self.limit:
                        return
                number += 1
            missing = capture.stated_count - number
            if not self.live and missing > TOLERATED_LOSS * capture.stated_count:
                yield SourceFrame(f'{self.label}:{number}', capture.stamp(number), FrameError(
                    f'the video ends after {number} of {capture.stated_count} frames; the file '
                    'is truncated or damaged', 'truncated'))


class _Capture:
    """
    A source that OpenCV has opened.

    :raises SourceError: OpenCV cannot open it.
    """

    def __init__(self, address: str) -> None:
        device = _DEVICE.fullmatch(str(Path(address).resolve()))
        target: Any = int(device[1]) if device else address
        self._capture = cv2.VideoCapture(target)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f'{address} cannot be opened; accepted: a picture, a video that '
                              'OpenCV reads, a camera such as /dev/video0, or an address that '
                              'begins with http:// or rtsp://')

    @property
    def stated_count(self) -> int:
        """The number of frames that the file states; 0 if it is unknown."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if 0 < count < 2**40 else 0

    @property
    def rate(self) -> float:
        """The frames a second that the source states."""
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        return float(rate) if 0 < rate < 1000 else DEFAULT_RATE

    def grab(self) -> bool:
        """Go to the next frame; return whether there is one."""
        return bool(self._capture.grab())

    def stamp(self, number: int) -> int:
        """Return the time of the present frame in the video, in nanoseconds."""
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if number and not milliseconds > 0:
            return int(number / self.rate * 1e9)
        return round(milliseconds * 1e6)

    def frame(self) -> Frame | FrameError:
        """Return the present frame, or why it cannot be decoded."""
        found, pixels = self._capture.retrieve()
        if not found or pixels is None:
            return FrameError('the frame cannot be decoded', 'damaged')
        return Frame.from_bgr(np.asarray(pixels, np.uint8))

    def close(self) -> None:
        """Close the source."""
        self._capture.release()
