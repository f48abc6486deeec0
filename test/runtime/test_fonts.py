# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fonts of the system draw class names that are not ASCII."""

import sys

import numpy as np
import PIL.ImageFont
import pytest

from fcos_ros.runtime.fonts import FONTS, load_font


@pytest.fixture(name='font')
def load():
    """Return a font of this machine; every machine of the tests has one."""
    font = load_font(['Straße', 'кот'])
    assert font is not None, f'install one of {", ".join(FONTS)}'
    return font


def test_characters_of_other_languages_are_drawn(font):
    names = [font.render(name, 12) for name in ('Straße', 'Strasse', 'кот', 'кит')]
    assert all(mask.max() == 255 for mask in names)
    assert not any(first.shape == second.shape and (first == second).all()
                   for number, first in enumerate(names) for second in names[:number])


def test_the_height_of_capitals_is_as_wanted_and_all_lines_are_equally_high(font):
    for height in (8, 12, 40):
        rows = np.flatnonzero(font.render('H', height).max(axis=1) > 128)
        assert abs(len(rows) - height) <= 1 + height // 8
        assert len({len(font.render(line, height)) for line in ('a', 'Äg', '')}) == 1


def test_a_font_that_lacks_a_character_is_not_used():
    assert load_font(['cat', 'кот', 'zero\u200cwidth', 'a b']) is not None
    assert load_font(['cat', '\U00013000']) is None  # a hieroglyph


def test_without_pillow_or_a_font_there_is_none(monkeypatch):
    def no_font(name):
        raise OSError(f'cannot open {name}')
    monkeypatch.setattr(PIL.ImageFont, 'truetype', no_font)
    assert load_font(['кот']) is None
    monkeypatch.setitem(sys.modules, 'PIL', None)
    assert load_font(['кот']) is None
