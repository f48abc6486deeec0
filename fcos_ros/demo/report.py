# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a run of the demo showed: the table, and the promises that were broken.

Knows nothing of ROS; boxes are (x1, y1, x2, y2) in image pixels, times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.core.evaluation import rates

LEAST_RECALL = 0.8
"""Less than this and the network, or a coordinate on the way, is wrong."""

FATES = ('received', 'published', 'superseded', 'expired', 'failed')


class Header(NamedTuple):
    """A message header as a value: equal when every bit is."""

    sec: int
    nanosec: int
    frame_id: str

    def __str__(self) -> str:
        return f'{self.sec}.{self.nanosec:09d} {self.frame_id!r}'


@dataclass(frozen=True)
class Answer:
    """
    One message of detections, as it arrived.

    :ivar header: of the array.
    :ivar strays: headers of single detections that differ from the array's.
    :ivar latency: seconds from the stamp to the arrival.
    """

    header: Header
    strays: tuple[Header, ...]
    detections: Detections
    latency: float


@dataclass
class Record:
    """
    All that a listener heard.

    :ivar truths: the objects in each image sent, by the image's header, in order.
    :ivar answers: in the order of arrival.
    :ivar frames: the node's own account, as its diagnostics tell it.
    :ivar stages: the node's own latencies, 'p50 / p95 / p99' in milliseconds, by stage.
    """

    truths: dict[Header, Detections] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    frames: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: no frame, no answer, no truth about an answered image."""
        return (self.frames.get('in_flight') == '0'
                and self.frames.get('published') == str(len(self.answers))
                and all(answer.header in self.truths for answer in self.answers))

    @property
    def sent(self) -> int:
        """Images sent since the first that was answered: before, the nodes had yet to meet."""
        first = self.answers[0].header if self.answers else Header(0, 0, '')
        return sum(header[:2] >= first[:2] for header in self.truths)


@dataclass(frozen=True)
class Run:
    """
    One run, judged.

    :ivar encoding: of the camera's images.
    :ivar counts: rows of the table that count frames.
    :ivar stages: 'p50 / p95 / p99' in milliseconds, by stage.
    :ivar precision: at IoU 0.5, over all answered images; nan without detections.
    :ivar recall: likewise; nan without objects.
    :ivar faults: broken promises, one sentence each.
    """

    encoding: str
    counts: Mapping[str, int]
    stages: Mapping[str, str]
    precision: float
    recall: float
    faults: tuple[str, ...]


def judge(encoding: str, record: Record, measured: Sequence[Answer],
          stages: Mapping[str, str]) -> Run:
    """
    Sum up what was heard.

    :param measured: the answers whose latency counts: those after the warm-up.
    :param stages: the node's own latencies at the end of the measurement.
    """
    known = [answer for answer in record.answers if answer.header in record.truths]
    score = rates([answer.detections for answer in known],
                  [record.truths[answer.header] for answer in known])
    account = {fate: int(record.frames.get(fate, 0)) for fate in FATES}
    counts = {'sent by the camera': record.sent,
              'overtaken on the way': max(record.sent - account['received'], 0), **account,
              'detections': sum(len(answer.detections) for answer in record.answers)}
    return Run(encoding, counts, {**stages, 'end to end': _spread(measured)}, score.precision,
               score.recall, tuple(_faults(record, account, score.recall)))


def table(runs: Sequence[Run]) -> str:
    """Lay the runs side by side."""
    rows = [['', *(run.encoding for run in runs)], ['frames', *('' for _ in runs)]]
    rows += [[f'  {name}', *(str(run.counts[name]) for run in runs)] for name in runs[0].counts]
    rows += [['latency in ms', *('p50 / p95 / p99' for _ in runs)]]
    rows += [[f'  {stage}', *(run.stages.get(stage, '-') for run in runs)]
             for stage in dict.fromkeys(stage for run in runs for stage in run.stages)]
    rows += [['against the exact boxes, IoU 0.5', *('' for _ in runs)],
             ['  precision', *(f'{run.precision:.3f}' for run in runs)],
             ['  recall', *(f'{run.recall:.3f}' for run in runs)]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join(_line(row, widths) for row in rows)


def _spread(answers: Sequence[Answer]) -> str:
    if not answers:
        return '-'
    spread = 1000 * np.percentile([answer.latency for answer in answers], (50, 95, 99))
    return ' / '.join(f'{value:.2f}' for value in spread)


def _faults(record: Record, account: Mapping[str, int], recall: float) -> Iterator[str]:
    """Tell which promises were broken."""
    if not any(len(answer.detections) for answer in record.answers):
        yield (f'nothing was detected: {record.sent} images sent, '
               f'{len(record.answers)} answered')
        return
    yield from _header_faults(record)
    yield from _account_faults(record, account)
    if not recall >= LEAST_RECALL:  # nor is nan enough, the recall of no objects
        yield f'recall is {recall:.3f}: expected at least {LEAST_RECALL}'


def _header_faults(record: Record) -> Iterator[str]:
    headers = [answer.header for answer in record.answers]
    unknown = [header for header in headers if header not in record.truths]
    if unknown:
        yield f'{len(unknown)} answers have a header that no image had, such as {unknown[0]}'
    strays = [stray for answer in record.answers for stray in answer.strays]
    if strays:
        yield f'{len(strays)} detections have a header unlike their image, such as {strays[0]}'
    swapped = [later for earlier, later in pairwise(headers) if later[:2] <= earlier[:2]]
    if swapped:
        yield f'{len(swapped)} answers came out of order, first the one of {swapped[0]}'


def _account_faults(record: Record, account: Mapping[str, int]) -> Iterator[str]:
    if not record.frames:
        yield 'the node never reported after the last image'
        return
    flying = int(record.frames['in_flight'])
    if account['failed']:
        yield f'{account["failed"]} frames failed: {record.frames["last_error"]}'
    if flying:
        yield f'{flying} frames never came to an end'
    if account['received'] != sum(account[fate] for fate in FATES[1:]) + flying:
        yield f'the account of the node does not add up: {account}, in flight {flying}'
    if account['published'] != len(record.answers):
        yield (f'the node published {account["published"]} times, '
               f'{len(record.answers)} answers arrived')


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
    return '  '.join([row[0].ljust(widths[0]), *cells]).rstrip()
