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


class RangeTables(NamedTuple):
    """Lookup tables of luma and of chroma, uint8 (256,), for `cv2.LUT`."""

    luma: Bytes
    chroma: Bytes


def _tables(luma_scale: float, chroma_scale: float, before: int, after: int) -> RangeTables:
    levels = np.arange(256)
    luma = (levels - before) * luma_scale + after
    chroma = (levels - 128) * chroma_scale + 128
    return RangeTables(*(np.clip(np.round(values), 0, 255).astype(np.uint8)
                         for values in (luma, chroma)))


CHANGE_RANGE: Mapping[tuple[str, str], RangeTables] = {
    (FULL, LIMITED): _tables(219 / 255, 224 / 255, 0, 16),
    (LIMITED, FULL): _tables(255 / 219, 255 / 224, 16, 0),
}
"""The tables that convert the first range to the second."""
