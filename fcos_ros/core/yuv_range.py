# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The two ranges of YUV samples of BT.601, and the conversion between them.

- limited: luma from 16 (black) to 235 (white), chroma from 16 to 240; in videos, and in OpenCV.
- full: luma and chroma from 0 to 255; in JPEG files, and in the networks that the compiler of the
  RDK boards makes by default.

An image in the other range has too little or too much contrast for a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Bytes

FULL, LIMITED = 'full', 'limited'

RANGES = (FULL, LIMITED)

AUTO = 'auto'
"""The range of an image that is measured."""

BLACK = {FULL: 0, LIMITED: 16}
"""Luma of black by range. Chroma of black is 128."""


class Line(NamedTuple):
    """A change of samples: `sample * scale + offset`, rounded, and limited to 0 to 255."""

    scale: float
    offset: float

    @property
    def table(self) -> Bytes:
        """The changed value of each sample, uint8 (256,), for `cv2.LUT`."""
        values = np.round(np.arange(256) * self.scale + self.offset)
        return np.clip(values, 0, 255).astype(np.uint8)


class RangeChange(NamedTuple):
    """The change of luma and that of chroma."""

    luma: Line
    chroma: Line


_TIE = 1e-4
"""
Is subtracted from offsets of chroma, so that 0.5, the one value between two integers, becomes 0
with any precision. All other values are further from such a point.
"""


def _change(luma_scale: float, chroma_scale: float, before: int, after: int) -> RangeChange:
    return RangeChange(Line(luma_scale, after - before * luma_scale),
                       Line(chroma_scale, 128 - 128 * chroma_scale - _TIE))


CHANGE_RANGE: Mapping[tuple[str, str], RangeChange] = {
    (FULL, LIMITED): _change(219 / 255, 224 / 255, 0, 16),
    (LIMITED, FULL): _change(255 / 219, 255 / 224, 16, 0),
}
"""The changes that convert the first range to the second."""
