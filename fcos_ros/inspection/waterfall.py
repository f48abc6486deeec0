# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Draw the state of detectors as lines of text, for a terminal of any width.

Each stage of a camera has a bar that begins where the stage before it ends, on one scale of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import textwrap
from typing import NamedTuple
import unicodedata

from fcos_ros.core.labels import printable
from fcos_ros.runtime.node_status import CameraStatus, Level, NodeStatus, ProcessStatus
from fcos_ros.runtime.statistics import FATES, FrameCounts, Percentiles

STALE = 3.0
"""Seconds without a report from which on a node counts as silent; it reports once a second."""

MIN_BAR = 12
"""Columns that a bar needs to say more than the numbers."""

WHOLE = ('total', 'age')
"""Stages that contain others. They come last, and their bars begin at the left."""

LEVEL_COLOURS = {Level.OK: '', Level.WARNING: '33', Level.ERROR: '31', Level.STALE: '31'}
"""Codes of yellow and red for the terminal."""

BOLD, DIM = '1', '2'

TIED = '\N{NO-BREAK SPACE}'
"""A space at which no line is wrapped."""


class Marks(NamedTuple):
    """The characters of a bar: up to the median, to the 95th and to the 99th percentile."""

    p50: str
    p95: str
    p99: str
    separator: str
    degree: str


UNICODE = Marks('█', '▒', '·', '·', '°C')
ASCII = Marks('#', '=', '-', '|', 'C')


@dataclass(frozen=True)
class Style:
    """
    The abilities of a terminal.

    :ivar width: in columns.
    :ivar colour: whether it shows colours.
    :ivar marks: the characters that it can show.
    """

    width: int = 80
    colour: bool = False
    marks: Marks = ASCII


class Line(NamedTuple):
    """A line and the code of its colour; empty for the usual one."""

    text: str
    colour: str = ''


def draw(nodes: Iterable[tuple[NodeStatus, float]], style: Style) -> list[str]:
    """
    Return the lines for some nodes.

    :param nodes: each status, and the seconds since it arrived.
    """
    return [fit(line, style) for status, age in nodes for line in _node(status, age, style)]


def fit(line: Line, style: Style) -> str:
    """Cut a line to the width of the terminal, and colour it."""
    text = cut(printable(line.text), style.width)
    return f'\x1b[{line.colour}m{text}\x1b[0m' if style.colour and line.colour and text else text


def cut(text: str, width: int) -> str:
    """Return the start of a text that is at most some columns wide."""
    columns = 0
    for index, character in enumerate(text):
        columns += _columns(character)
        if columns > width:
            return text[:index]
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in 'WF' else 1


def _node(status: NodeStatus, age: float, style: Style) -> Iterator[Line]:
    silent = f', no report for {age:.0f} s' if age > STALE else ''
    process = status.process
    yield Line(f'{status.name}  {process.state} {duration(process.uptime)}{silent}',
               LEVEL_COLOURS[Level.ERROR] if silent else BOLD)
    for text in _facts(status, style.marks):
        yield from _wrapped(text, '  ', style)
    for camera in status.cameras:
        yield from _camera(camera, style)
    for problem in status.problems:
        yield from _wrapped(f'{problem.level.name.lower()}: {problem.part}: {problem.message}',
                            '  ', style, LEVEL_COLOURS[problem.level])
    yield Line('')


def _facts(status: NodeStatus, marks: Marks) -> Iterator[str]:
    model, process = status.model, status.process
    loaded = f'{model.name} {model.input}, {model.backend}' if model.path else 'no model'
    yield f'{loaded}, workers {process.working} of {process.workers}'
    yield ', '.join(_process(process, marks))


def _process(process: ProcessStatus, marks: Marks) -> Iterator[str]:
    yield f'memory {process.memory / 1e6:.0f} MB'
    if process.cpu is not None:
        yield f'CPU {process.cpu:.2f} cores'
    if process.bpu_load is not None:
        yield f'BPU {process.bpu_load:.0f} %'
    if process.temperature is not None:
        yield f'{process.temperature:.0f} {marks.degree}'
    yield ' '.join(filter(None, (process.board, process.host)))


def _camera(camera: CameraStatus, style: Style) -> Iterator[Line]:
    source = ' '.join(filter(None, (
        camera.topic, camera.type_name.rpartition('/')[2], camera.reliability)))
    yield Line('')
    yield from _wrapped(f'{f"{camera.name}: " if camera.name else ""}{source}', '  ', style, BOLD)
    yield from _wrapped(
        f'images {_rate(camera.image_rate)}, detections {_rate(camera.detection_rate)}'
        f'{_age(camera.stages)}', '    ', style)
    # The parts of a line stay together when it is wrapped.
    yield from _wrapped(', '.join(fate.replace(' ', TIED) for fate in fates(camera.counts)),
                        '    ', style,
                        '' if camera.counts.failed == 0 else LEVEL_COLOURS[Level.WARNING])
    yield from _stages(camera.stages, style)


def fates(counts: FrameCounts) -> Iterator[str]:
    """Yield the number of frames of each fate, with the share of all frames and the reasons."""
    total = max(counts.received, 1)
    for fate in FATES:
        count = getattr(counts, fate)
        yield f'{fate} {count} ({count / total:.1%})'
    for kind, count in counts.errors.items():
        yield f'failed by {kind} {count}'
    yield f'in work {counts.in_flight}'
    yield f'missed {counts.missed}'


def _rate(rate: float | None) -> str:
    return 'unknown' if rate is None else f'{rate:.1f}/s'


def _age(stages: Mapping[str, Percentiles]) -> str:
    age = stages.get('age')
    return f', age {milliseconds(age.p50)} ms' if age else ''


def _stages(stages: Mapping[str, Percentiles], style: Style) -> Iterator[Line]:
    if not stages:
        return
    order = sorted(stages, key=lambda stage: WHOLE.index(stage) if stage in WHOLE else -1)
    width = max(map(len, order))
    bar_width = style.width - width - 3 * 9 - 6
    scale = max(_end(stages, order), 1e-9)
    head = f'    {"ms":<{width}}{"p50":>9}{"p95":>9}{"p99":>9}'
    yield Line(head, DIM)
    begin = 0.0
    for stage in order:
        spread = stages[stage]
        numbers = ''.join(f'{milliseconds(value):>9}' for value in (
            spread.p50, spread.p95, spread.p99))
        start = 0.0 if stage in WHOLE else begin
        picture = (f'  {bar(start, spread, scale, bar_width, style.marks)}'
                   if bar_width >= MIN_BAR else '')
        yield Line(f'    {stage:<{width}}{numbers}{picture}')
        begin = start + spread.p50 if stage not in WHOLE else begin


def _end(stages: Mapping[str, Percentiles], order: Sequence[str]) -> float:
    """Return the latest end of all bars, in seconds."""
    begin, last = 0.0, 0.0
    for stage in order:
        start = 0.0 if stage in WHOLE else begin
        last = max(last, start + stages[stage].p99)
        begin += 0.0 if stage in WHOLE else stages[stage].p50
    return last


def bar(start: float, spread: Percentiles, scale: float, width: int, marks: Marks) -> str:
    """
    Return the bar of a stage.

    :param start: the time at which it begins.
    :param scale: the time at the right end, in the same unit.
    :param width: of the whole scale, in columns.
    """
    ends = [round((start + value) / scale * width) for value in (
        0.0, spread.p50, spread.p95, spread.p99)]
    # A stage that takes no visible time is still shown.
    ends[1] = max(ends[1], min(ends[0] + 1, width))
    text = ' ' * min(ends[0], width - 1)
    for mark, end in zip(marks, ends[1:]):
        text += mark * max(0, min(end, width) - len(text))
    return text


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds with three significant digits."""
    value = 1000 * seconds
    return f'{value:.0f}' if value >= 100 else f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def duration(seconds: float) -> str:
    """Return a duration such as `12 s`, `3 min 05 s`, `2 h 07 min` or `3 d 04 h`."""
    whole = int(seconds)
    for unit, name, part, smaller in ((86400, 'd', 3600, 'h'), (3600, 'h', 60, 'min'),
                                      (60, 'min', 1, 's')):
        if whole >= unit:
            return f'{whole // unit} {name} {whole % unit // part:02} {smaller}'
    return f'{whole} s'


def _wrapped(text: str, indent: str, style: Style, colour: str = '') -> Iterator[Line]:
    width = max(style.width, len(indent) + 10)
    for line in textwrap.wrap(printable(text), width, initial_indent=indent,
                              subsequent_indent=f'{indent}  '):
        yield Line(line.replace(TIED, ' '), colour)
