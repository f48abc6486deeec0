# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make frames for measurements, encoded as a camera sends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fcos_ros.core.arrays import Pixels
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size

NUM_FRAMES = 4
"""Several frames in separate memory: the newest frame of a camera is not in the CPU's cache."""

SHIFT = 8
"""Pixels by which the image moves to the left from frame to frame."""

NUM_RECTANGLES = 12
"""Rectangles in the drawn image."""


def make_frames(size: Size, encoding: str, image_file: Path | None = None) -> tuple[Frame, ...]:
    """
    Make several frames of one image, which moves from frame to frame.

    :param encoding: one of `FRAME_ENCODINGS`.
    :param image_file: stretched to the size; None draws coloured rectangles.
    :raises FrameError: the image file cannot be read, or the encoding does not allow this size.
    """
    if min(size) < 1:
        raise FrameError(
            f'{encoding} image is {size}; accepted: both sides at least 1 pixel', 'size')
    bgr = _draw_rectangles(size) if image_file is None else _read_image(image_file, size)
    shifted = (np.roll(bgr, -SHIFT * number, axis=1) for number in range(NUM_FRAMES))
    return tuple(Frame.wrap(_encode(image, encoding), size, encoding) for image in shifted)


def _read_image(path: Path, size: Size) -> Pixels:
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise FrameError(f'{path} cannot be read: {error.strerror}') from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise FrameError(f'{path} is not an image file that OpenCV reads; accepted: JPEG, PNG and '
                         'others')
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _draw_rectangles(size: Size) -> Pixels:
    rng = np.random.default_rng(0)
    image = np.full((size.height, size.width, 3), 96, np.uint8)
    for _ in range(NUM_RECTANGLES):
        x, y = rng.uniform(0, 0.8, 2) * size
        width, height = rng.uniform(0.05, 0.3, 2) * size
        colour = rng.integers(0, 256, 3).tolist()
        corners = (int(x), int(y)), (int(x + width), int(y + height))
        cv2.rectangle(image, *corners, colour, cv2.FILLED)
    return cv2.blur(image, (3, 3)).astype(np.uint8)


def _encode(bgr: Pixels, encoding: str) -> Pixels:
    if encoding == 'nv12' and any(side % 2 for side in bgr.shape[:2]):
        return bgr  # OpenCV cannot convert odd sides; `Frame.wrap` reports them
    convert = _FROM_BGR.get(encoding, np.asarray)
    return np.ascontiguousarray(convert(bgr)).reshape(-1)


def _bgr_to_nv12(bgr: Pixels) -> Pixels:
    height, width = bgr.shape[:2]
    i420 = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8).reshape(-1)
    luma, chroma = np.split(i420, [height * width])
    return np.concatenate([luma, chroma.reshape(2, -1).T.reshape(-1)])


def _converter(code: int) -> Callable[[Pixels], Pixels]:
    return lambda bgr: np.asarray(cv2.cvtColor(bgr, code), np.uint8)


_FROM_BGR: dict[str, Callable[[Pixels], Pixels]] = {
    'rgb8': _converter(cv2.COLOR_BGR2RGB),
    'mono8': _converter(cv2.COLOR_BGR2GRAY),
    'nv12': _bgr_to_nv12,
}

FRAME_ENCODINGS = ('bgr8', *_FROM_BGR)
"""The encodings that `make_frames` can make."""
