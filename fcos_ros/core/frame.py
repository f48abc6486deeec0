# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An image as it arrived: views of the sender's bytes.

Nothing is copied or converted here: a camera message becomes numpy views of its own buffer. Only
the high byte of 16-bit samples is viewed, as networks take 8 bits. A compressed image stays a file
until its pixels are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.core.arrays import Bytes, Pixels
from fcos_ros.core.encodings import ALIASES, ENCODINGS, NAMES, Alias, Encoding
from fcos_ros.core.errors import FrameError
from fcos_ros.core.image_file import FORMATS, decode, read_header
from fcos_ros.core.resize import Size


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image of 8-bit samples, or a compressed image file.

    :ivar size: width and height in pixels.
    :ivar encoding: a key of `ENCODINGS`, never an alias: mono16 and 8UC1 become mono8, yuv422
        becomes uyvy, and so on. Or a format of image files, such as jpeg.
    :ivar planes: uint8 views. bgr8 and rgb8: one plane (H, W, 3); bgra8 and rgba8: (H, W, 4);
        mono8 and bayer_*8: (H, W); uyvy, yuyv and yvyu: (H, W, 2); nv12 and nv21: Y (H, W) and
        interleaved chroma (H/2, W/2, 2); nv24: Y (H, W) and chroma (H, W, 2); files: (N,).
    """

    size: Size
    encoding: str
    planes: tuple[Pixels, ...]

    @classmethod
    def wrap(cls, data: Any, size: Size, encoding: str, step: int = 0,
             big_endian: bool = False) -> Frame:
        """
        View a buffer as an image. The buffer must not change while the frame is in use.

        :param data: any contiguous buffer (bytes, array, memoryview, uint8 array), exactly as
            long as the image. The padding of the last row may be missing.
        :param encoding: one of `encodings.NAMES`.
        :param step: bytes from one row of the first plane to the next; 0 for packed rows. Chroma
            rows of nv12 and nv21 have the same step, those of nv24 twice the step.
        :param big_endian: whether samples of 16 bits begin with their high byte. It is ignored for
            8 bits, as publishers set it arbitrarily.
        :raises FrameError: the encoding is unknown, or size, step and data do not agree.
        """
        layout = _BufferLayout.of(encoding, size)
        step = _checked_step(step, size, encoding, layout)
        flat = _byte_view(data)
        rows = layout.rows(size)
        full = step * rows
        minimum = full - layout.planes[-1].row_factor * (step - layout.packed_step(size))
        if flat.size not in (full, minimum):
            unpadded = f', or {minimum} without padding in the last' if minimum < full else ''
            raise FrameError(
                f'{encoding} image {size} with {step} bytes a row has {flat.size} bytes of data; '
                f'accepted: {full} ({rows} rows){unpadded}', 'length')
        first = 0 if big_endian else layout.sample_bytes - 1
        return cls(size, layout.name, _views(flat[first:], size, step, layout))

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
    def compressed(cls, data: Any) -> Frame:
        """
        Wrap an image file, which is decoded when its pixels are needed.

        :param data: any contiguous buffer that begins with a JPEG or PNG file.
        :raises FrameError: the file is of another format, or its header is damaged or states a
            size above the maximum.
        """
        file = _byte_view(data)
        encoding, size, _ = read_header(file)
        return cls(size, encoding, (file,))

    def bgr(self) -> Pixels:
        """
        Return the pixels in BGR order, uint8 (H, W, 3): a view for bgr8, else a new array.

        :raises FrameError: an image file is damaged.
        """
        if self.encoding in FORMATS:
            return decode(self.planes[0], self.encoding, self.size)
        return ENCODINGS[self.encoding].to_bgr(*self.planes)


class _BufferLayout(NamedTuple):
    """The planes of a buffer. Each sample has `sample_bytes`, of which one is viewed."""

    name: str
    encoding: Encoding
    sample_bytes: int

    @classmethod
    def of(cls, name: str, size: Size) -> _BufferLayout:
        alias = ALIASES.get(name, Alias(name, 1))
        encoding = ENCODINGS.get(alias.encoding)
        if encoding is None:
            raise FrameError(
                f'unknown encoding {name!r}; accepted: {", ".join(NAMES)}', 'encoding')
        if min(size) < encoding.min_side:
            raise FrameError(f'{name} image is {size}; accepted: both sides at least '
                             f'{encoding.min_side} pixel{"s" if encoding.min_side > 1 else ""}',
                             'size')
        if any(side % multiple for side, multiple in zip(size, encoding.multiple)):
            raise FrameError(
                f'{name} image is {size}; accepted: {_EVEN[encoding.multiple]}', 'size')
        return cls(alias.encoding, encoding, alias.sample_bytes)

    @property
    def planes(self) -> tuple[Any, ...]:
        return self.encoding.planes

    def packed_step(self, size: Size) -> int:
        """Return the bytes of a row of the first plane without padding."""
        return int(size.width * self.planes[0].channels * self.sample_bytes)

    def rows(self, size: Size) -> int:
        """Return the rows of all planes, in rows of the first plane."""
        return sum(size.height // plane.subsampling * plane.row_factor for plane in self.planes)


_EVEN = {
    Size(2, 1): 'even widths, as two pixels share one chroma sample',
    Size(2, 2): 'even widths and heights, as two pixels share one chroma sample',
}


def _checked_step(step: int, size: Size, encoding: str, layout: _BufferLayout) -> int:
    packed = layout.packed_step(size)
    if step and step < packed:
        raise FrameError(f'{encoding} image {size} has a step of {step} bytes; '
                         f'accepted: at least {packed}, or 0 for packed rows', 'step')
    return step or packed


def _byte_view(data: Any) -> Bytes:
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise FrameError(f'image data ({type(data).__name__}) cannot be read: {error}; '
                         'accepted: a contiguous buffer of bytes', 'data') from error


def _views(flat: Bytes, size: Size, step: int, layout: _BufferLayout) -> tuple[Pixels, ...]:
    """Divide the buffer into planes, which lie one after the other."""
    views: list[Pixels] = []
    top = 0
    for plane in layout.planes:
        rows, row = size.height // plane.subsampling, plane.row_factor * step
        axes = 3 if plane.channels > 1 else 2
        shape = (rows, size.width // plane.subsampling, plane.channels)[:axes]
        strides = (row, plane.channels * layout.sample_bytes, layout.sample_bytes)[:axes]
        views.append(np.ndarray(shape, np.uint8, flat, top, strides))
        top += rows * row
    return tuple(views)
