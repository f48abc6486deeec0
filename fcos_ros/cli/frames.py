# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames to measure with: as a camera sends them, in memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fcos_ros.core.frame import Frame, FrameError, Pixels
from fcos_ros.core.resize import Size

COUNT = 4
"""Different frames, as a camera's newest is not in the cache of the processor yet."""

OBJECTS = 12
"""Rectangles in the picture that is painted."""


def make_frames(size: Size, encoding: str, picture: Path | None = None) -> tuple[Frame, ...]:
    """
    Make a few frames that show the same, each a little to the left of the one before.

    :param encoding: one of `ENCODINGS`.
    :param picture: an image file, stretched to the size; None paints coloured rectangles.
    :raises FrameError: the file is no image, or no such frame is possible.
    """
    if min(size) < 1:
        raise FrameError(f'{encoding} image is {size}: both sides must be at least 1 pixel')
    bgr = _painted(size) if picture is None else _read(picture, size)
    shifted = (np.roll(bgr, -8 * number, axis=1) for number in range(COUNT))
    return tuple(Frame.wrap(_encoded(image, encoding), size, encoding) for image in shifted)


def _read(picture: Path, size: Size) -> Pixels:
    try:
        content = np.fromfile(picture, np.uint8)
    except OSError as error:
        raise FrameError(f'{picture} cannot be read: {error.strerror}') from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise FrameError(f'{picture} is not an image that OpenCV reads')
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _painted(size: Size) -> Pixels:
    rng = np.random.default_rng(0)
    image = np.full((size.height, size.width, 3), 96, np.uint8)
    for _ in range(OBJECTS):
        x, y = rng.uniform(0, 0.8, 2) * size
        width, height = rng.uniform(0.05, 0.3, 2) * size
        colour = rng.integers(0, 256, 3).tolist()
        corners = (int(x), int(y)), (int(x + width), int(y + height))
        cv2.rectangle(image, *corners, colour, cv2.FILLED)
    return cv2.blur(image, (3, 3)).astype(np.uint8)


def _encoded(bgr: Pixels, encoding: str) -> Pixels:
    if encoding == 'nv12' and any(side % 2 for side in bgr.shape[:2]):
        return bgr  # the frame will say what is wrong with that
    encode = _FROM_BGR.get(encoding, np.asarray)
    return np.ascontiguousarray(encode(bgr)).reshape(-1)


def _to_nv12(bgr: Pixels) -> Pixels:
    height, width = bgr.shape[:2]
    planar = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8).reshape(-1)
    luma, chroma = np.split(planar, [height * width])
    return np.concatenate([luma, chroma.reshape(2, -1).T.reshape(-1)])


def _by(code: int) -> Callable[[Pixels], Pixels]:
    return lambda bgr: np.asarray(cv2.cvtColor(bgr, code), np.uint8)


_FROM_BGR: dict[str, Callable[[Pixels], Pixels]] = {
    'rgb8': _by(cv2.COLOR_BGR2RGB),
    'mono8': _by(cv2.COLOR_BGR2GRAY),
    'nv12': _to_nv12,
}

ENCODINGS = ('bgr8', *_FROM_BGR)
"""The encodings that `make_frames` knows."""
