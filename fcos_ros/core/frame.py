# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An image as it arrived: views of the sender's bytes.

Nothing is copied or converted here: a camera message becomes numpy views of its own buffer. A
compressed image stays a file until its pixels are needed. Samples of 16 bits become 8 bits only
when they are read, after the image was scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from fcos_ros.core.arrays import Array, Bytes, Pixels
from fcos_ros.core.buffers import view_bytes
from fcos_ros.core.encodings import ENCODINGS, NAMES, Encoding, LumaChroma, find_encoding
from fcos_ros.core.errors import FrameError
from fcos_ros.core.image_file import FORMATS, decode, read_header
from fcos_ros.core.measurement import BIT_DEPTHS, UNMEASURED, Measurement, measure
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import AUTO, CHANGE_RANGE, FULL, LIMITED


class Window(NamedTuple):
    """A rectangle of an image, in pixels from the left and the top; the last ones are excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Its width and height."""
        return Size(self.right - self.left, self.bottom - self.top)


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image, or a compressed image file.

    :ivar size: width and height in pixels.
    :ivar encoding: a key of `ENCODINGS`, never an alias: mono16 and 8UC1 become mono8, yuv422
        becomes uyvy, and so on. Or a format of image files, such as jpeg.
    :ivar planes: views, uint8 or uint16. bgr8 and rgb8: one plane (H, W, 3); bgra8 and rgba8:
        (H, W, 4); mono8 and bayer_*8: (H, W); uyvy, yuyv and yvyu: (H, W, 2); nv12 and nv21: Y
        (H, W) and interleaved chroma (H/2, W/2, 2); i420 and yv12: Y (H, W) and two planes of
        chroma (H/2, W/2); nv24: Y (H, W) and chroma (H, W, 2); files: (N,).
    :ivar yuv_range: the range of YUV samples; see `yuv_range`. AUTO measures it in this image.
    :ivar seen_full_range: whether another image of the camera had the full range; for AUTO.
    :ivar bit_depth: number of bits that samples of 16 bits use, from the lowest on; 0 for as many
        as the highest sample of this image needs, and at least `min_bit_depth`.
    :ivar mosaic: a Bayer encoding if a file holds such an image.
    :ivar trailing_bytes: bytes of the buffer after the image, which are ignored.
    """

    size: Size
    encoding: str
    planes: tuple[Array, ...]
    yuv_range: str = LIMITED
    seen_full_range: bool = False
    bit_depth: int = 0
    min_bit_depth: int = 0
    mosaic: str = ''
    trailing_bytes: int = 0

    @classmethod
    def wrap(cls, data: Any, size: Size, encoding: str, step: int = 0,
             big_endian: bool = False) -> Frame:
        """
        View a buffer as an image. The buffer must not change while the frame is in use.

        :param data: the bytes (see `view_bytes`), exactly as long as the image. The padding of the
            last row may be missing. A buffer of nv12 with packed rows may be longer: the decoder
            of RDK X5 hands over its whole buffer, in which the image comes first.
        :param encoding: one of `encodings.NAMES`, in upper or lower case.
        :param step: bytes from one row of the first plane to the next; 0 for packed rows. Chroma
            rows of nv12 and nv21 have the same step, those of nv24 twice, those of i420 and yv12
            half the step.
        :param big_endian: whether samples of 16 bits begin with their high byte. It is ignored for
            8 bits, as publishers set it arbitrarily.
        :raises FrameError: the encoding is unknown, or size, step and data do not agree.
        """
        flat = view_bytes(data)
        layout = _layout(flat.size, size, encoding, step, big_endian)
        return cls(size, layout.name, layout.views(flat), trailing_bytes=layout.trailing_bytes)

    @classmethod
    def from_bgr(cls, image: Pixels) -> Frame:
        """
        View an array of pixels, as OpenCV returns it, as an image.

        :param image: uint8 of shape (H, W, 3) in BGR order, or (H, W) in grey. An array that is
            not contiguous is copied.
        :raises FrameError: the array has another shape or dtype.
        """
        encoding = {2: 'mono8', 3: 'bgr8'}.get(getattr(image, 'ndim', 0))
        if encoding is None or image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)):
            given = (f'{image.dtype}{list(image.shape)}' if isinstance(image, np.ndarray)
                     else type(image).__name__)
            raise FrameError(f'image is {given}; accepted: uint8 [H, W, 3] in BGR order, or '
                             'uint8 [H, W] in grey', 'data')
        height, width = image.shape[:2]
        return cls.wrap(np.ascontiguousarray(image), Size(width, height), encoding)

    @classmethod
    def compressed(cls, data: Any, mosaic: str = '') -> Frame:
        """
        Wrap an image file, which is decoded when its pixels are needed.

        :param data: bytes (see `view_bytes`) that begin with a file of `image_file.FORMATS`.
        :param mosaic: the Bayer encoding of the pixels if the file is grey.
        :raises FrameError: the file is of another format, or its header is damaged or states a
            size above the maximum.
        """
        file = view_bytes(data)
        encoding, size, grey = read_header(file)
        mosaic = mosaic if grey else ''
        if mosaic:
            _require_sides(mosaic, size, ENCODINGS[mosaic])
        return cls(size, encoding, (file,), mosaic=mosaic)

    @property
    def is_wide(self) -> bool:
        """Whether the samples have 16 bits."""
        return self.planes[0].dtype == np.uint16

    def decoded(self, needed_size: Size | None = None) -> Frame:
        """
        Return the frame with pixels in place of an image file.

        :param needed_size: the minimum size that is needed; the frame may become smaller.
        :raises FrameError: the file is damaged.
        """
        if self.encoding not in FORMATS:
            return self
        if self.mosaic:  # scaling would mix its colours
            needed_size = None
        pixels = decode(self.planes[0], self.encoding, self.size, needed_size,
                        grey=bool(self.mosaic))
        return replace(self, size=Size(*pixels.shape[1::-1]), encoding=self.mosaic or 'bgr8',
                       planes=(pixels,), mosaic='')

    def crop(self, window: Window) -> Frame:
        """
        View a part of a decoded frame.

        :param window: inside the image. Its sides are even for encodings whose pixels share chroma
            samples, and its corner is even for mosaics, too.
        """
        cropped = (_part(plane, window, spec.subsampling)
                   for plane, spec in zip(self.planes, ENCODINGS[self.encoding].planes))
        return replace(self, size=window.size, planes=tuple(cropped), trailing_bytes=0)

    def measure(self) -> tuple[Frame, Measurement]:
        """
        Return the decoded frame with all properties of its samples, and what was measured.

        Bits are also measured if they are stated, so that a wrong statement is noticed.
        """
        if not self.is_wide and self.yuv_range != AUTO:
            return self, UNMEASURED
        found = measure(self.planes, ENCODINGS[self.encoding].after_scaling)
        depth = self.bit_depth or max(self.min_bit_depth, found.bit_depth, BIT_DEPTHS[0])
        yuv_range = self.yuv_range
        if yuv_range == AUTO:
            yuv_range = FULL if self.seen_full_range else found.yuv_range
        return replace(self, bit_depth=depth, yuv_range=yuv_range), found

    def narrowed(self) -> Frame:
        """Return the frame with samples of 8 bits; itself if it has them."""
        if not self.is_wide:
            return self
        frame = self if self.bit_depth else self.measure()[0]
        planes = (cv2.convertScaleAbs(plane, alpha=255 / (2**frame.bit_depth - 1))
                  for plane in frame.planes)
        return replace(frame, planes=tuple(np.asarray(plane, np.uint8) for plane in planes))

    def bgr(self) -> Pixels:
        """
        Return the pixels in BGR order, uint8 (H, W, 3): a view for bgr8, else a new array.

        :raises FrameError: an image file is damaged.
        """
        frame, _ = self.decoded().measure()
        encoding, planes = ENCODINGS[frame.encoding], frame.narrowed().planes
        if isinstance(encoding.after_scaling, LumaChroma) and frame.yuv_range != LIMITED:
            planes = _to_limited(planes, encoding.after_scaling, frame.yuv_range)
        return encoding.to_bgr(*planes)


_MAY_BE_LONGER = frozenset(['nv12'])
"""Encodings whose buffers may be longer than the image."""

_MAX_EXCESS = 2
"""Maximum length of such a buffer, in lengths of the image; the size is wrong if it is longer."""


class _PlaneView(NamedTuple):
    """Where a plane lies in a buffer, as arguments of `numpy.ndarray`."""

    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]


class _BufferLayout(NamedTuple):
    """The planes of a buffer, and the number of bytes after them."""

    name: str
    dtype: np.dtype[Any]
    planes: tuple[_PlaneView, ...]
    trailing_bytes: int

    def views(self, flat: Bytes) -> tuple[Array, ...]:
        """Divide a buffer of this layout into its planes."""
        dtype = self.dtype
        views = [np.ndarray(shape, dtype, flat, offset, strides)
                 for shape, offset, strides in self.planes]
        if dtype.itemsize > 1:
            # OpenCV needs aligned samples in the byte order of this machine. Few cameras send
            # others.
            views = [np.require(view, dtype.newbyteorder('='), 'A') for view in views]
        return tuple(views)


@lru_cache(maxsize=32)  # the images of a camera have the same layout
def _layout(
    length: int, size: Size, name: str, step: int, big_endian: bool,
) -> _BufferLayout:
    """
    Return the layout of a buffer of `length` bytes; see `Frame.wrap`.

    :raises FrameError: encoding, size, step and length do not agree.
    """
    alias = find_encoding(name)
    if alias is None:
        raise FrameError(f'unknown encoding {name!r}; accepted: {", ".join(NAMES)}', 'encoding')
    encoding = ENCODINGS[alias.encoding]
    _require_sides(name, size, encoding)
    planes: tuple[Any, ...] = encoding.planes
    packed = size.width * planes[0].channels * alias.sample_bytes
    step = _checked_step(step, size, name, packed, planes)
    rows = sum(size.height // plane.subsampling * plane.row_factor for plane in planes)
    full = int(step * rows)
    minimum = full - int(planes[-1].row_factor * (step - packed))
    longest = full
    if alias.encoding in _MAY_BE_LONGER and step == packed:
        longest = _MAX_EXCESS * full
    if length != minimum and not full <= length <= longest:
        unpadded = f', or {minimum} without padding in the last' if minimum < full else ''
        raise FrameError(
            f'{name} image {size} with {step} bytes a row has {length} bytes of data; '
            f'accepted: {full} ({rows:g} rows){unpadded}', 'length')
    dtype = np.dtype(f'{">" if big_endian else "<"}u{alias.sample_bytes}')
    return _BufferLayout(alias.encoding, dtype, tuple(_plane_views(planes, size, step, dtype)),
                         max(0, length - full))


_EVEN = {
    Size(2, 1): 'even widths, as two pixels share one chroma sample',
    Size(2, 2): 'even widths and heights, as two pixels share one chroma sample',
}


def _require_sides(name: str, size: Size, encoding: Encoding) -> None:
    if min(size) < encoding.min_side:
        raise FrameError(f'{name} image is {size}; accepted: both sides at least '
                         f'{encoding.min_side} pixel{"s" if encoding.min_side > 1 else ""}',
                         'size')
    if any(side % multiple for side, multiple in zip(size, encoding.multiple)):
        raise FrameError(
            f'{name} image is {size}; accepted: {_EVEN[encoding.multiple]}', 'size')


def _checked_step(
    step: int, size: Size, name: str, packed: int, planes: tuple[Any, ...],
) -> int:
    if step and step < packed:
        raise FrameError(f'{name} image {size} has a step of {step} bytes; '
                         f'accepted: at least {packed}, or 0 for packed rows', 'step')
    if any(step * plane.row_factor % 1 for plane in planes):
        raise FrameError(f'{name} image {size} has a step of {step} bytes; accepted: even '
                         'steps, as rows of chroma are half as long', 'step')
    return step or packed


def _plane_views(
    planes: tuple[Any, ...], size: Size, step: int, dtype: np.dtype[Any],
) -> Iterator[_PlaneView]:
    """Yield the places of planes that lie one after the other."""
    top = 0
    for plane in planes:
        rows, row = size.height // plane.subsampling, int(plane.row_factor * step)
        axes = 3 if plane.channels > 1 else 2
        yield _PlaneView(
            (rows, size.width // plane.subsampling, plane.channels)[:axes], top,
            (row, plane.channels * dtype.itemsize, dtype.itemsize)[:axes])
        top += rows * row


def _part(plane: Array, window: Window, subsampling: int) -> Array:
    left, top, right, bottom = (side // subsampling for side in window)
    part: Array = plane[top:bottom, left:right]
    return part


def _to_limited(
    planes: tuple[Pixels, ...], channels: LumaChroma, before: str,
) -> tuple[Pixels, ...]:
    """Convert YUV planes to the limited range, as OpenCV takes them."""
    luma, chroma = (line.table for line in CHANGE_RANGE[before, LIMITED])
    tables = [luma, *[chroma] * (len(planes) - 1)]
    if len(planes) == 1:  # luma and chroma side by side
        pair = (luma, chroma) if channels.luma == (0,) else (chroma, luma)
        tables = [np.stack(pair, -1)[None]]
    return tuple(np.asarray(cv2.LUT(plane, table), np.uint8)
                 for plane, table in zip(planes, tables))
