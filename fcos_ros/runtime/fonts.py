# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fonts for class names that OpenCV cannot draw: version 4 draws only ASCII, 5 most languages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
import unicodedata

import numpy as np

from fcos_ros.core.annotate import is_drawn_by_opencv
from fcos_ros.core.arrays import Pixels
from fcos_ros.core.labels import Labels, printable

FONTS = ('NotoSansCJK-Regular.ttc', 'NotoSansCJK-Bold.ttc', 'wqy-microhei.ttc', 'wqy-zenhei.ttc',
         'NotoSerifCJK-Regular.ttc', 'NotoSerifCJK-Bold.ttc', 'DejaVuSans.ttf', 'FreeSans.ttf',
         'FreeSerif.ttf')
"""Files of fonts in the packages of Ubuntu; those with most characters first."""

_NO_CHARACTER = '\U0010ffff'
"""A number without a character: fonts draw what they draw for characters that they lack."""

_INVISIBLE = ('Cc', 'Cf', 'Zs')
"""Categories of Unicode: characters that control others, and spaces."""

_CHECKED_HEIGHT = 16
"""Pixels in which different characters look different."""

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


REMEDY = ('install python3-pil and a font that has their characters: fonts-noto-cjk or '
          'fonts-freefont-ttf')


def load_label_font(labels: Labels) -> tuple[PillowFont | None, str]:
    """Return a font if a class name needs one, and a warning if none is found; else ''."""
    other = [name for name in labels.names if not is_drawn_by_opencv(name)]
    font = load_font(other) if other else None
    if not other or font is not None:
        return font, ''
    return None, (f'class names such as {printable(other[0])} are drawn with question marks: '
                  f'{REMEDY}')


def load_font(names: Iterable[str]) -> PillowFont | None:
    """
    Return the first of `FONTS` on the system that has all characters of some names.

    :returns: None without such a font, or without Pillow.
    """
    try:
        from PIL import ImageFont
    except ImportError:
        return None
    characters = {character for name in names for character in name
                  if unicodedata.category(character) not in _INVISIBLE}
    for file in FONTS:
        try:
            font = PillowFont(ImageFont.truetype(file))
        except OSError:
            continue
        missing = font.render(_NO_CHARACTER, _CHECKED_HEIGHT)
        if not any(np.array_equal(font.render(character, _CHECKED_HEIGHT), missing)
                   for character in characters):
            return font
    return None
