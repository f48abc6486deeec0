# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An image as it arrived: planes of bytes that still belong to the sender.

Nothing is copied or converted here; a camera message becomes numpy views of its own buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.resize import Size

Pixels = NDArray[np.uint8]
"""Shape (H, W) or (H, W, channels)."""


class FrameError(ValueError):
    """The bytes are not the image they are said to be."""


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image of 8-bit samples.

    :ivar size: width and height in pixels.
    :ivar encoding: one of `ENCODINGS`.
    :ivar planes: bgr8 and rgb8: one plane (H, W, 3); mono8: one plane (H, W);
        nv12: Y (H, W) and interleaved UV (H/2, W/2, 2).
    """

    size: Size
    encoding: str
    planes: tuple[Pixels, ...]

    @classmethod
    def wrap(cls, data: Any, size: Size, encoding: str, step: int = 0) -> Frame:
        """
        View a buffer as an image; the buffer must stay unchanged while the frame is in use.

        :param data: any contiguous buffer of bytes (bytes, array, memoryview, uint8 array),
            exactly as long as the image.
        :param step: bytes from one row to the next, in every plane; 0 when rows are packed.
        :raises FrameError: the encoding is unknown, or size, step and data do not agree.
        """
        plan = _plan(encoding, size)
        step = _checked_step(step, size, encoding, plan)
        flat = _flat(data)
        rows = sum(size.height // plane.shrink for plane in plan.planes)
        if flat.size != step * rows:
            raise FrameError(
                f'{encoding} image {size} with {step} bytes a row has {flat.size} bytes of data: '
                f'expected {step * rows} ({rows} rows)')
        return cls(size, encoding, _views(flat, size, step, plan))

    def bgr(self) -> Pixels:
        """Pixels as (H, W, 3) uint8 in BGR order: a view for bgr8, otherwise a new array."""
        return _TABLE[self.encoding].bgr(*self.planes)


class _Plane(NamedTuple):
    shrink: int
    """Image pixels per sample, on both axes."""
    channels: int


class _Encoding(NamedTuple):
    planes: tuple[_Plane, ...]
    bgr: Callable[..., Pixels]


def _converter(code: int) -> Callable[..., Pixels]:
    return lambda plane: np.asarray(cv2.cvtColor(plane, code), np.uint8)


def _nv12_to_bgr(luma: Pixels, chroma: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColorTwoPlane(luma, chroma, cv2.COLOR_YUV2BGR_NV12), np.uint8)


_TABLE = {
    'bgr8': _Encoding((_Plane(1, 3),), lambda plane: plane),
    'rgb8': _Encoding((_Plane(1, 3),), _converter(cv2.COLOR_RGB2BGR)),
    'mono8': _Encoding((_Plane(1, 1),), _converter(cv2.COLOR_GRAY2BGR)),
    'nv12': _Encoding((_Plane(1, 1), _Plane(2, 2)), _nv12_to_bgr),
}

ENCODINGS = tuple(_TABLE)
"""The names that `Frame.wrap` accepts."""


def _plan(encoding: str, size: Size) -> _Encoding:
    plan = _TABLE.get(encoding)
    if plan is None:
        raise FrameError(f'unknown encoding {encoding!r}: accepted are {", ".join(ENCODINGS)}')
    if min(size) < 1:
        raise FrameError(f'{encoding} image is {size}: both sides must be at least 1 pixel')
    grain = max(plane.shrink for plane in plan.planes)
    if any(side % grain for side in size):
        raise FrameError(f'{encoding} image is {size}: both sides must be even, '
                         'as two pixels share one chroma sample')
    return plan


def _checked_step(step: int, size: Size, encoding: str, plan: _Encoding) -> int:
    """Bytes per row; the planes of 4:2:0 images have rows of equal length."""
    packed = max(size.width // plane.shrink * plane.channels for plane in plan.planes)
    if step and step < packed:
        raise FrameError(f'{encoding} image {size} has a step of {step} bytes: '
                         f'expected at least {packed}, or 0 for packed rows')
    return step or packed


def _flat(data: Any) -> Pixels:
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise FrameError(f'image data ({type(data).__name__}) cannot be read: {error}; '
                         'expected a contiguous buffer of bytes') from error


def _views(flat: Pixels, size: Size, step: int, plan: _Encoding) -> tuple[Pixels, ...]:
    """Cut the buffer into planes, which lie one after the other."""
    views: list[Pixels] = []
    top = 0
    for shrink, channels in plan.planes:
        height, width = size.height // shrink, size.width // shrink
        axes = 3 if channels > 1 else 2
        shape, strides = (height, width, channels)[:axes], (step, channels, 1)[:axes]
        views.append(np.ndarray(shape, np.uint8, flat, top * step, strides))
        top += height
    return tuple(views)
