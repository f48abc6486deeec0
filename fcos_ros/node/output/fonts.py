# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fonts for class names that are not ASCII, which OpenCV draws only from version 5 on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fcos_ros.core.arrays import Pixels

FONTS = ('NotoSansCJK-Regular.ttc', 'NotoSansCJK-Bold.ttc', 'wqy-microhei.ttc', 'wqy-zenhei.ttc',
         'NotoSerifCJK-Regular.ttc', 'NotoSerifCJK-Bold.ttc', 'DejaVuSans.ttf', 'FreeSans.ttf')
"""Files of fonts in the packages of Ubuntu; those with most characters first."""

_EM = 1.4
"""Size of a font, in heights of a capital letter."""


class PillowFont:
    """
    A font that Pillow draws.

    :param font: of `PIL.ImageFont`.
    """

    def __init__(self, font: Any) -> None:
        self._font = font
        self._sizes: dict[int, Any] = {}

    def render(self, line: str, height: int) -> Pixels:
        """Draw a line of text; see `annotate.Font`."""
        from PIL import Image, ImageDraw
        if height not in self._sizes:
            self._sizes[height] = self._font.font_variant(size=max(1, round(_EM * height)))
        font = self._sizes[height]
        mask = Image.new('L', (max(1, round(font.getlength(line))), sum(font.getmetrics())))
        ImageDraw.Draw(mask).text((0, 0), line, 255, font)
        return np.asarray(mask, np.uint8)


def load_font() -> PillowFont | None:
    """Return the first of `FONTS` that the system has; None without one, or without Pillow."""
    try:
        from PIL import ImageFont
    except ImportError:
        return None
    for name in FONTS:
        try:
            return PillowFont(ImageFont.truetype(name))
        except OSError:
            continue
    return None
