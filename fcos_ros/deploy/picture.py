# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Draw a network by stages, as SVG or as a web page with all layers.

Columns follow the data, rows the size of the features. The bar of a stage is its share of the
time, or of the operations if the network was not compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from fcos_ros.core.resize import Size
from fcos_ros.deploy.network_layers import Layer, LayerTime, NetworkLayers
from fcos_ros.deploy.stages import Stage, group

BOX = Size(228, 120)
"""Size of the box of a stage, in pixels."""

GAP = Size(44, 30)
MARGIN = 20
TITLE_HEIGHT = 56

LONGEST_LINE = 38
"""Characters in a line of a box."""

MOST_OPERATORS = 3
"""Operators that a box names; the others are counted."""

INK, PAPER, FRAME, BAR = '#1c2733', '#f5f8fb', '#8aa0b4', '#d9822b'


@dataclass(frozen=True)
class Drawing:
    """
    A network with its stages.

    :ivar stages: each after its sources.
    """

    network: NetworkLayers
    stages: tuple[Stage, ...]

    @classmethod
    def of(cls, network: NetworkLayers) -> Drawing:
        """Group the layers of a network."""
        return cls(network, group(network))

    @property
    def is_timed(self) -> bool:
        """Whether the compiler's times are known."""
        return self.network.estimate is not None

    @property
    def has_constants(self) -> bool:
        """Whether the sizes of the constants are known, as in an ONNX file."""
        return self.network.has_sources


class Place(NamedTuple):
    """The top-left corner of the box of a stage, in pixels."""

    x: int
    y: int


def to_svg(network: NetworkLayers) -> str:
    """Return a picture of the stages."""
    drawing = Drawing.of(network)
    places = _places(drawing.stages)
    width = max(place.x for place in places) + BOX.width + MARGIN
    height = max(place.y for place in places) + BOX.height + MARGIN
    shares = _shares(drawing)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="{INK}">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{FRAME}"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _line(MARGIN, 26, _text(network.name), 'font-size="16" font-weight="bold"'),
        _line(MARGIN, 44, _text(', '.join(_facts(drawing)))),
        *(_arrow(places[source], places[number])
          for number, stage in enumerate(drawing.stages) for source in stage.sources),
        *(_box(number, stage, place, share, drawing) for number, (stage, place, share)
          in enumerate(zip(drawing.stages, places, shares))),
        '</svg>']
    return '\n'.join(parts) + '\n'


def to_html(network: NetworkLayers) -> str:
    """Return a web page with the picture, and with a table of the layers for each stage."""
    drawing = Drawing.of(network)
    sections = [_section(number, stage, drawing) for number, stage in enumerate(drawing.stages)]
    name = _text(network.name)
    return '\n'.join([
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
        f'<style>{_STYLE}</style></head><body>',
        f'<div class="picture">{to_svg(network)}</div>',
        '<p>Bytes of outputs and constants are those of the file. Constants that several layers '
        'share count for the first one.'
        + (' Times are the estimate of the compiler. Layers run side by side, so the sum of their '
           'times is more than the latency.' if drawing.is_timed else '') + '</p>',
        *sections, '</body></html>']) + '\n'


FORMATS: Mapping[str, Callable[[NetworkLayers], str]] = {'.svg': to_svg, '.html': to_html}
"""The formats of a picture by the suffix of its file."""


def _places(stages: Sequence[Stage]) -> list[Place]:
    """Place each stage in the row of its size, at its column or at the next free one."""
    sizes = {stage.resolution for stage in stages}
    ordered = sorted(sizes, key=lambda size: -size.width * size.height if size else 1)
    rows = {size: row for row, size in enumerate(ordered)}
    taken: set[tuple[int, int]] = set()
    places = []
    for stage in stages:
        row, column = rows[stage.resolution], stage.column
        while (column, row) in taken:
            column += 1
        taken.add((column, row))
        places.append(Place(MARGIN + column * (BOX.width + GAP.width),
                            TITLE_HEIGHT + row * (BOX.height + GAP.height)))
    return places


def _shares(drawing: Drawing) -> list[float]:
    costs = [_cost(stage, drawing.is_timed) for stage in drawing.stages]
    total = sum(costs)
    return [cost / total if total else 0.0 for cost in costs]


def _cost(stage: Stage, is_timed: bool) -> float:
    if not is_timed:
        return stage.macs
    time = stage.time
    return time.compute + time.memory if time else 0.0


def _facts(drawing: Drawing) -> Iterator[str]:
    network, stages = drawing.network, drawing.stages
    if network.canvas:
        yield f'input {network.canvas}'
    yield f'{len(network.layers)} layers in {len(stages)} stages'
    yield f'{_count(sum(stage.macs for stage in stages))} MAC'
    if drawing.has_constants:
        yield f'constants {_bytes(sum(stage.weight_bytes for stage in stages))}'
    yield f'outputs of all layers {_bytes(sum(stage.output_bytes for stage in stages))}'
    estimate = network.estimate
    if estimate:
        yield (f'estimate of the compiler for {estimate.march}: {estimate.latency:.0f} µs, '
               f'{_bytes(estimate.memory_bytes)} to and from the memory')


def _box(number: int, stage: Stage, place: Place, share: float, drawing: Drawing) -> str:
    x, y = place
    bar = round(share * BOX.width, 1)
    lines = list(_box_lines(stage, share, drawing))
    title = f'{number + 1}. {stage.resolution or "several sizes"}{_stride(stage, drawing)}'
    return '\n'.join([
        f'<g><title>{_text(_tooltip(stage))}</title>',
        f'<rect x="{x}" y="{y}" width="{BOX.width}" height="{BOX.height}" rx="5" fill="{PAPER}" '
        f'stroke="{FRAME}"/>',
        f'<rect x="{x}" y="{y + BOX.height - 6}" width="{bar}" height="6" fill="{BAR}"/>',
        _line(x + 8, y + 17, _text(title), 'font-weight="bold" font-size="12"'),
        *(_line(x + 8, y + 33 + 14 * row, _text(_shortened(text)))
          for row, text in enumerate(lines)),
        '</g>'])


def _box_lines(stage: Stage, share: float, drawing: Drawing) -> Iterator[str]:
    yield stage.name or _layers(stage)
    yield _operators(stage)
    first, *others = stage.shapes
    yield _shape(first) + (f' and {len(others)} more' if others else '')
    percent = f' ({share:.0%})'
    yield f'{_count(stage.macs)} MAC' + ('' if drawing.is_timed else percent)
    constants = f'constants {_bytes(stage.weight_bytes)}, ' if drawing.has_constants else ''
    yield f'{constants}outputs {_bytes(stage.output_bytes)}'
    if drawing.is_timed:
        yield f'{_times(stage.time)}{percent}'


def _layers(stage: Stage) -> str:
    return '1 layer' if len(stage.layers) == 1 else f'{len(stage.layers)} layers'


def _operators(stage: Stage) -> str:
    found = stage.operators.most_common()
    shown = [f'{count} {operator}' for operator, count in found[:MOST_OPERATORS]]
    others = sum(count for _, count in found[MOST_OPERATORS:])
    return ', '.join([*shown, *([f'{others} others'] if others else [])])


def _tooltip(stage: Stage) -> str:
    facts = [f'{_layers(stage)}: ' + ', '.join(
        f'{count} {operator}' for operator, count in stage.operators.most_common()),
        'passes on: ' + ', '.join(map(_shape, stage.shapes)),
        f'{stage.macs:,} multiply-accumulate operations',
        f'outputs of all layers {_bytes(stage.output_bytes)}']
    return '\n'.join(facts)


def _stride(stage: Stage, drawing: Drawing) -> str:
    canvas = drawing.network.canvas
    if canvas is None or stage.resolution is None:
        return ''
    return f', stride {round(canvas.width / stage.resolution.width, 1):g}'


def _arrow(source: Place, target: Place) -> str:
    start_x, start_y = source.x + BOX.width, source.y + BOX.height // 2
    end_x, end_y = target.x, target.y + BOX.height // 2
    bend = max(GAP.width, abs(end_x - start_x) // 2)
    return (f'<path d="M{start_x} {start_y}C{start_x + bend} {start_y} {end_x - bend} {end_y} '
            f'{end_x} {end_y}" fill="none" stroke="{FRAME}" marker-end="url(#arrow)"/>')


def _line(x: int, y: int, text: str, style: str = '') -> str:
    return f'<text x="{x}" y="{y}" {style}>{text}</text>'


_STYLE = ('body{font:14px sans-serif;color:' + INK + ';margin:16px}.picture{overflow-x:auto}'
          'table{border-collapse:collapse;margin:8px 0 16px}td,th{padding:2px 10px;'
          'border-bottom:1px solid #dde4ea;text-align:left}td+td+td{text-align:right}'
          'summary{cursor:pointer;padding:4px 0}')


def _section(number: int, stage: Stage, drawing: Drawing) -> str:
    head = ['layer', 'operator', 'shape', 'MAC', 'constants', 'outputs']
    if drawing.is_timed:
        head += ['computing', 'load and store']
    rows = [_row('th', head), *(_row('td', _cells(layer, drawing)) for layer in stage.layers)]
    title = (f'{number + 1}. {stage.resolution or "several sizes"} {stage.name}: '
             f'{_operators(stage)}; {_count(stage.macs)} MAC')
    if drawing.is_timed:
        title += f'; {_times(stage.time)}'
    return f'<details><summary>{_text(title)}</summary><table>{"".join(rows)}</table></details>'


def _cells(layer: Layer, drawing: Drawing) -> list[str]:
    cells = [layer.name, layer.operator, _shape(layer.shape), _count(layer.macs),
             _bytes(layer.weight_bytes), _bytes(layer.output_bytes)]
    if drawing.is_timed:
        time = layer.time
        cells += [f'{time.compute:g} µs', f'{time.memory:g} µs'] if time else ['', '']
    return cells


def _row(tag: str, cells: Sequence[str]) -> str:
    return f'<tr>{"".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells)}</tr>'


def _times(time: LayerTime | None) -> str:
    return f'{time.compute:.0f} + {time.memory:.0f} µs' if time else 'no time'


def _shape(shape: Sequence[int | None]) -> str:
    return ' x '.join('?' if side is None else str(side) for side in shape) or '?'


def _count(number: float) -> str:
    """Write a number with three digits and a decimal prefix."""
    for prefix in ('', ' k', ' M', ' G'):
        if number < 1000:
            return f'{_three_digits(number)}{prefix}'
        number /= 1000
    return f'{_three_digits(number)} T'


def _bytes(count: float) -> str:
    for unit in ('B', 'KiB', 'MiB'):
        if count < 1024:
            return f'{_three_digits(count)} {unit}'
        count /= 1024
    return f'{_three_digits(count)} GiB'


def _three_digits(number: float) -> str:
    return f'{number:.0f}' if number >= 100 else f'{number:.3g}'


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f'{text[:LONGEST_LINE - 1]}…'


def _text(text: str) -> str:
    """Return a text for XML, in which control characters are not allowed."""
    return escape(''.join(sign if sign.isprintable() or sign == '\n' else '?' for sign in text))
