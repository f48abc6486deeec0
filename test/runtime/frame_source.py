# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A source of frames for a pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.fake_workers import GatedWorker
from waiting import TIMEOUT, wait_until

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import FrameCounts, FrameStatistics
from fcos_ros.runtime.streams import Outcome
from fcos_ros.runtime.workers import Worker

FRAME = Frame.wrap(bytes(3), Size(1, 1), 'bgr8')


class FrameSource:
    """
    Submits frames to a pool and keeps their outcomes.

    :ivar outcomes: in the order of their delivery, unless `deliver` is given.

    :param deliver: called with each outcome.
    """

    def __init__(self, pool: Pool, deliver: Callable[[Outcome[Any]], None] | None = None,
                 weight: float = 1.0) -> None:
        self.pool = pool
        self.statistics = FrameStatistics()
        self.outcomes: list[Outcome[Any]] = []
        self.stream = pool.open_stream(deliver or self.outcomes.append, self.statistics)
        self.stream.weight = weight

    @classmethod
    def of(cls, *workers: Worker,
           deliver: Callable[[Outcome[Any]], None] | None = None) -> FrameSource:
        """Return the only source of a new pool of these workers."""
        return cls(Pool(workers), deliver)

    def submit(self, *contexts: Any, frame: Frame = FRAME, **how: Any) -> None:
        """Submit the frame once for each context."""
        for context in contexts:
            self.statistics.count_received()
            self.pool.submit(self.stream, frame, context, **how)

    def occupy(self, worker: GatedWorker) -> None:
        """Submit frames until a worker has begun one; their contexts are their numbers."""
        wait_until(lambda: self.submit(self.counts.received) or worker.has_begun())

    def wait_until_done(self) -> None:
        """Wait until no frame is in flight."""
        wait_until(lambda: not self.counts.in_flight)

    def stop(self) -> None:
        """Stop the pool, which finishes the submitted frames."""
        assert self.pool.stop(TIMEOUT)

    @property
    def counts(self) -> FrameCounts:
        """The counts of its frames by fate."""
        return self.statistics.counts()

    @property
    def contexts(self) -> list[Any]:
        """The contexts of the delivered outcomes, in the order of delivery."""
        return [outcome.job.context for outcome in self.outcomes]
