# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From a frame to the network's input tensor.

Planes are resized first and converted at canvas size, where there are fewer pixels; NV12 stays
NV12 for the networks that want it. What the image leaves of the canvas is black: zeros in RGB,
Y = 16 and U = V = 128 in NV12, which is what black becomes in BT.601, the convention of OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.frame import Frame, Pixels
from fcos_ros.core.resize import Resize, Size

Tensor = NDArray[Any]

FITS = {'letterbox': Resize.letterbox, 'stretch': Resize.stretch}
PIXELS = ('nv12', 'rgb', 'bgr')
LAYOUTS = ('NHWC', 'NCHW')

_UINT8: np.dtype[Any] = np.dtype(np.uint8)


@dataclass(frozen=True)
class InputSpec:
    """
    The network's one input tensor.

    :ivar size: the canvas in pixels; both sides even.
    :ivar pixels: 'nv12', 'rgb' or 'bgr'.
    :ivar layout: 'NHWC' or 'NCHW'; without meaning for nv12.
    :ivar dtype: uint8, or float32 for (pixel - mean) / std; always uint8 for nv12.
    :ivar mean: for each channel in the order of `pixels`, on the scale 0 to 255; likewise `std`.
    """

    name: str
    size: Size
    pixels: str = 'rgb'
    layout: str = 'NHWC'
    dtype: np.dtype[Any] = _UINT8
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'dtype', np.dtype(self.dtype))
        _require('pixels', self.pixels, PIXELS)
        _require('layout', self.layout, LAYOUTS)
        _require('dtype', self.dtype.name, ('uint8',) if self.pixels == 'nv12' else (
            'uint8', 'float32'))
        if min(self.size) < 2 or any(side % 2 for side in self.size):
            raise ValueError(f'size is {self.size}: both sides must be even and at least 2 pixels')
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise ValueError(f'mean is {self.mean} and std is {self.std}: expected three numbers '
                             'each, those of std above 0')
        if self.dtype == np.uint8 and (any(self.mean) or set(self.std) != {1}):
            raise ValueError(f'mean is {self.mean} and std is {self.std}: a uint8 input takes '
                             'pixels as they are, only float32 is normalised')

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        width, height = self.size
        if self.pixels == 'nv12':
            return (height * width * 3 // 2,)
        return (1, height, width, 3) if self.layout == 'NHWC' else (1, 3, height, width)


class Preprocessor:
    """
    Brings frames of any size and encoding into one network's input.

    Owns its canvas: give each thread a preprocessor of its own.

    :param tensor: where the inputs are written, of the spec's shape and dtype and C-contiguous;
        some engines read their own memory only. None for memory of its own.
    """

    def __init__(
        self, spec: InputSpec, fit: str = 'letterbox', tensor: Tensor | None = None,
    ) -> None:
        _require('fit', fit, tuple(FITS))
        self._spec = spec
        self._fit = FITS[fit]
        if tensor is None:
            tensor = np.empty(spec.shape, spec.dtype)
        canvas = _Nv12Canvas if spec.pixels == 'nv12' else _RgbCanvas
        self._canvas: _Canvas = canvas(spec, tensor)
        self._resize: Resize | None = None

    def __call__(self, frame: Frame) -> tuple[Tensor, Resize]:
        """
        Draw the frame on the canvas.

        :returns: the tensor, of the spec's shape and dtype, valid until the next call; and the
            transform between image and canvas pixels.
        """
        resize = self._resize
        if resize is None or resize.image != frame.size:
            resize = self._fit(frame.size, self._spec.size)
            if self._resize is None or self._resize.content != resize.content:
                self._canvas.clear()
            self._resize = resize
        self._canvas.draw(frame, resize.content)
        return self._canvas.tensor, resize


class _Canvas(Protocol):
    tensor: Tensor

    def clear(self) -> None:
        """Make everything black."""

    def draw(self, frame: Frame, content: Size) -> None:
        """Scale the frame into the top-left corner."""


class _Nv12Canvas:
    """Y plane, then interleaved UV plane, in one flat array."""

    def __init__(self, spec: InputSpec, tensor: Tensor) -> None:
        self.tensor = tensor
        self._luma, self._chroma = _nv12_planes(self.tensor, spec.size)

    def clear(self) -> None:
        self._luma.fill(16)
        self._chroma.fill(128)

    def draw(self, frame: Frame, content: Size) -> None:
        width, height = content
        luma = self._luma[:height, :width]
        chroma = self._chroma[:height // 2, :width // 2]
        if frame.encoding == 'nv12':
            _resize_into(luma, frame.planes[0])
            _resize_into(chroma, frame.planes[1])
            return
        pixels = _resized(frame.planes[0], content)
        for code in _TO_I420[frame.encoding]:
            pixels = np.asarray(cv2.cvtColor(pixels, code), np.uint8)
        np.copyto(luma, pixels[:height])
        # The I420 image ends with the U plane, then the V plane, each of a quarter of its pixels.
        # OpenCV interleaves them faster than a strided copy of numpy.
        cv2.merge(list(pixels[height:].reshape(2, height // 2, width // 2)), dst=chroma)


class _RgbCanvas:
    """Interleaved pixels, reordered and normalised into the tensor if that is anything else."""

    def __init__(self, spec: InputSpec, tensor: Tensor) -> None:
        width, height = spec.size
        self.tensor = tensor
        self._codes = {
            encoding: code
            for (encoding, pixels), code in _TO_RGB.items() if pixels == spec.pixels}
        self._table = _normalisation(spec)
        self._planar = spec.layout == 'NCHW'
        self._pixels = (tensor[0] if self._table is None and not self._planar
                        else np.empty((height, width, 3), np.uint8))

    def clear(self) -> None:
        self._pixels.fill(0)
        self._finish(Size(self._pixels.shape[1], self._pixels.shape[0]))

    def draw(self, frame: Frame, content: Size) -> None:
        target = self._pixels[:content.height, :content.width]
        code = self._codes[frame.encoding]
        if code is None:
            _resize_into(target, frame.planes[0])
        elif frame.encoding == 'nv12':
            luma, chroma = (
                _resized(plane, Size(content.width // shrink, content.height // shrink))
                for plane, shrink in zip(frame.planes, (1, 2)))
            cv2.cvtColorTwoPlane(luma, chroma, code, dst=target)
        else:
            cv2.cvtColor(_resized(frame.planes[0], content), code, dst=target)
        self._finish(content)

    def _finish(self, content: Size) -> None:
        """Bring one corner of the pixels into the tensor, when the tensor is not the pixels."""
        if self._table is None and not self._planar:
            return
        width, height = content
        values: Tensor = self._pixels[:height, :width]
        if self._table is not None:
            values = cv2.LUT(values, self._table)
        if self._planar:
            cv2.split(values, list(self.tensor[0, :, :height, :width]))
        else:
            np.copyto(self.tensor[0, :height, :width], values)


_TO_RGB: dict[tuple[str, str], int | None] = {
    ('bgr8', 'bgr'): None,
    ('bgr8', 'rgb'): cv2.COLOR_BGR2RGB,
    ('rgb8', 'bgr'): cv2.COLOR_RGB2BGR,
    ('rgb8', 'rgb'): None,
    ('mono8', 'bgr'): cv2.COLOR_GRAY2BGR,
    ('mono8', 'rgb'): cv2.COLOR_GRAY2RGB,
    ('nv12', 'bgr'): cv2.COLOR_YUV2BGR_NV12,
    ('nv12', 'rgb'): cv2.COLOR_YUV2RGB_NV12,
}

_TO_I420 = {
    'bgr8': (cv2.COLOR_BGR2YUV_I420,),
    'rgb8': (cv2.COLOR_RGB2YUV_I420,),
    'mono8': (cv2.COLOR_GRAY2BGR, cv2.COLOR_BGR2YUV_I420),
}


def _require(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ValueError(f'{name} is {value!r}: accepted are {", ".join(accepted)}')


def _nv12_planes(flat: Pixels, size: Size) -> tuple[Pixels, Pixels]:
    width, height = size
    luma = flat[:height * width].reshape(height, width)
    return luma, flat[height * width:].reshape(height // 2, width // 2, 2)


def _normalisation(spec: InputSpec) -> Tensor | None:
    """Value of each pixel level in each channel, float32 (256, 1, 3); None for plain uint8."""
    if spec.dtype == np.uint8:
        return None
    levels = np.arange(256, dtype=np.float64).reshape(256, 1, 1)
    return ((levels - spec.mean) / spec.std).astype(np.float32)


def _resize_into(target: Pixels, source: Pixels) -> None:
    # One sample is spread by numpy as well: OpenCV 4.5 rejects colour images of one pixel.
    if source.shape[:2] in (target.shape[:2], (1, 1)):
        np.copyto(target, source)
    else:
        cv2.resize(source, target.shape[1::-1], dst=target, interpolation=cv2.INTER_LINEAR)


def _resized(source: Pixels, size: Size) -> Pixels:
    if source.shape[1::-1] == size:
        return source
    target = np.empty((size.height, size.width, *source.shape[2:]), np.uint8)
    _resize_into(target, source)
    return target
