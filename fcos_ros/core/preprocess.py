# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert a frame to the network's input tensor.

Planes are scaled first and converted afterwards, when there are fewer pixels. Networks that take
NV12 get luma and chroma as the camera sent them, converted to their range if it differs. For other
networks, chroma is halved to NV12 and then converted. Bayer mosaics cannot be scaled and are
converted to BGR first. Image files are decoded to BGR first, JPEG files at a reduced size where
that is enough. The rest of the canvas has the padding colour of the network, or else is black.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np

from fcos_ros.core.arrays import Array, Pixels
from fcos_ros.core.encodings import ENCODINGS, Interleaved, LumaChroma
from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import UNMEASURED
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.yuv_range import BLACK, CHANGE_RANGE, FULL, LIMITED, RANGES

FITS = {'letterbox': Resize.letterbox, 'stretch': Resize.stretch}
PIXELS = ('nv12', 'rgb', 'bgr')
LAYOUTS = ('NHWC', 'NCHW')

_UINT8: np.dtype[Any] = np.dtype(np.uint8)


@dataclass(frozen=True)
class InputSpec:
    """
    The one input tensor of a network.

    :ivar size: the canvas in pixels; both sides even.
    :ivar pixels: 'nv12', 'rgb' or 'bgr'.
    :ivar layout: 'NHWC' or 'NCHW'; ignored for nv12.
    :ivar dtype: uint8, or float32 or float16 for (pixel - mean) / std; always uint8 for nv12.
    :ivar mean: for each channel in the order of `pixels`, on the scale 0 to 255; likewise `std`.
    :ivar padding: colour of the canvas around the image, 0 to 255, before normalisation: (Y, U,
        V) for nv12, else in the order of `pixels`. None is black.
    :ivar nv12_range: the range of nv12 that the network was made for; see `yuv_range`.
    """

    name: str
    size: Size
    pixels: str = 'rgb'
    layout: str = 'NHWC'
    dtype: np.dtype[Any] = _UINT8
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    padding: tuple[int, ...] | None = None
    nv12_range: str = FULL

    def __post_init__(self) -> None:
        object.__setattr__(self, 'dtype', np.dtype(self.dtype))
        _require('pixels', self.pixels, PIXELS)
        _require('layout', self.layout, LAYOUTS)
        _require('nv12_range', self.nv12_range, RANGES)
        _require('dtype', self.dtype.name, ('uint8',) if self.pixels == 'nv12' else (
            'uint8', 'float32', 'float16'))
        if min(self.size) < 2 or any(side % 2 for side in self.size):
            raise ValueError(f'size is {self.size}; accepted: even sides of at least 2 pixels')
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise ValueError(f'mean is {self.mean} and std is {self.std}; accepted: three numbers '
                             'each, those of std above 0')
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f'padding is {self.padding}; accepted: three numbers from 0 to 255')
        if self.dtype == np.uint8 and (any(self.mean) or set(self.std) != {1}):
            raise ValueError(f'mean is {self.mean} and std is {self.std}, but a uint8 input is '
                             'not normalised; accepted: mean 0 and std 1')

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        width, height = self.size
        if self.pixels == 'nv12':
            return (height * width * 3 // 2,)
        return (1, height, width, 3) if self.layout == 'NHWC' else (1, 3, height, width)

    @property
    def background(self) -> tuple[int, ...]:
        """The colour of the canvas around the image."""
        black = (BLACK[self.nv12_range], 128, 128) if self.pixels == 'nv12' else (0, 0, 0)
        return self.padding or black


class Preprocessor:
    """
    Convert frames of any size and encoding into the input tensor of one network.

    It owns its canvas: give each thread a preprocessor of its own.

    :ivar measured: facts about the samples of the last frame that were not stated.
    :param tensor: memory for the input, C-contiguous and of the spec's shape and dtype, for
        engines that only read memory of their own. None allocates it.
    """

    def __init__(
        self, spec: InputSpec, fit: str = 'letterbox', tensor: Array | None = None,
    ) -> None:
        _require('fit', fit, tuple(FITS))
        self._spec = spec
        self._fit = FITS[fit]
        if tensor is None:
            tensor = np.empty(spec.shape, spec.dtype)
        canvas = _Nv12Canvas if spec.pixels == 'nv12' else _RgbCanvas
        self._canvas: _Canvas = canvas(spec, tensor)
        self._resize: Resize | None = None
        self.measured = UNMEASURED

    def prepare(self, frame: Frame) -> tuple[Array, Resize]:
        """
        Draw the frame on the canvas.

        :returns: the tensor, of the spec's shape and dtype, valid until the next call; and the
            transform between image and canvas pixels.
        :raises FrameError: the frame is a damaged image file.
        """
        resize = self._resize
        if resize is None or resize.image != frame.size:
            resize = self._fit(frame.size, self._spec.size)
            if self._resize is None or self._resize.content != resize.content:
                self._canvas.clear()
            self._resize = resize
        frame, self.measured = frame.decoded(resize.content).measure()
        self._canvas.draw(_scalable(frame, resize.content), resize.content)
        return self._canvas.tensor, resize


class _Canvas(Protocol):
    tensor: Array

    def clear(self) -> None:
        """Fill the canvas with the background."""

    def draw(self, frame: Frame, content: Size) -> None:
        """Scale the frame into the top-left corner."""


class _Nv12Canvas:
    """A Y plane, then an interleaved UV plane, in one flat array."""

    def __init__(self, spec: InputSpec, tensor: Array) -> None:
        self.tensor = tensor
        self._range = spec.nv12_range
        self._background = spec.background
        self._luma, self._chroma = _nv12_planes(self.tensor, spec.size)

    def clear(self) -> None:
        self._luma.fill(self._background[0])
        self._chroma[...] = self._background[1:]

    def draw(self, frame: Frame, content: Size) -> None:
        width, height = content
        luma = self._luma[:height, :width]
        chroma = self._chroma[:height // 2, :width // 2]
        conversion = ENCODINGS[frame.encoding].after_scaling
        if isinstance(conversion, LumaChroma):
            _resize_luma_chroma(frame, conversion, luma, chroma)
            _change_range(luma, chroma, frame.yuv_range, self._range)
            return
        assert conversion is not None  # else `_scalable` has converted the frame
        bgr = _resized(frame.planes[0], content)
        if conversion.bgr is not None:
            bgr = np.asarray(cv2.cvtColor(bgr, conversion.bgr), np.uint8)
        _bgr_to_full(bgr, luma, chroma)
        _change_range(luma, chroma, FULL, self._range)


def _change_range(luma: Pixels, chroma: Pixels, before: str, after: str) -> None:
    """Convert planes from one range of YUV to another, in place."""
    if before != after:
        for plane, (scale, offset) in zip((luma, chroma), CHANGE_RANGE[before, after]):
            # A lookup table takes longer: OpenCV computes several samples at once.
            cv2.addWeighted(plane, scale, plane, 0, offset, dst=plane)


def _bgr_to_full(bgr: Pixels, luma: Pixels, chroma: Pixels) -> None:
    """
    Convert BGR to NV12 of full range.

    OpenCV has no such conversion, and its one to limited range takes the chroma of one pixel of
    four, which costs 1 % of average precision. But its grey is the luma, and its YCrCb has the
    chroma, here of the mean colours of 2x2 pixels.
    """
    cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY, dst=luma)
    half = cv2.resize(bgr, chroma.shape[1::-1], interpolation=cv2.INTER_AREA)
    cv2.mixChannels([cv2.cvtColor(half, cv2.COLOR_BGR2YCrCb)], [chroma], [2, 0, 1, 1])


class _RgbCanvas:
    """Interleaved pixels, which are reordered and normalised if the tensor needs it."""

    def __init__(self, spec: InputSpec, tensor: Array) -> None:
        width, height = spec.size
        self.tensor = tensor
        self._background = spec.background
        self._pixel_order = spec.pixels
        self._nv12_code = _FROM_NV12[spec.pixels]
        self._table = _normalisation(spec)
        self._planar = spec.layout == 'NCHW'
        if self._planar and self._table is not None:  # one table for each plane
            self._table = np.ascontiguousarray(self._table.transpose(2, 0, 1))
        self._pixels = (tensor[0] if self._table is None and not self._planar
                        else np.empty((height, width, 3), np.uint8))

    def clear(self) -> None:
        self._pixels[...] = self._background
        self._copy_to_tensor(Size(self._pixels.shape[1], self._pixels.shape[0]))

    def draw(self, frame: Frame, content: Size) -> None:
        target = self._pixels[:content.height, :content.width]
        conversion = ENCODINGS[frame.encoding].after_scaling
        if isinstance(conversion, LumaChroma):
            luma = np.empty((content.height, content.width), np.uint8)
            chroma = np.empty((content.height // 2, content.width // 2, 2), np.uint8)
            _resize_luma_chroma(frame, conversion, luma, chroma)
            _change_range(luma, chroma, frame.yuv_range, LIMITED)  # as OpenCV takes them
            cv2.cvtColorTwoPlane(luma, chroma, self._nv12_code, dst=target)
        else:
            assert conversion is not None  # else `_scalable` has converted the frame
            self._draw_interleaved(frame.planes[0], conversion, target)
        self._copy_to_tensor(content)

    def _draw_interleaved(
        self, plane: Pixels, conversion: Interleaved, target: Pixels,
    ) -> None:
        code = conversion.rgb if self._pixel_order == 'rgb' else conversion.bgr
        if code is None:
            _resize_into(target, plane)
        else:
            cv2.cvtColor(_resized(plane, Size(*target.shape[1::-1])), code, dst=target)

    def _copy_to_tensor(self, content: Size) -> None:
        """Copy the top-left corner to the tensor, unless the tensor is the pixels."""
        width, height = content
        pixels = self._pixels[:height, :width]
        if self._planar:
            planes = list(self.tensor[0, :, :height, :width])
            if self._table is None:
                cv2.split(pixels, planes)
                return
            for plane, source, table in zip(planes, cv2.split(pixels), self._table):
                _look_up(source, table, plane)
        elif self._table is not None:
            _look_up(pixels, self._table, self.tensor[0, :height, :width])


def _look_up(pixels: Array, table: Array, target: Array) -> None:
    if target.dtype == table.dtype:
        cv2.LUT(pixels, table, dst=target)
    else:  # float16, which OpenCV does not look up
        np.copyto(target, cv2.LUT(pixels, table), casting='same_kind')


_FROM_NV12 = {'bgr': cv2.COLOR_YUV2BGR_NV12, 'rgb': cv2.COLOR_YUV2RGB_NV12}


def _scalable(frame: Frame, content: Size) -> Frame:
    """
    Return a frame of 8 bits that can be scaled; one of 16 bits is scaled here.

    :param frame: no image file, and with its `bit_depth` if it has 16 bits.
    """
    if ENCODINGS[frame.encoding].after_scaling is None:
        bgr = frame.bgr()
        return Frame(Size(*bgr.shape[1::-1]), 'bgr8', (bgr,))
    if frame.is_wide:  # OpenCV scales samples of 16 bits as fast as those of 8 bits
        scaled = tuple(_resized(plane, content) for plane in frame.planes)
        return replace(frame, size=content, planes=scaled).narrowed()
    return frame


def _resize_luma_chroma(
    frame: Frame, channels: LumaChroma, luma: Pixels, chroma: Pixels,
) -> None:
    """Scale an image of luma and chroma into the planes of NV12."""
    first, last = frame.planes[0], frame.planes[-1]
    if len(frame.planes) == 1:
        last = first.reshape(len(first), -1, 4)
    elif len(frame.planes) == 3:
        last = np.asarray(cv2.merge(frame.planes[1:]), np.uint8)
    _resize_channels(luma, first, channels.luma)
    _resize_channels(chroma, last, channels.chroma)


def _resize_channels(target: Pixels, source: Pixels, channels: tuple[int, ...] | None) -> None:
    """Scale all channels, then select some: this order moves fewer samples."""
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
        raise ValueError(f'{name} is {value!r}; accepted: {", ".join(accepted)}')


def _nv12_planes(flat: Pixels, size: Size) -> tuple[Pixels, Pixels]:
    width, height = size
    luma = flat[:height * width].reshape(height, width)
    return luma, flat[height * width:].reshape(height // 2, width // 2, 2)


def _normalisation(spec: InputSpec) -> Array | None:
    """
    Return the value of each pixel level and channel, float32 (256, 1, 3); None for uint8.

    OpenCV looks up no float16, so those values are converted while they are copied.
    """
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
    """Return whether a plane is 1x1, which OpenCV 4.5 rejects when it has several channels."""
    return plane.shape[:2] == (1, 1)


def _resized(source: Pixels, size: Size) -> Pixels:
    if source.shape[1::-1] == size:
        return source
    target = np.empty((size.height, size.width, *source.shape[2:]), source.dtype)
    _resize_into(target, source)
    return target
