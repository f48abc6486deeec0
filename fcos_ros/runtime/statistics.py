# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The account of every frame, and how long each stage took of late."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np

WINDOW = 512
"""Samples kept a stage: at 30 Hz the last 17 s, few enough to sort once a second."""

MOST_LETTERS = 1000
"""Kept of an error's text: it is reported once a second."""


@dataclass(frozen=True)
class Account:
    """
    How many frames came in since the start, and what became of them.

    :ivar received: frames that came in; the sum of the four fates and of `in_flight`.
    :ivar published: their detections went out.
    :ivar superseded: a newer one came before a worker was free.
    :ivar expired: too old when a worker was free, or already on arrival.
    :ivar failed: something was wrong with the frame, or went wrong.
    :ivar errors: failed frames by the kind of error.
    :ivar last_error: the newest failure's text, of a long one the beginning, empty when there was
        none.
    """

    received: int
    published: int
    superseded: int
    expired: int
    failed: int
    errors: Mapping[str, int]
    last_error: str

    @property
    def in_flight(self) -> int:
        """Frames that wait or are being worked on."""
        settled = self.published + self.superseded + self.expired + self.failed
        return self.received - settled


class Ledger:
    """Where frames are entered and their fates written down; any thread may call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._last_error = ''

    def enter(self) -> None:
        """Write down that a frame came in."""
        with self._lock:
            self._counts['received'] += 1

    def publish(self) -> None:
        """Write down that a frame's detections went out."""
        with self._lock:
            self._counts['published'] += 1

    def supersede(self) -> None:
        """Write down that a newer frame took a waiting one's place."""
        with self._lock:
            self._counts['superseded'] += 1

    def expire(self) -> None:
        """Write down that a frame was too old to be worth a worker."""
        with self._lock:
            self._counts['expired'] += 1

    def fail(self, error: Exception) -> None:
        """Write down that a frame was lost, and to what."""
        with self._lock:
            self._counts['failed'] += 1
            self._errors[type(error).__name__] += 1
            self._last_error = (str(error) or repr(error))[:MOST_LETTERS]

    def account(self) -> Account:
        """Tell the state of one moment."""
        with self._lock:
            return Account(
                received=self._counts['received'], published=self._counts['published'],
                superseded=self._counts['superseded'], expired=self._counts['expired'],
                failed=self._counts['failed'],
                errors=dict(self._errors), last_error=self._last_error)


@dataclass(frozen=True)
class Percentiles:
    """Of the last `WINDOW` samples: the median, and what 95 and 99 of 100 stay below; seconds."""

    p50: float
    p95: float
    p99: float


class Latencies:
    """Rolling samples of each stage's seconds; any thread may call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._samples: dict[str, deque[float]] = {}

    def add(self, **seconds: float) -> None:
        """Add one sample to each stage named."""
        with self._lock:
            for stage, sample in seconds.items():
                self._samples.setdefault(stage, deque(maxlen=WINDOW)).append(sample)

    def percentiles(self) -> dict[str, Percentiles]:
        """Tell each stage's percentiles, in the order in which the stages were first seen."""
        with self._lock:
            samples = {stage: list(window) for stage, window in self._samples.items()}
        return {stage: Percentiles(*(float(p) for p in np.percentile(window, (50, 95, 99))))
                for stage, window in samples.items()}
