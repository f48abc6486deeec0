# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One source of frames on its way through a pool: what waits, what comes next, what it may expect.

Nothing here is locked: a pool calls its lanes under its own lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fcos_ros.core.decode import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.statistics import Latencies, Ledger

Ticket = TypeVar('Ticket')
"""What the caller wants back with a frame's result: a message's header, say."""


def always_fresh() -> bool:
    """Expire no frame, however long it waits."""
    return False


@dataclass(frozen=True)
class Job(Generic[Ticket]):
    """
    A frame on its way through the pool.

    :ivar arrived: on the clock of `perf_counter`.
    :ivar expired: asked when a worker is free for it; a frame that has expired by then is dropped.
    """

    frame: Frame
    ticket: Ticket
    arrived: float
    expired: Callable[[], bool] = always_fresh


@dataclass(frozen=True)
class Outcome(Generic[Ticket]):
    """
    A finished job: `result` or `error` is set, never both.

    :ivar waited: seconds for a worker.
    :ivar criteria: what counted as a detection; the lane may have others by now.
    """

    job: Job[Ticket]
    waited: float
    criteria: Criteria | None = None
    result: Result | None = None
    error: Exception | None = None


class Books:
    """What is written down of one source's frames; it outlives the pools that they go through."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.latencies = Latencies()


class Lane(Generic[Ticket]):
    """
    The frames of one source: the newest wins, and results leave in the order frames came.

    :ivar criteria: what counts as a detection in the frames to come; None takes the model's own.
    :ivar weight: the share of the workers it gets, relative to the other lanes, when there are
        too few of them.

    :param deliver: called with each frame's outcome, failed ones too, one at a time and in the
        order in which frames were taken, on a thread of the pool. When it raises, the frame
        counts as failed.
    :param books: where every frame's fate and its times are written down; the caller enters a
        frame in the ledger before it submits it.
    :param window: frames that may be in work or unfinished at a time.
    """

    def __init__(
        self, deliver: Callable[[Outcome[Ticket]], None], books: Books, window: int,
    ) -> None:
        self.deliver = deliver
        self.books = books
        self.criteria: Criteria | None = None
        self.weight = 1.0
        self._window = window
        self._waiting: deque[Job[Ticket]] = deque()
        self._finished: dict[int, Outcome[Ticket]] = {}
        self._served: float | None = None
        self._taken = 0
        self._left = 0
        self._delivering = False

    def __len__(self) -> int:
        """Count the frames that wait."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether a frame waits that a worker may take."""
        return bool(self._waiting) and self._taken - self._left < self._window

    def due(self, now: float) -> float:
        """
        Tell when its next frame is due, on the pool's clock of turns.

        A lane that lately had no frame to give is due earlier, but by one turn at most, so that
        nobody saves up turns to starve the others with.
        """
        if self._served is None:
            return now
        # By the weight it has now, which may have grown since.
        turn = 1 / self.weight
        return max(self._served + turn, now - turn)

    def put(self, job: Job[Ticket], room: int) -> None:
        """Queue a frame; of those that wait, the newest `room` stay."""
        while len(self._waiting) >= room:
            self._waiting.popleft()
            self.books.ledger.supersede()
        self._waiting.append(job)

    def take(self, now: float) -> tuple[int, Job[Ticket]] | None:
        """Take the next frame and its place in the order; None when all that waited expired."""
        while self._waiting:
            job = self._waiting.popleft()
            if job.expired():
                self.books.ledger.expire()
                continue
            self._served = self.due(now)
            self._taken += 1
            return self._taken - 1, job
        return None

    def abandon(self) -> None:
        """Fail what waits."""
        while self._waiting:
            self._waiting.popleft()
            self.books.ledger.fail(TimeoutError('no worker was free before the pool stopped'))

    def finish(self, place: int, outcome: Outcome[Ticket]) -> bool:
        """Put an outcome in its place; tell whether the caller is to deliver what is next."""
        self._finished[place] = outcome
        if self._delivering:
            return False
        self._delivering = True
        return True

    def next(self) -> Outcome[Ticket] | None:
        """Give the one who delivers what is next in order; None when that is all for now."""
        outcome = self._finished.pop(self._left, None)
        if outcome is None:
            self._delivering = False
        else:
            self._left += 1
        return outcome
