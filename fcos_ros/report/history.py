# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The work of a node over some time, from a recording, a bag or the live node, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.core.resize import Size
from fcos_ros.runtime.node_status import Level, NodeStatus, Problem
from fcos_ros.runtime.statistics import FAILED, FATES, PUBLISHED, Percentiles

WHOLE = ('total', 'age')
"""Times that contain those of other stages."""

MOST_BINS = 60
"""Bars of a chart over time."""


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """
    One frame of a node.

    :ivar camera: its name; '' for the only one.
    :ivar time: when it arrived or was published, in seconds.
    :ivar stamp: of its header, in nanoseconds.
    :ivar fate: one of `FATES`.
    :ivar error: kind of the failure; `reason` is its text.
    :ivar times: seconds by stage, as far as they are known.
    :ivar detections: None unless they were published; `classes` has the name of each.
    :ivar size: of the image; None if it is unknown.
    :ivar image: a small JPEG file; empty if there is none.
    """

    camera: str
    time: float
    stamp: int
    fate: str
    error: str = ''
    reason: str = ''
    times: Mapping[str, float] = field(default_factory=dict)
    detections: Detections | None = None
    classes: tuple[str, ...] = ()
    size: Size | None = None
    image: bytes = b''

    @property
    def latency(self) -> float | None:
        """Seconds from the stamp to the publication, else from the arrival; None if unknown."""
        return next((self.times[name] for name in ('age', 'total') if name in self.times), None)

    @property
    def lowest_score(self) -> float | None:
        """The score of the most doubtful detection; None if there is none."""
        if self.detections is None or not len(self.detections):
            return None
        return float(self.detections.scores.min())


@dataclass(frozen=True, eq=False)
class NodeHistory:
    """
    The work of nodes over some time.

    :ivar source: a file, or the way in which it was observed.
    :ivar frames: in order of time.
    :ivar reports: the diagnostics of the nodes, in order of time.
    :ivar facts: about model, versions and machine, by name.
    :ivar settings: the parameters of each camera that are known, by name of the camera.
    :ivar remarks: about the source, such as a part that cannot be read.
    :ivar worst: frames to look at, each with the reason; see `worst_frames`.
    """

    source: str
    frames: Sequence[FrameRecord] = ()
    reports: Sequence[NodeStatus] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    worst: Sequence[tuple[str, FrameRecord]] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was observed."""
        return not self.frames and not self.reports

    @property
    def seconds(self) -> float:
        """The time from the first to the last observation."""
        times = [moment for moment, _, _ in self.fates()]
        return max(times) - min(times) if times else 0.0

    def counts(self) -> dict[str, int]:
        """Return the number of frames of each fate."""
        counts = dict.fromkeys(FATES, 0)
        for _, fate, count in self.fates():
            counts[fate] += count
        return counts

    def fates(self) -> Iterator[tuple[float, str, int]]:
        """
        Yield time, fate and number of frames.

        A recording has the fate of every frame. Elsewhere, two reports count them, and without
        reports there are published frames only.
        """
        if any(frame.fate != PUBLISHED for frame in self.frames) or len(self.reports) < 2:
            yield from ((frame.time, frame.fate, 1) for frame in self.frames)
            return
        last: dict[tuple[str, int, str], Mapping[str, int]] = {}
        for report in self.reports:
            for camera in report.cameras:
                key = report.name, report.process.pid, camera.name
                counts = {fate: getattr(camera.counts, fate) for fate in FATES}
                before = last.get(key, counts)
                last[key] = counts
                yield from ((report.stamp, fate, max(0, counts[fate] - before[fate]))
                            for fate in FATES)

    def fates_over_time(self) -> tuple[float, dict[str, list[int]]]:
        """Return the seconds of a bin, and the number of frames in each bin by fate."""
        events = list(self.fates())
        start = min((moment for moment, _, _ in events), default=0.0)
        bins = max(1, min(MOST_BINS, int(self.seconds)))
        width = max(self.seconds / bins, 1e-9)
        counts = {fate: [0] * bins for fate in FATES}
        for moment, fate, count in events:
            counts[fate][min(bins - 1, int((moment - start) / width))] += count
        return width, counts

    def stages(self) -> dict[str, dict[str, Percentiles]]:
        """Return the percentiles of each stage in seconds, by camera, in the order of the work."""
        samples: dict[str, dict[str, list[float]]] = {}
        for frame in self.frames:
            for stage, seconds in frame.times.items():
                samples.setdefault(frame.camera, {}).setdefault(stage, []).append(seconds)
        if any(len(stages) > 1 for stages in samples.values()):
            return {camera: _in_order({
                stage: Percentiles(*np.percentile(values, (50, 95, 99)).tolist())
                for stage, values in stages.items()}) for camera, stages in samples.items()}
        # Each report has the percentiles of some seconds; the last one is of the end.
        return {_joined(report.name, camera.name): _in_order(camera.stages)
                for report in self.reports for camera in report.cameras if camera.stages}

    def latencies(self) -> list[float]:
        """Return the known latencies of the frames, in seconds."""
        known = (frame.latency for frame in self.frames)
        return [latency for latency in known if latency is not None]

    def class_counts(self) -> list[tuple[str, int, float]]:
        """Return name, number of detections and mean score of each class, the most first."""
        scores: dict[str, list[float]] = {}
        for frame in self.frames:
            if frame.detections is not None:
                for name, score in zip(frame.classes, frame.detections.scores.tolist()):
                    scores.setdefault(name, []).append(score)
        return sorted(((name, len(own), float(np.mean(own))) for name, own in scores.items()),
                      key=lambda entry: -entry[1])

    def failures(self) -> list[tuple[str, str, int]]:
        """Return kind, an example of the text, and number of the failures, the most first."""
        counts: Counter[str] = Counter()
        texts: dict[str, str] = {}
        for frame in self.frames:
            if frame.fate == FAILED:
                counts[frame.error] += 1
                texts[frame.error] = frame.reason
        if not counts and self.reports:
            for camera in self.reports[-1].cameras:
                counts.update(camera.counts.errors)
                texts.update(dict.fromkeys(camera.counts.errors, camera.counts.last_error))
        return [(kind, texts[kind], count) for kind, count in counts.most_common()]

    def problems(self) -> list[tuple[Problem, int]]:
        """
        Return the different problems of all reports, each with the number of its reports.

        The newest one of each kind is returned; see `Problem.kind`.
        """
        counts: Counter[tuple[Level, tuple[str, str]]] = Counter()
        newest: dict[tuple[Level, tuple[str, str]], Problem] = {}
        for problem in (problem for report in self.reports for problem in report.problems):
            key = problem.level, problem.kind
            counts[key] += 1
            newest[key] = problem
        return sorted(((newest[key], count) for key, count in counts.items()),
                      key=lambda entry: (-entry[0].level, -entry[1]))


def worst_frames(frames: Iterable[FrameRecord], count: int) -> list[tuple[str, FrameRecord]]:
    """
    Return frames to look at, each with the reason: failed, slow and doubtful ones in turn.

    A doubtful frame has detections of low scores.
    """
    known = list(frames)
    failed = [frame for frame in known if frame.fate == FAILED]
    slow = sorted((frame for frame in known if frame.latency is not None),
                  key=lambda frame: -(frame.latency or 0.0))
    doubtful = sorted((frame for frame in known if frame.lowest_score is not None),
                      key=lambda frame: frame.lowest_score or 0.0)
    columns = [('failed', failed), ('slow', slow), ('low score', doubtful)]
    chosen: dict[int, tuple[str, FrameRecord]] = {}
    for row in range(count):
        for reason, column in columns:
            if row < len(column) and len(chosen) < count:
                chosen.setdefault(id(column[row]), (reason, column[row]))
    return list(chosen.values())


def _in_order(stages: Mapping[str, Percentiles]) -> dict[str, Percentiles]:
    """Return the stages with the whole times last."""
    return dict(sorted(stages.items(), key=lambda entry: entry[0] in WHOLE))


def _joined(node: str, camera: str) -> str:
    return f'{node} {camera}'.strip()
