# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An image as it arrived: planes of bytes that still belong to the sender.

Nothing is copied or converted here; a camera message becomes numpy views of its own buffer. Of
samples of 16 bits only the high byte is seen, as networks take 8, and a compressed picture stays
the file that it is until somebody asks for its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.errors import FrameError as FrameError
from fcos_ros.core.picture import FORMATS, decode, read_header
from fcos_ros.core.resize import Size

Pixels = NDArray[np.uint8]
"""Shape (H, W) or (H, W, channels)."""


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image of 8-bit samples, or the file that it is compressed in.

    :ivar size: width and height in pixels.
    :ivar encoding: what the planes are, by its plainest name: mono16 and 8UC1 are seen as mono8,
        yuv422 as uyvy, yuv422_yuy2 as yuyv, whatever has 16 bits as its like of 8.
    :ivar planes: bgr8 and rgb8: one plane (H, W, 3); bgra8 and rgba8: (H, W, 4); mono8 and
        bayer_*8: (H, W); uyvy and yuyv: (H, W, 2); nv12 and nv21: Y (H, W) and interleaved chroma
        (H/2, W/2, 2); nv24: Y (H, W) and chroma (H, W, 2); jpeg and png: the file, flat.
    """

    size: Size
    encoding: str
    planes: tuple[Pixels, ...]

    @classmethod
    def wrap(cls, data: Any, size: Size, encoding: str, step: int = 0,
             big_endian: bool = False) -> Frame:
        """
        View a buffer as an image; the buffer must stay unchanged while the frame is in use.

        :param data: any contiguous buffer of bytes (bytes, array, memoryview, uint8 array),
            exactly as long as the image; the padding of the last row may be missing.
        :param encoding: one of `ENCODINGS`.
        :param step: bytes from one row to the next, in the first plane; 0 when rows are packed.
            Chroma rows of nv12 and nv21 are as far apart, those of nv24 twice.
        :param big_endian: whether samples of 16 bits begin with their high byte; without meaning
            for 8 bits, where producers fill in anything.
        :raises FrameError: the encoding is unknown, or size, step and data do not agree.
        """
        plan = _plan(encoding, size)
        step = _checked_step(step, size, encoding, plan)
        flat = _flat(data)
        rows = sum(plane.rows(size) * plane.steps for plane in plan.layout.planes)
        whole = step * rows
        least = whole - plan.layout.planes[-1].steps * (step - plan.packed(size))
        if flat.size not in (whole, least):
            padding = f', or {least} without the padding of the last' if least < whole else ''
            raise FrameError(
                f'{encoding} image {size} with {step} bytes a row has {flat.size} bytes of data: '
                f'expected {whole} ({rows} rows){padding}')
        first = 0 if big_endian else plan.depth - 1
        return cls(size, plan.encoding, _views(flat[first:], size, step, plan))

    @classmethod
    def compressed(cls, data: Any) -> Frame:
        """
        See the file of a picture as an image; it is not decoded before its pixels are needed.

        :param data: any contiguous buffer of bytes that begins with a JPEG or PNG file.
        :raises FrameError: it is neither, or its header is broken or claims to be huge.
        """
        file = _flat(data)
        encoding, size = read_header(file)
        return cls(size, encoding, (file,))

    def bgr(self) -> Pixels:
        """
        Pixels as (H, W, 3) uint8 in BGR order: a view for bgr8, otherwise a new array.

        :raises FrameError: a compressed picture is broken.
        """
        if self.encoding in FORMATS:
            return decode(self.planes[0], self.encoding, self.size)
        return _LAYOUTS[self.encoding].bgr(*self.planes)


class _Plane(NamedTuple):
    channels: int
    shrink: int = 1
    """Image pixels per sample, on both axes."""
    steps: int = 1
    """Rows of the first plane that are as long as one of this."""

    def rows(self, size: Size) -> int:
        return size.height // self.shrink


class _Layout(NamedTuple):
    planes: tuple[_Plane, ...]
    bgr: Callable[..., Pixels]
    grain: Size = Size(1, 1)
    """The sides of an image are multiples of these, as pixels share a chroma sample."""
    least: int = 1
    """Pixels that a side must have."""


class _Plan(NamedTuple):
    """How a buffer is viewed."""

    encoding: str
    layout: _Layout
    depth: int
    """Bytes of a sample, of which one is seen."""

    def packed(self, size: Size) -> int:
        """Bytes of a row without padding, in the first plane."""
        return size.width * self.layout.planes[0].channels * self.depth


def _converter(code: int) -> Callable[..., Pixels]:
    return lambda plane: np.asarray(cv2.cvtColor(plane, code), np.uint8)


def _two_plane_converter(code: int) -> Callable[..., Pixels]:
    return lambda luma, chroma: np.asarray(cv2.cvtColorTwoPlane(luma, chroma, code), np.uint8)


# BT.601 of limited range, as OpenCV has it for 4:2:0: blue, green and red, each of
# Y - 16, U - 128 and V - 128.
_BT_601 = np.array([[1.164384, 2.017232, 0], [1.164384, -0.391762, -0.812968],
                    [1.164384, 0, 1.596027]])
_YUV_TO_BGR = np.column_stack([_BT_601, _BT_601 @ [-16, -128, -128]]).astype(np.float32)


def _nv24_to_bgr(luma: Pixels, chroma: Pixels) -> Pixels:
    return np.asarray(cv2.transform(cv2.merge([luma, chroma]), _YUV_TO_BGR), np.uint8)


def _bayer(code: int) -> _Layout:
    # OpenCV leaves images of fewer pixels black: no neighbour has the missing colours.
    return _Layout((_Plane(1),), _converter(code), least=3)


_HALF = (_Plane(1), _Plane(2, shrink=2))

_LAYOUTS = {
    'bgr8': _Layout((_Plane(3),), lambda plane: plane),
    'rgb8': _Layout((_Plane(3),), _converter(cv2.COLOR_RGB2BGR)),
    'bgra8': _Layout((_Plane(4),), _converter(cv2.COLOR_BGRA2BGR)),
    'rgba8': _Layout((_Plane(4),), _converter(cv2.COLOR_RGBA2BGR)),
    'mono8': _Layout((_Plane(1),), _converter(cv2.COLOR_GRAY2BGR)),
    'uyvy': _Layout((_Plane(2),), _converter(cv2.COLOR_YUV2BGR_UYVY), Size(2, 1)),
    'yuyv': _Layout((_Plane(2),), _converter(cv2.COLOR_YUV2BGR_YUYV), Size(2, 1)),
    'nv12': _Layout(_HALF, _two_plane_converter(cv2.COLOR_YUV2BGR_NV12), Size(2, 2)),
    'nv21': _Layout(_HALF, _two_plane_converter(cv2.COLOR_YUV2BGR_NV21), Size(2, 2)),
    'nv24': _Layout((_Plane(1), _Plane(2, steps=2)), _nv24_to_bgr),
    # OpenCV calls these by the second row, from the second pixel on.
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2BGR),
}

_OTHER_NAMES = {
    'mono16': ('mono8', 2),
    'yuv422': ('uyvy', 1),
    'yuv422_yuy2': ('yuyv', 1),
    **{name[:-1] + '16': (name, 2) for name in _LAYOUTS
       if name.startswith('bayer_') or name in ('bgr8', 'rgb8', 'bgra8', 'rgba8')},
    # Samples without a meaning are taken for what OpenCV takes them for.
    **{f'{8 * depth}UC{channels}': (name, depth) for depth in (1, 2)
       for channels, name in ((1, 'mono8'), (3, 'bgr8'), (4, 'bgra8'))},
}
"""What else `wrap` accepts: the layout, and the bytes of a sample."""

ENCODINGS = (*_LAYOUTS, *_OTHER_NAMES)
"""The names that `Frame.wrap` accepts."""

_GRAINS = {
    Size(2, 1): 'the width must be even, as two pixels share one chroma sample',
    Size(2, 2): 'both sides must be even, as two pixels share one chroma sample',
}


def _plan(encoding: str, size: Size) -> _Plan:
    name, depth = _OTHER_NAMES.get(encoding, (encoding, 1))
    layout = _LAYOUTS.get(name)
    if layout is None:
        raise FrameError(f'unknown encoding {encoding!r}: accepted are {", ".join(ENCODINGS)}')
    if min(size) < layout.least:
        raise FrameError(f'{encoding} image is {size}: both sides must be at least '
                         f'{layout.least} pixel{"s" if layout.least > 1 else ""}')
    if any(side % grain for side, grain in zip(size, layout.grain)):
        raise FrameError(f'{encoding} image is {size}: {_GRAINS[layout.grain]}')
    return _Plan(name, layout, depth)


def _checked_step(step: int, size: Size, encoding: str, plan: _Plan) -> int:
    """Bytes per row of the first plane."""
    packed = plan.packed(size)
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


def _views(flat: Pixels, size: Size, step: int, plan: _Plan) -> tuple[Pixels, ...]:
    """Cut the buffer into planes, which lie one after the other."""
    views: list[Pixels] = []
    top = 0
    for plane in plan.layout.planes:
        rows, channels, row = plane.rows(size), plane.channels, plane.steps * step
        axes = 3 if channels > 1 else 2
        shape = (rows, size.width // plane.shrink, channels)[:axes]
        strides = (row, channels * plan.depth, plan.depth)[:axes]
        views.append(np.ndarray(shape, np.uint8, flat, top, strides))
        top += rows * row
    return tuple(views)
