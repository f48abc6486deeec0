# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The results of the demo: the table, and the problems that were found.

This module does not use ROS. Boxes are (x1, y1, x2, y2) in image pixels; times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.evaluation.average_precision import precision_recall

MIN_RECALL = 0.8
"""A lower recall shows that the network is wrong, or that a coordinate is converted wrongly."""

COUNT_NAMES = ('received', 'published', 'superseded', 'expired', 'failed')
"""The node's counts that the table shows."""


class HeaderKey(NamedTuple):
    """The header of a message as a value; two are equal only when every bit is equal."""

    sec: int
    nanosec: int
    frame_id: str

    def __str__(self) -> str:
        return f'{self.sec}.{self.nanosec:09d} {self.frame_id!r}'


@dataclass(frozen=True)
class ReceivedDetections:
    """
    One message of detections.

    :ivar header: the header of the array.
    :ivar mismatched_headers: headers of single detections that differ from the array's.
    :ivar latency: seconds from the stamp of the image to the arrival of the message.
    """

    header: HeaderKey
    mismatched_headers: tuple[HeaderKey, ...]
    detections: Detections
    latency: float


@dataclass
class Recording:
    """
    All that a listener received.

    :ivar ground_truth: the objects in each sent image, by the image's header, in order.
    :ivar received: the messages of detections, in the order of arrival.
    :ivar frame_diagnostics: the node's newest counts of frames, as its diagnostics report them.
    :ivar latencies: the node's newest latencies: 'p50 / p95 / p99' in milliseconds, by stage.
    """

    ground_truth: dict[HeaderKey, Detections] = field(default_factory=dict)
    received: list[ReceivedDetections] = field(default_factory=list)
    frame_diagnostics: Mapping[str, str] = field(default_factory=dict)
    latencies: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether no frame is in flight, and no message is still to arrive."""
        return (self.frame_diagnostics.get('in_flight') == '0'
                and self.frame_diagnostics.get('published') == str(len(self.received))
                and all(message.header in self.ground_truth for message in self.received))

    @property
    def sent(self) -> int:
        """
        Number of images that were sent, counted from the first one with detections.

        Earlier images were sent before the nodes had discovered each other.
        """
        first = self.received[0].header if self.received else HeaderKey(0, 0, '')
        return sum(header[:2] >= first[:2] for header in self.ground_truth)


@dataclass(frozen=True)
class RunResult:
    """
    The result of one run.

    :ivar encoding: pixel format of the camera's images.
    :ivar counts: the rows of the table that count frames.
    :ivar latencies: 'p50 / p95 / p99' in milliseconds, by stage.
    :ivar precision: at IoU 0.5, over all processed images; nan without detections.
    :ivar recall: at IoU 0.5, over all processed images; nan without objects.
    :ivar problems: one sentence each; empty when the run passed.
    """

    encoding: str
    counts: Mapping[str, int]
    latencies: Mapping[str, str]
    precision: float
    recall: float
    problems: tuple[str, ...]


def summarise(encoding: str, recording: Recording, measured: Sequence[ReceivedDetections],
              latencies: Mapping[str, str]) -> RunResult:
    """
    Return the result of a run.

    :param measured: the messages that count for the end-to-end latency: those after the warm-up.
    :param latencies: the node's own latencies at the end of the measurement.
    """
    known = [message for message in recording.received
             if message.header in recording.ground_truth]
    score = precision_recall([message.detections for message in known],
                             [recording.ground_truth[message.header] for message in known])
    node_counts = {name: int(recording.frame_diagnostics.get(name, 0)) for name in COUNT_NAMES}
    counts = {'sent by the camera': recording.sent,
              'dropped in transport': max(recording.sent - node_counts['received'], 0),
              **node_counts,
              'detections': sum(len(message.detections) for message in recording.received)}
    return RunResult(encoding, counts, {**latencies, 'end to end': _percentiles(measured)},
                     score.precision, score.recall,
                     tuple(_problems(recording, node_counts, score.recall)))


def format_table(runs: Sequence[RunResult]) -> str:
    """Return the table of the runs, one column each."""
    rows = [['', *(run.encoding for run in runs)], ['frames', *('' for _ in runs)]]
    rows += [[f'  {name}', *(str(run.counts[name]) for run in runs)] for name in runs[0].counts]
    rows += [['latency in ms', *('p50 / p95 / p99' for _ in runs)]]
    rows += [[f'  {stage}', *(run.latencies.get(stage, '-') for run in runs)]
             for stage in dict.fromkeys(stage for run in runs for stage in run.latencies)]
    rows += [['against the exact boxes, IoU 0.5', *('' for _ in runs)],
             ['  precision', *(f'{run.precision:.3f}' for run in runs)],
             ['  recall', *(f'{run.recall:.3f}' for run in runs)]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join(_format_row(row, widths) for row in rows)


def _percentiles(messages: Sequence[ReceivedDetections]) -> str:
    if not messages:
        return '-'
    percentiles = 1000 * np.percentile([message.latency for message in messages], (50, 95, 99))
    return ' / '.join(f'{value:.2f}' for value in percentiles)


def _problems(
    recording: Recording, node_counts: Mapping[str, int], recall: float,
) -> Iterator[str]:
    """Yield the problems of a run."""
    if not any(len(message.detections) for message in recording.received):
        yield (f'nothing was detected: {recording.sent} images sent, '
               f'{len(recording.received)} messages received')
        return
    yield from _header_problems(recording)
    yield from _count_problems(recording, node_counts)
    if not recall >= MIN_RECALL:  # also reports nan, the recall without objects
        yield f'recall is {recall:.3f}; accepted: at least {MIN_RECALL}'


def _header_problems(recording: Recording) -> Iterator[str]:
    headers = [message.header for message in recording.received]
    unknown = [header for header in headers if header not in recording.ground_truth]
    if unknown:
        yield f'{len(unknown)} messages have a header that no image had, such as {unknown[0]}'
    mismatched = [header for message in recording.received
                  for header in message.mismatched_headers]
    if mismatched:
        yield (f'{len(mismatched)} detections have another header than their image, such as '
               f'{mismatched[0]}')
    unordered = [later for earlier, later in pairwise(headers) if later[:2] <= earlier[:2]]
    if unordered:
        yield f'{len(unordered)} messages came out of order, first that of {unordered[0]}'


def _count_problems(recording: Recording, node_counts: Mapping[str, int]) -> Iterator[str]:
    if not recording.frame_diagnostics:
        yield 'the node sent no diagnostics after the last image'
        return
    in_flight = int(recording.frame_diagnostics['in_flight'])
    if node_counts['failed']:
        yield (f'{node_counts["failed"]} frames failed: '
               f'{recording.frame_diagnostics["last_error"]}')
    if in_flight:
        yield f'{in_flight} frames were never finished'
    if node_counts['received'] != sum(node_counts[name] for name in COUNT_NAMES[1:]) + in_flight:
        yield f"the node's counts do not add up: {node_counts}, in flight {in_flight}"
    if node_counts['published'] != len(recording.received):
        yield (f'the node published {node_counts["published"]} messages, '
               f'{len(recording.received)} were received')


def _format_row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
    return '  '.join([row[0].ljust(widths[0]), *cells]).rstrip()
