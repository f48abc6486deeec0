# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texts and enumerations in messages have a maximum length, and names have an order."""

from hypothesis import given, strategies as st
import pytest

from fcos_ros.core.text import enumerate_some, natural_key, shorten


@given(st.text(max_size=30), st.integers(3, 20))
def test_a_text_is_kept_or_ends_in_dots_at_the_limit(text, limit):
    short = shorten(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        assert short == text[:limit - 3] + '...'
        assert len(short) == limit
    assert shorten(short, limit) == short


@pytest.mark.parametrize(('names', 'text'), [
    ([], ''), (['a'], 'a'), (['a', 'b', 'c'], 'a; b; c'),
    (['a', 'b', 'c', 'd', 'e'], 'a; b; c; and 2 more')])
def test_only_the_first_names_are_enumerated(names, text):
    assert enumerate_some(names, '; ') == text


def test_names_are_in_the_order_in_which_people_count():
    names = ['b', '10.jpg', '9.jpg', 'a/10', 'a/9/1', 'a', '']
    assert sorted(names, key=natural_key) == ['', '9.jpg', '10.jpg', 'a', 'a/9/1', 'a/10', 'b']
