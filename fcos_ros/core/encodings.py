# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The pixel formats that cameras send, in one table.

Each entry of `ENCODINGS` defines:

- the planes of a buffer;
- the conversion of the planes to BGR;
- the conversion after scaling, for preprocessing.

To support another format, add one entry here and one to the formats of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np

from fcos_ros.core.arrays import Pixels
from fcos_ros.core.resize import Size


class Plane(NamedTuple):
    """
    One plane of an image.

    :ivar channels: samples that lie side by side.
    :ivar subsampling: image pixels for each sample, on both axes.
    :ivar row_factor: length of a row, in rows of the first plane.
    """

    channels: int
    subsampling: int = 1
    row_factor: float = 1


class Interleaved(NamedTuple):
    """OpenCV's codes that convert interleaved pixels; None where no conversion is needed."""

    bgr: int | None
    rgb: int | None


class LumaChroma(NamedTuple):
    """
    The channels that hold Y, and U and V; None where a plane holds just these, in this order.

    A format with one plane shares one U and one V between two pixels, which are four samples. The
    channels of a format with three planes are its last two planes.
    """

    luma: tuple[int] | None = None
    chroma: tuple[int, int] | None = None


class Encoding(NamedTuple):
    """
    One pixel format. Its samples have 8 bits, or are converted to 8 bits before `to_bgr`.

    :ivar planes: in the order in which they lie in a buffer.
    :ivar to_bgr: converts the planes, YUV of limited range, to (H, W, 3) BGR.
    :ivar after_scaling: how the planes are converted once they are scaled; None for formats that
        must be converted to BGR before.
    :ivar multiple: both sides of an image are multiples of these, as pixels share chroma samples.
    :ivar min_side: minimum length of a side in pixels.
    """

    planes: tuple[Plane, ...]
    to_bgr: Callable[..., Pixels]
    after_scaling: Interleaved | LumaChroma | None
    multiple: Size = Size(1, 1)
    min_side: int = 1


def _interleaved(channels: int, bgr: int | None, rgb: int | None) -> Encoding:
    to_bgr = _unchanged if bgr is None else _converter(bgr)
    return Encoding((Plane(channels),), to_bgr, Interleaved(bgr, rgb))


def _packed_422(bgr: int, luma: int, chroma: tuple[int, int]) -> Encoding:
    return Encoding((Plane(2),), _converter(bgr), LumaChroma((luma,), chroma), Size(2, 1))


def _semi_planar_420(bgr: int, chroma: tuple[int, int] | None = None) -> Encoding:
    def to_bgr(luma: Pixels, chroma: Pixels) -> Pixels:
        return np.asarray(cv2.cvtColorTwoPlane(luma, chroma, bgr), np.uint8)
    planes = Plane(1), Plane(2, subsampling=2)
    return Encoding(planes, to_bgr, LumaChroma(chroma=chroma), Size(2, 2))


def _planar_420(bgr: int, chroma: tuple[int, int] | None = None) -> Encoding:
    def to_bgr(luma: Pixels, *chroma: Pixels) -> Pixels:
        return np.asarray(cv2.cvtColorTwoPlane(luma, cv2.merge(chroma), bgr), np.uint8)
    planes = Plane(1), *2 * [Plane(1, subsampling=2, row_factor=0.5)]
    return Encoding(planes, to_bgr, LumaChroma(chroma=chroma), Size(2, 2))


def _bayer(bgr: int) -> Encoding:
    # OpenCV returns a black image when a side is shorter: no neighbour has the missing colours.
    return Encoding((Plane(1),), _converter(bgr), None, min_side=3)


def _converter(code: int) -> Callable[..., Pixels]:
    return lambda plane: np.asarray(cv2.cvtColor(plane, code), np.uint8)


def _unchanged(plane: Pixels) -> Pixels:
    return plane


# BT.601 of limited range, as OpenCV converts 4:2:0: rows for blue, green and red, columns for
# Y - 16, U - 128 and V - 128.
_BT_601 = np.array([[1.164384, 2.017232, 0], [1.164384, -0.391762, -0.812968],
                    [1.164384, 0, 1.596027]])
_YUV_TO_BGR = np.column_stack([_BT_601, _BT_601 @ [-16, -128, -128]]).astype(np.float32)


def _nv24_to_bgr(luma: Pixels, chroma: Pixels) -> Pixels:
    return np.asarray(cv2.transform(cv2.merge([luma, chroma]), _YUV_TO_BGR), np.uint8)


ENCODINGS: Mapping[str, Encoding] = {
    'bgr8': _interleaved(3, None, cv2.COLOR_BGR2RGB),
    'rgb8': _interleaved(3, cv2.COLOR_RGB2BGR, None),
    'bgra8': _interleaved(4, cv2.COLOR_BGRA2BGR, cv2.COLOR_BGRA2RGB),
    'rgba8': _interleaved(4, cv2.COLOR_RGBA2BGR, cv2.COLOR_RGBA2RGB),
    'mono8': _interleaved(1, cv2.COLOR_GRAY2BGR, cv2.COLOR_GRAY2RGB),
    'uyvy': _packed_422(cv2.COLOR_YUV2BGR_UYVY, luma=1, chroma=(0, 2)),
    'yuyv': _packed_422(cv2.COLOR_YUV2BGR_YUYV, luma=0, chroma=(1, 3)),
    'yvyu': _packed_422(cv2.COLOR_YUV2BGR_YVYU, luma=0, chroma=(3, 1)),
    'nv12': _semi_planar_420(cv2.COLOR_YUV2BGR_NV12),
    'nv21': _semi_planar_420(cv2.COLOR_YUV2BGR_NV21, chroma=(1, 0)),
    'i420': _planar_420(cv2.COLOR_YUV2BGR_NV12),
    'yv12': _planar_420(cv2.COLOR_YUV2BGR_NV21, chroma=(1, 0)),
    'nv24': Encoding((Plane(1), Plane(2, row_factor=2)), _nv24_to_bgr, LumaChroma()),
    # OpenCV names these by the second row, from the second pixel on.
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2BGR),
}
"""Every pixel format by its plainest name."""


class Alias(NamedTuple):
    """Another name of an encoding, perhaps with samples of more than one byte."""

    encoding: str
    sample_bytes: int


_SIXTEEN_BITS = ('bgr8', 'rgb8', 'bgra8', 'rgba8',
                 *(name for name in ENCODINGS if name.startswith('bayer_')))

ALIASES: Mapping[str, Alias] = {
    'mono16': Alias('mono8', 2),
    'yuv422': Alias('uyvy', 1),
    'yuv422_yuy2': Alias('yuyv', 1),
    'yuv420': Alias('i420', 1),
    'yuv420p': Alias('i420', 1),
    **{f'{name[:-1]}16': Alias(name, 2) for name in _SIXTEEN_BITS},
    # Channels without a stated colour are read in OpenCV's order.
    **{f'{8 * size}UC{channels}': Alias(name, size) for size in (1, 2)
       for channels, name in ((1, 'mono8'), (3, 'bgr8'), (4, 'bgra8'))},
}
"""Other names that cameras use."""

NAMES = (*ENCODINGS, *ALIASES)
"""Every accepted name of a pixel format."""

MOSAICS = tuple(name for name, encoding in ENCODINGS.items() if encoding.after_scaling is None)
"""The encodings whose pixels have one colour each."""

_BY_LOWER_CASE = {name.lower(): name for name in NAMES}


def find_encoding(name: str) -> Alias | None:
    """Return the encoding of a name in upper or lower case; None if it is unknown."""
    known = _BY_LOWER_CASE.get(name.lower(), '')
    return ALIASES.get(known) or (Alias(known, 1) if known else None)
