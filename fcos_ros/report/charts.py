# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Draw charts as SVG.

A chart has no size in bytes worth naming, no fonts and no script, and follows the colours of the
reader's screen. A plotting library offers none of these and weighs 100 MB with its dependencies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import math

from fcos_ros.report.markup import CHART_STYLE, SERIES_COLOURS, shortened, text

WIDTH, HEIGHT = 680, 340
"""Size of a chart with axes, in pixels."""

LEFT, RIGHT, TOP, BOTTOM = 58, 150, 16, 44
"""Margins of the plot; the key of the series is in the right one."""

KEY_LENGTH = 20
"""Characters of a name in the key."""

MOST_TICKS = 6

CELL = 34
"""Side of a cell of a heat map, in pixels."""

BAR = 22
"""Height of a bar with its gap, in pixels."""


@dataclass(frozen=True)
class Axis:
    """
    One axis of a chart.

    :ivar show: how a value is written at a tick.
    """

    label: str
    low: float
    high: float
    show: Callable[[float], str] = '{:g}'.format

    def ticks(self) -> list[float]:
        """Return round numbers within the axis."""
        step = _round_step((self.high - self.low) / MOST_TICKS)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def part(self, value: float) -> float:
        """Return the place of a value, from 0 to 1."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Series:
    """
    Values with a name.

    :ivar points: x and y of each point of a line.
    :ivar is_main: whether it is drawn in the colour of the text, and wider.
    """

    name: str
    points: Sequence[tuple[float, float]]
    is_main: bool = False


@dataclass(frozen=True)
class Stack:
    """One kind of a stacked bar chart, with its number in each bar."""

    name: str
    counts: Sequence[float]


@dataclass(frozen=True)
class Span:
    """A bar from one value to another, and marks beyond it, such as percentiles."""

    name: str
    start: float
    end: float
    marks: Sequence[tuple[str, float]] = ()


def standalone(chart: str) -> str:
    """Return a chart as the content of an .svg file."""
    return chart.replace('>', f'><style>{CHART_STYLE}</style>', 1) + '\n'


def line_chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Draw lines; there are colours for `SERIES_COLOURS` of them and for the main one."""
    return _svg(WIDTH, HEIGHT, title, [
        *_axes(x, y),
        *(_line(line, x, y, _colour(number)) for number, line in enumerate(series)),
        *_key([(line.name, line.is_main) for line in series])])


def bar_chart(title: str, x: Axis, y_label: str, stacks: Sequence[Stack]) -> str:
    """Draw bars of equal width over the axis; each is the sum of its stacks."""
    totals = [sum(counts) for counts in zip(*(stack.counts for stack in stacks))]
    y = Axis(y_label, 0, max([1.0, *totals]))
    return _svg(WIDTH, HEIGHT, title, [
        *_axes(x, y), *_bars(x, y, stacks), *_key([(stack.name, False) for stack in stacks])])


def span_chart(title: str, x: Axis, spans: Sequence[Span]) -> str:
    """Draw horizontal bars below each other, each with its name."""
    height = TOP + BAR * len(spans) + BOTTOM
    left, right = RIGHT, WIDTH - 24
    parts = [_tick_x(tick, left + x.part(tick) * (right - left), height - BOTTOM, x)
             for tick in x.ticks()]
    for number, span in enumerate(spans):
        middle = TOP + BAR * number + BAR / 2
        start, end = (left + x.part(value) * (right - left) for value in (span.start, span.end))
        facts = ', '.join([f'{span.name}: {x.show(span.end - span.start)}',
                           *(f'{name} {x.show(value)}' for name, value in span.marks)])
        parts += [
            f'<g><title>{text(facts)}</title>',
            _text(left - 8, middle + 4, shortened(span.name, KEY_LENGTH), 'text-anchor="end"'),
            f'<rect class="f0" x="{start:.1f}" y="{middle - 7:.1f}" '
            f'width="{max(1.0, end - start):.1f}" height="14"/>',
            *(_mark(left + x.part(value) * (right - left), middle, _colour(place + 1))
              for place, (_, value) in enumerate(span.marks)), '</g>']
    parts.append(_text((left + right) / 2, height - 6, x.label, 'text-anchor="middle"'))
    return _svg(WIDTH, height, title, parts)


def heat_map(
    title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]],
) -> str:
    """Draw a table of counts; a cell is the darker, the larger its part of the row."""
    left, top = RIGHT, 110
    parts = [_text(left - 8, top + CELL * number + 21, shortened(name, KEY_LENGTH),
                   'text-anchor="end"') for number, name in enumerate(rows)]
    parts += [_text(0, 0, shortened(name, 16), 'transform="translate('
                    f'{left + CELL * number + 21} {top - 8}) rotate(-60)"')
              for number, name in enumerate(columns)]
    for row, values in enumerate(counts):
        total = sum(values)
        for column, count in enumerate(values):
            part = count / total if total else 0.0
            x, y = left + CELL * column, top + CELL * row
            parts.append(
                f'<g><title>{text(f"{rows[row]} as {columns[column]}: {count}, {part:.0%}")}'
                f'</title><rect class="grid" x="{x}" y="{y}" width="{CELL}" height="{CELL}"/>'
                f'<rect class="cell" fill-opacity="{0.75 * part:.2f}" x="{x}" y="{y}" '
                f'width="{CELL}" height="{CELL}"/>'
                + (_text(x + CELL / 2, y + 21, _short_count(count), 'text-anchor="middle"')
                   if count else '') + '</g>')
    return _svg(left + CELL * len(columns) + 60, top + CELL * len(rows) + 12, title, parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
            f'aria-label="{text(title)}" viewBox="0 0 {width:g} {height:g}" width="{width:g}">'
            + '\n'.join(parts) + '</svg>')


def _axes(x: Axis, y: Axis) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for tick in x.ticks():
        yield _tick_x(tick, _x(x, tick), bottom, x)
    for tick in y.ticks():
        place = _y(y, tick)
        yield f'<path class="grid" d="M{LEFT} {place:.1f}H{right}"/>'
        yield _text(LEFT - 6, place + 4, y.show(tick), 'text-anchor="end" class="faint"')
    yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
    yield _text((LEFT + right) / 2, HEIGHT - 6, x.label, 'text-anchor="middle"')
    middle = (TOP + bottom) / 2
    yield _text(0, 0, y.label, f'text-anchor="middle" transform="translate(13 {middle:g}) '
                'rotate(-90)"')


def _tick_x(value: float, place: float, bottom: float, axis: Axis) -> str:
    return (f'<path class="grid" d="M{place:.1f} {TOP}V{bottom:g}"/>'
            + _text(place, bottom + 16, axis.show(value), 'text-anchor="middle" class="faint"'))


def _line(series: Series, x: Axis, y: Axis, colour: int) -> str:
    path = 'L'.join(f'{_x(x, across):.1f} {_y(y, up):.1f}' for across, up in series.points)
    kind = 'all' if series.is_main else f'line s{colour}'
    shape = f'<path class="{kind}" d="M{path}"/>' if path else ''
    return f'<g><title>{text(series.name)}</title>{shape}</g>'


def _bars(x: Axis, y: Axis, stacks: Sequence[Stack]) -> Iterator[str]:
    count = max((len(stack.counts) for stack in stacks), default=0)
    width = (WIDTH - LEFT - RIGHT) / max(1, count)
    for number in range(count):
        base = 0.0
        for place, stack in enumerate(stacks):
            value = stack.counts[number]
            top, bottom = _y(y, base + value), _y(y, base)
            base += value
            if value:
                start = x.low + number * (x.high - x.low) / count
                facts = f'{x.show(start)} {x.label}: {value:g} {stack.name}'
                yield (f'<rect class="f{_colour(place)}" x="{LEFT + number * width:.1f}" '
                       f'y="{top:.1f}" width="{max(0.5, width - 0.6):.1f}" '
                       f'height="{bottom - top:.1f}"><title>{text(facts)}</title></rect>')


def _key(names: Sequence[tuple[str, bool]]) -> Iterator[str]:
    for number, (name, is_main) in enumerate(names):
        y = TOP + 18 * number
        kind = 'all key' if is_main else f'f{_colour(number)}'
        yield (f'<g><title>{text(name)}</title><rect class="{kind}" x="{WIDTH - RIGHT + 14}" '
               f'y="{y}" width="12" height="12"/>'
               + _text(WIDTH - RIGHT + 32, y + 10, shortened(name, KEY_LENGTH - 4), '') + '</g>')


def _mark(x: float, y: float, colour: int) -> str:
    return f'<rect class="f{colour}" x="{x - 1.5:.1f}" y="{y - 9:.1f}" width="3" height="18"/>'


def _text(x: float, y: float, content: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{text(content)}</text>'


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.part(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.part(value) * (HEIGHT - TOP - BOTTOM)


def _colour(number: int) -> int:
    return number % SERIES_COLOURS


def _round_step(least: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def _short_count(count: int) -> str:
    return str(count) if count < 10_000 else f'{count / 1000:.0f}k'
