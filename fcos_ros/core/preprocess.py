# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From a frame to the network's input tensor.

Planes are resized first and converted at canvas size, where there are fewer pixels. Luma and
chroma stay what they are for the networks that want NV12, and are halved to NV12 for the others.
Only what has no pixels to scale is brought to BGR before: Bayer at its own size, and files, which
a JPEG decoder makes smaller on the way. What the image leaves of the canvas is black: zeros in
RGB, Y = 16 and U = V = 128 in NV12, which is what black becomes in BT.601, the convention of
OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.frame import Frame, Pixels
from fcos_ros.core.picture import FORMATS, decode
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
        :raises FrameError: the frame is a compressed picture that is broken.
        """
        resize = self._resize
        if resize is None or resize.image != frame.size:
            resize = self._fit(frame.size, self._spec.size)
            if self._resize is None or self._resize.content != resize.content:
                self._canvas.clear()
            self._resize = resize
        self._canvas.draw(_developed(frame, resize.content), resize.content)
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
        if frame.encoding in _YUV:
            _resize_yuv(frame, luma, chroma)
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
        self._codes = _TO_RGB[spec.pixels]
        self._nv12_code = _NV12_TO_RGB[spec.pixels]
        self._table = _normalisation(spec)
        self._planar = spec.layout == 'NCHW'
        self._pixels = (tensor[0] if self._table is None and not self._planar
                        else np.empty((height, width, 3), np.uint8))

    def clear(self) -> None:
        self._pixels.fill(0)
        self._finish(Size(self._pixels.shape[1], self._pixels.shape[0]))

    def draw(self, frame: Frame, content: Size) -> None:
        target = self._pixels[:content.height, :content.width]
        if frame.encoding in _YUV:
            luma = np.empty((content.height, content.width), np.uint8)
            chroma = np.empty((content.height // 2, content.width // 2, 2), np.uint8)
            _resize_yuv(frame, luma, chroma)
            cv2.cvtColorTwoPlane(luma, chroma, self._nv12_code, dst=target)
        else:
            code = self._codes[frame.encoding]
            if code is None:
                _resize_into(target, frame.planes[0])
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


_TO_RGB: dict[str, dict[str, int | None]] = {
    'bgr': {
        'bgr8': None,
        'rgb8': cv2.COLOR_RGB2BGR,
        'bgra8': cv2.COLOR_BGRA2BGR,
        'rgba8': cv2.COLOR_RGBA2BGR,
        'mono8': cv2.COLOR_GRAY2BGR,
    },
    'rgb': {
        'bgr8': cv2.COLOR_BGR2RGB,
        'rgb8': None,
        'bgra8': cv2.COLOR_BGRA2RGB,
        'rgba8': cv2.COLOR_RGBA2RGB,
        'mono8': cv2.COLOR_GRAY2RGB,
    },
}

_NV12_TO_RGB = {'bgr': cv2.COLOR_YUV2BGR_NV12, 'rgb': cv2.COLOR_YUV2RGB_NV12}

_TO_I420 = {
    'bgr8': (cv2.COLOR_BGR2YUV_I420,),
    'rgb8': (cv2.COLOR_RGB2YUV_I420,),
    'bgra8': (cv2.COLOR_BGRA2YUV_I420,),
    'rgba8': (cv2.COLOR_RGBA2YUV_I420,),
    'mono8': (cv2.COLOR_GRAY2BGR, cv2.COLOR_BGR2YUV_I420),
}


class _Yuv(NamedTuple):
    """Which channels are Y, and U and V; None where a plane holds just these, in this order."""

    luma: tuple[int] | None
    chroma: tuple[int, int] | None


# Two pixels of uyvy and yuyv, four bytes, share one U and one V.
_YUV = {
    'nv12': _Yuv(None, None),
    'nv21': _Yuv(None, (1, 0)),
    'nv24': _Yuv(None, None),
    'uyvy': _Yuv((1,), (0, 2)),
    'yuyv': _Yuv((0,), (1, 3)),
}


def _developed(frame: Frame, content: Size) -> Frame:
    """See as BGR what cannot be scaled as it is; of a JPEG no more pixels than are of use."""
    if frame.encoding in FORMATS:
        bgr = decode(frame.planes[0], frame.encoding, frame.size, content)
    elif frame.encoding.startswith('bayer_'):
        bgr = frame.bgr()
    else:
        return frame
    return Frame(Size(*bgr.shape[1::-1]), 'bgr8', (bgr,))


def _resize_yuv(frame: Frame, luma: Pixels, chroma: Pixels) -> None:
    """Scale an image of luma and chroma into the planes of NV12."""
    first, last = frame.planes[0], frame.planes[-1]
    if first is last:
        last = first.reshape(len(first), -1, 4)
    channels = _YUV[frame.encoding]
    _resize_channels(luma, first, channels.luma)
    _resize_channels(chroma, last, channels.chroma)


def _resize_channels(target: Pixels, source: Pixels, channels: tuple[int, ...] | None) -> None:
    """Scale all channels, and keep some; fewer samples are moved than the other way round."""
    if channels is None:
        _resize_into(target, source)
        return
    pixels = _resized(source, Size(*target.shape[1::-1]))
    if _is_one_sample(target):
        np.copyto(target, pixels[..., channels])
    else:
        pairs = [index for pair in zip(channels, range(len(channels))) for index in pair]
        cv2.mixChannels([pixels], [target], pairs)


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
    if source.shape[:2] == target.shape[:2] or _is_one_sample(source):
        np.copyto(target, source)
    elif _is_one_sample(target):
        np.copyto(target, cv2.resize(source, (1, 1), interpolation=cv2.INTER_LINEAR))
    else:
        cv2.resize(source, target.shape[1::-1], dst=target, interpolation=cv2.INTER_LINEAR)


def _is_one_sample(plane: Pixels) -> bool:
    """Tell what OpenCV 4.5 rejects when it has several channels."""
    return plane.shape[:2] == (1, 1)


def _resized(source: Pixels, size: Size) -> Pixels:
    if source.shape[1::-1] == size:
        return source
    target = np.empty((size.height, size.width, *source.shape[2:]), np.uint8)
    _resize_into(target, source)
    return target
