# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A source of frames for a pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from waiting import TIMEOUT, wait_until
from workers import GatedWorker

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.lane import Books, Outcome
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import Account
from fcos_ros.runtime.worker import Worker

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
        self.books = Books()
        self.outcomes: list[Outcome[Any]] = []
        self.lane = pool.lane(deliver or self.outcomes.append, self.books)
        self.lane.weight = weight

    @classmethod
    def of(cls, *workers: Worker,
           deliver: Callable[[Outcome[Any]], None] | None = None) -> FrameSource:
        """Return the only source of a new pool of these workers."""
        return cls(Pool(workers), deliver)

    def submit(self, *tickets: Any, frame: Frame = FRAME, **how: Any) -> None:
        """Submit the frame once for each ticket."""
        for ticket in tickets:
            self.books.ledger.enter()
            self.pool.submit(self.lane, frame, ticket, **how)

    def occupy(self, worker: GatedWorker) -> None:
        """Submit frames until a worker has begun one; their tickets count the frames."""
        wait_until(lambda: self.submit(self.account.received) or worker.has_begun())

    def settle(self) -> None:
        """Wait until no frame is in flight."""
        wait_until(lambda: not self.account.in_flight)

    def stop(self) -> None:
        """Stop the pool, which finishes the frames that it has."""
        assert self.pool.stop(TIMEOUT)

    @property
    def account(self) -> Account:
        """What became of its frames."""
        return self.books.ledger.account()

    @property
    def tickets(self) -> list[Any]:
        """The tickets of the delivered outcomes, in that order."""
        return [outcome.job.ticket for outcome in self.outcomes]
