# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts are well-formed SVG, show their values in place, and escape all names."""

from hypothesis import given, strategies as st
import pytest
from report.web_page import HOSTILE, parse_svg

from fcos_ros.report import charts
from fcos_ros.report.charts import Axis, Series, Span, Stack

SVG = '{http://www.w3.org/2000/svg}'
X, Y = Axis('seconds', 0, 10), Axis('frames', 0, 1)
NAMES = st.text(max_size=30) | st.just(HOSTILE)
VALUES = st.floats(0, 10)

CHARTS = {
    'lines': lambda name: charts.line_chart(name, Axis(name, 0, 10), Y, [
        Series(name, [(0, 0), (10, 1)]), Series(name, [], is_main=True)]),
    'bars': lambda name: charts.bar_chart(name, Axis(name, 0, 10), name, [Stack(name, [1, 0, 2])]),
    'spans': lambda name: charts.span_chart(name, Axis(name, 0, 10), [
        Span(name, 1, 2, [(name, 3)])]),
    'heat map': lambda name: charts.heat_map(name, [name], [name, name], [[1, 0]]),
}


@pytest.mark.parametrize('kind', CHARTS)
@given(name=NAMES)
def test_any_name_is_shown_as_text(kind, name):
    root = parse_svg(CHARTS[kind](name))
    assert {element.tag for element in root.iter()} <= {
        SVG + tag for tag in ('svg', 'g', 'path', 'rect', 'text', 'title')}
    parse_svg(charts.standalone(CHARTS[kind](name)))


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e6))
def test_ticks_are_few_numbers_on_the_axis(low, length):
    ticks = Axis('', low, low + length).ticks()
    assert 1 <= len(ticks) <= charts.MOST_TICKS + 1
    assert all(low - 1e-3 * length <= tick <= low + length * (1 + 1e-3) for tick in ticks)


def test_a_line_goes_from_corner_to_corner():
    path = parse_svg(charts.line_chart('', X, Y, [Series('line', [(0, 0), (10, 1)])])).findall(
        f'.//{SVG}path[@class="line s0"]')[0].get('d')
    left, right = charts.LEFT, charts.WIDTH - charts.RIGHT
    bottom = charts.HEIGHT - charts.BOTTOM
    assert path == f'M{left:.1f} {bottom:.1f}L{right:.1f} {charts.TOP:.1f}'


@given(st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=4))
def test_stacked_bars_have_heights_in_proportion(counts):
    root = parse_svg(charts.bar_chart('', X, '', [
        Stack(str(number), own) for number, own in enumerate(counts)]))
    height = sum(float(bar.get('height')) for bar in root.iter(f'{SVG}rect') if len(bar))
    highest = max(1, *(sum(column) for column in zip(*counts)))
    full = charts.HEIGHT - charts.TOP - charts.BOTTOM
    assert height == pytest.approx(full * sum(map(sum, counts)) / highest, abs=1)


def test_a_heat_map_names_each_count():
    root = parse_svg(charts.heat_map('', ['cube', 'ball'], ['cube', 'missed'], [[3, 1], [0, 0]]))
    titles = [title.text for title in root.iter(f'{SVG}title')]
    assert titles == ['cube as cube: 3, 75%', 'cube as missed: 1, 25%', 'ball as cube: 0, 0%',
                      'ball as missed: 0, 0%']
