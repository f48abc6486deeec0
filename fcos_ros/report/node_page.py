# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The web page of the work of a node.

A private page leaves out pictures, paths, names of hosts, nodes, topics and cameras, and all texts
that may hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np

from fcos_ros.core.resize import Size
from fcos_ros.report.charts import Axis, Series, Span, Stack, bar_chart, line_chart, span_chart
from fcos_ros.report.history import WHOLE, FrameRecord, NodeHistory
from fcos_ros.report.page import Section, chart, figure, grid, page, paragraph, table
from fcos_ros.report.picture import RIGHT, Mark, picture
from fcos_ros.runtime.statistics import Percentiles
from fcos_ros.settings.schema import Settings

LATENCY_BINS = 40
"""Bars of the histogram of latencies."""

HIDDEN = '(left out)'
"""Stands for a private text."""

MILLISECONDS = 1000.0

PUBLIC_FACTS = frozenset({'backend', 'input', 'board', 'workers', 'state'})
"""Facts that are no names or paths; so are those that begin with `VERSION`."""

VERSION = 'version of '


def node_page(history: NodeHistory, is_private: bool = False) -> str:
    """
    Return the page.

    :param is_private: whether personal data are left out.
    """
    counts = history.counts()
    summary = (f'{sum(counts.values())} frames in {history.seconds:.0f} s: '
               + ', '.join(f'{count} {fate}' for fate, count in counts.items()))
    cameras = _Names('camera', is_private)
    return page('Report of a detector', summary, [
        Section('Source', list(_source(history, is_private))),
        Section('Problems', list(_problems(history, is_private))),
        Section('Frames by fate', list(_fates(history, is_private))),
        Section('Latency', list(_latency(history, cameras))),
        Section('Detections by class', list(_classes(history))),
        Section('Settings', list(_settings(history.settings, cameras, is_private))),
        Section('Worst frames', [] if is_private else list(_worst(history.worst)))])


class _Names:
    """Names that are shown, or numbered on a private page."""

    def __init__(self, kind: str, is_private: bool) -> None:
        self._kind, self._is_private = kind, is_private
        self._known: dict[str, str] = {}

    def show(self, name: str) -> str:
        """Return the name to show."""
        if not self._is_private:
            return name or self._kind
        return self._known.setdefault(name, f'{self._kind} {len(self._known) + 1}')


def _source(history: NodeHistory, is_private: bool) -> Iterator[str]:
    rows = [('', '')]
    if not is_private:
        rows.append(('source', history.source))
        first = min((moment for moment, _, _ in history.fates()), default=0.0)
        rows.append(('begin', datetime.fromtimestamp(first, timezone.utc)
                     .strftime('%Y-%m-%d %H:%M:%S UTC')))
    rows += [(name, value) for name, value in history.facts.items() if value and (
        not is_private or name in PUBLIC_FACTS or name.startswith(VERSION))]
    yield table(rows, 'facts')
    if is_private:
        yield paragraph('Pictures, names and paths were left out.', 'faint')
        return
    yield from (paragraph(remark, 'bad') for remark in history.remarks)


def _problems(history: NodeHistory, is_private: bool) -> Iterator[str]:
    problems = history.problems()
    if problems:
        yield table([('level', 'part', 'problem', 'reports'), *(
            (problem.level.name.lower(), *((HIDDEN, HIDDEN) if is_private else
                                           (problem.part, problem.message)), count)
            for problem, count in problems)], 'facts')


def _fates(history: NodeHistory, is_private: bool) -> Iterator[str]:
    width, counts = history.fates_over_time()
    bins = len(next(iter(counts.values())))
    yield chart(bar_chart('frames by fate over time', Axis('s', 0, width * bins),
                          f'frames in {width:.3g} s',
                          [Stack(fate, numbers) for fate, numbers in counts.items()]))
    failures = history.failures()
    if failures:
        yield table([('failed', 'frames', 'example'), *(
            (kind, count, HIDDEN if is_private else text) for kind, text, count in failures)],
            'facts')


def _latency(history: NodeHistory, cameras: _Names) -> Iterator[str]:
    for camera, stages in history.stages().items():
        name = cameras.show(camera)
        yield paragraph(name)
        yield chart(stages_chart(name, stages))
        yield paragraph('A bar is the median; the marks are p95 and p99.', 'faint')
        yield table([('ms', 'p50', 'p95', 'p99'), *(
            (stage, *(f'{value * MILLISECONDS:.2f}' for value in (spread.p50, spread.p95,
                                                                  spread.p99)))
            for stage, spread in stages.items())])
    latencies = np.array(history.latencies()) * MILLISECONDS
    if len(latencies):
        low, high = float(latencies.min()), float(np.percentile(latencies, 99.5))
        high = max(high, low + 1e-3)
        numbers, _ = np.histogram(np.minimum(latencies, high), LATENCY_BINS, (low, high))
        yield chart(bar_chart('histogram of latencies', Axis('ms', low, high, '{:.4g}'.format),
                              'frames', [Stack('frames', numbers.tolist())]))
    lines = [Series(f'{cameras.show(name)} {label}', points)
             for name, by_label in _ages(history).items() for label, points in by_label.items()]
    if lines:
        points = [point for line in lines for point in line.points]
        yield chart(line_chart(
            'age of the published detections over time',
            Axis('s', 0, max(1.0, *(across for across, _ in points))),
            Axis('age in ms', 0, max(1.0, *(up for _, up in points))), lines))


def stages_chart(name: str, stages: Mapping[str, Percentiles]) -> str:
    """
    Draw the stages of a frame below each other.

    :param name: of the camera or the detector.
    :param stages: as in a report of a detector.
    """
    spans = list(_spans(stages))
    end = max(1e-3, *(value for span in spans for _, value in span.marks))
    return span_chart(f'stages of {name}', Axis('ms', 0, end, '{:.4g}'.format), spans)


def _spans(stages: Mapping[str, Percentiles]) -> Iterator[Span]:
    """Yield each stage, beginning at the end of the one before; whole times begin at 0."""
    begin = 0.0
    for stage, spread in stages.items():
        start = 0.0 if stage in WHOLE else begin
        end = start + spread.p50 * MILLISECONDS
        yield Span(stage, start, end, [('p95', start + spread.p95 * MILLISECONDS),
                                       ('p99', start + spread.p99 * MILLISECONDS)])
        begin = begin if stage in WHOLE else end


def _ages(history: NodeHistory) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the ages in ms over the seconds of the reports, by camera and percentile."""
    ages: dict[str, dict[str, list[tuple[float, float]]]] = {}
    start = history.reports[0].stamp if history.reports else 0.0
    for report in history.reports:
        for camera in report.cameras:
            if 'age' in camera.stages:
                own = ages.setdefault(f'{report.name} {camera.name}'.strip(),
                                      {'p50': [], 'p95': []})
                for label, points in own.items():
                    value = getattr(camera.stages['age'], label)
                    points.append((report.stamp - start, value * MILLISECONDS))
    return ages


def _classes(history: NodeHistory) -> Iterator[str]:
    counts = history.class_counts()
    if counts:
        yield table([('class', 'detections', 'mean score'), *(
            (name, count, f'{score:.2f}') for name, count, score in counts)])
    frames = sum(frame.detections is not None for frame in history.frames)
    if frames:
        empty = sum(frame.detections is not None and not len(frame.detections)
                    for frame in history.frames)
        yield paragraph(f'{empty} of {frames} frames without detections.', 'faint')


def _settings(
    settings: Mapping[str, Mapping[str, Any]], cameras: _Names, is_private: bool,
) -> Iterator[str]:
    if not settings:
        return
    options = Settings.options()
    names = [name for name in options if any(name in own for own in settings.values())]
    rows = [('parameter', *(cameras.show(camera) for camera in settings), 'default')]
    for name in names:
        option = options[name]
        hides = is_private and isinstance(option.default, (str, tuple)) and not option.choices
        rows.append((name, *(_shown(own.get(name), hides) for own in settings.values()),
                     str(option.yaml_default)))
    yield table(rows, 'facts')


def _shown(value: Any, hides: bool) -> str:
    if hides and value not in ('', ('',), ['']):
        return HIDDEN
    return str(list(value) if isinstance(value, tuple) else value)


def _worst(frames: Sequence[tuple[str, FrameRecord]]) -> Iterator[str]:
    shown = [figure(_caption(reason, frame), [('', _picture(frame))] if frame.image else [])
             for reason, frame in frames]
    if shown:
        yield grid(shown)


def _caption(reason: str, frame: FrameRecord) -> str:
    latency = frame.latency
    parts = [reason, frame.camera, f'stamp {frame.stamp / 1e9:.3f}', frame.fate,
             frame.reason, f'{latency * MILLISECONDS:.1f} ms' if latency is not None else '']
    return ', '.join(part for part in parts if part)


def _picture(frame: FrameRecord) -> str:
    found = frame.detections
    marks = [] if found is None else [
        Mark(box, f'{name} {score:.2f}', RIGHT)
        for box, name, score in zip(found.boxes, frame.classes, found.scores.tolist())]
    return picture(frame.image, frame.size or Size(640, 480), marks)
