# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts of frames by their fate, and the times of each stage."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np

from fcos_ros.core.errors import FrameError
from fcos_ros.core.text import shorten

MAX_SAMPLES = 512
"""Samples kept for each stage: the last 17 s at 30 Hz, few enough to sort once a second."""

MAX_ADDITIONS_WITHOUT = 2 * MAX_SAMPLES
"""Additions of times after which a stage that was in none of them is left out."""

PUBLISHED, SUPERSEDED, EXPIRED, FAILED = 'published', 'superseded', 'expired', 'failed'

_SHARES = np.array([0.50, 0.95, 0.99])

FATES = (PUBLISHED, SUPERSEDED, EXPIRED, FAILED)
"""The fates of a frame; see `FrameCounts`."""


@dataclass(frozen=True)
class FrameCounts:
    """
    The number of frames since the start, by fate.

    :ivar received: all frames; the sum of `in_flight` and the next four counts.
    :ivar published: their detections were published.
    :ivar superseded: a newer frame came before a worker was free.
    :ivar expired: too old on arrival, or when a worker was free.
    :ivar failed: damaged, or not processed because of an error.
    :ivar errors: failed frames by the kind of a `FrameError`, or the type of any other error.
    :ivar last_error: the text of the newest error, shortened; empty if there was none.
    :ivar missed: frames that the source sent and that never came in; not in `received`.
    :ivar tiles: tiles of frames that were inferred.
    :ivar tiles_left_out: those that did not fit into the budget of their frame.
    """

    received: int
    published: int
    superseded: int
    expired: int
    failed: int
    errors: Mapping[str, int]
    last_error: str
    missed: int = 0
    tiles: int = 0
    tiles_left_out: int = 0

    @property
    def in_flight(self) -> int:
        """Frames that wait or are in work."""
        settled = self.published + self.superseded + self.expired + self.failed
        return self.received - settled


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of the last `MAX_SAMPLES` samples, in seconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Percentiles:
        """Return the percentiles of some samples, interpolated between them."""
        # numpy.percentile does much more in Python, for each stage and report.
        ranks = np.arange(len(samples))
        return cls(*np.interp(_SHARES * ranks[-1], ranks, np.sort(samples)).tolist())


class FrameStatistics:
    """
    Counts and times of the frames of one source. Any thread may call any method.

    They continue when the pool is replaced.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._last_error = ''
        self._samples: defaultdict[str, deque[float]] = defaultdict(
            partial(deque, maxlen=MAX_SAMPLES))
        self._additions = 0
        self._newest: dict[str, int] = {}  # the number of the last addition with each stage

    def count_received(self, missed: int = 0) -> None:
        """
        Count a frame that came in.

        :param missed: frames that the source sent before it and that never came in.
        """
        with self._lock:
            self._counts['received'] += 1
            self._counts['missed'] += missed

    def count_published(self, tiles: tuple[int, int] = (0, 0), /, **seconds: float) -> None:
        """
        Count a frame whose detections were published, with its tiles and times at one moment.

        :param tiles: number of tiles that were inferred, and of those that were left out.
        :param seconds: one sample of each named stage.
        """
        with self._lock:
            counts = self._counts
            counts['published'] += 1
            counts['tiles'] += tiles[0]
            counts['tiles_left_out'] += tiles[1]
            self._add(seconds)

    def count_superseded(self) -> None:
        """Count a waiting frame that was replaced by a newer one."""
        self._count('superseded')

    def count_expired(self) -> None:
        """Count a frame that was too old."""
        self._count('expired')

    def count_failed(self, error: Exception) -> None:
        """Count a frame that failed, and keep the reason."""
        with self._lock:
            self._counts['failed'] += 1
            self._errors[error_kind(error)] += 1
            self._last_error = shorten(str(error) or repr(error))

    def counts(self) -> FrameCounts:
        """Return all counts at one moment."""
        with self._lock:
            return FrameCounts(
                received=self._counts['received'], published=self._counts['published'],
                superseded=self._counts['superseded'], expired=self._counts['expired'],
                failed=self._counts['failed'],
                errors=dict(self._errors), last_error=self._last_error,
                missed=self._counts['missed'], tiles=self._counts['tiles'],
                tiles_left_out=self._counts['tiles_left_out'])

    def add_times(self, **seconds: float) -> None:
        """Add one sample to each named stage."""
        with self._lock:
            self._add(seconds)

    def percentiles(self) -> dict[str, Percentiles]:
        """
        Return the percentiles of each stage, in the order in which stages first occurred.

        A stage that no longer occurs, because a setting has changed, is left out.
        """
        with self._lock:
            oldest = self._additions - MAX_ADDITIONS_WITHOUT
            samples = {stage: list(window) for stage, window in self._samples.items()
                       if self._newest[stage] > oldest}
        return {stage: Percentiles.of(window) for stage, window in samples.items()}

    def _add(self, seconds: Mapping[str, float]) -> None:
        """Add one sample to each stage; the lock is held."""
        if not seconds:
            return
        self._additions += 1
        for stage, sample in seconds.items():
            self._samples[stage].append(sample)
            self._newest[stage] = self._additions

    def _count(self, fate: str) -> None:
        with self._lock:
            self._counts[fate] += 1


def error_kind(error: Exception) -> str:
    """Return the kind by which a failed frame is counted; see `FrameCounts.errors`."""
    return error.kind if isinstance(error, FrameError) else type(error).__name__
