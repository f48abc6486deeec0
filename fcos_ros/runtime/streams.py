# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The queue of one source: waiting frames, their turn, and outcomes in order.

Nothing here is locked: a pool calls its streams under its own lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.core.tiles import Tiling
from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.statistics import EXPIRED, FAILED, SUPERSEDED, FrameStatistics
from fcos_ros.runtime.tile_work import TileSchedule

Context = TypeVar('Context')
"""A value that comes back with the result of a frame, such as a message's header."""


def never_expires() -> bool:
    """Return False: the frame may wait without limit."""
    return False


@dataclass(frozen=True)
class Job(Generic[Context]):
    """
    A frame on its way through the pool.

    :ivar arrived: when it was submitted, on the clock of `perf_counter`.
    :ivar expired: called when a worker is free; the frame is dropped if it returns True.
    """

    frame: Frame
    context: Context
    arrived: float
    expired: Callable[[], bool] = never_expires


@dataclass(frozen=True)
class Outcome(Generic[Context]):
    """
    A finished job, with either a `result` or an `error`.

    :ivar waited: seconds until a worker was free.
    :ivar criteria: the criteria of the result; those of the stream may have changed since.
    """

    job: Job[Context]
    waited: float
    criteria: Criteria | None = None
    result: Result | None = None
    error: Exception | None = None

    @classmethod
    def of(cls, job: Job[Context], waited: float, criteria: Criteria | None,
           answer: Result | Exception) -> Outcome[Context]:
        """Return the outcome of a job with its result or its error."""
        if isinstance(answer, Exception):
            return cls(job, waited, criteria, error=answer)
        return cls(job, waited, criteria, answer)


Dropped = Callable[[Job[Context], str, Exception | None], None]
"""The type of `dropped` of a `Stream`."""


class Stream(Generic[Context]):
    """
    The frames of one source. The newest frame wins, and results leave in the order of frames.

    :ivar criteria: criteria for the next frames; None for the model's own.
    :ivar weight: share of the workers, relative to the other streams, when there are too few.
    :ivar tiling: how the next frames are divided; None for the whole image alone.
    :ivar schedule: the turns of the tiles.

    :param deliver: called with the outcome of each frame, also of a failed one. Calls come from
        the threads of the pool, one at a time, in the order in which frames were taken. When it
        raises, the frame counts as failed.
    :param statistics: counts frames and collects their times. The caller counts a frame as
        received before it submits it.
    :param window: maximum number of frames that are taken and not yet delivered.
    :param dropped: called with each frame that no worker takes, with its fate and, if it failed,
        the error. Calls come from any thread, under the lock of the pool: it must return at once.
    """

    def __init__(
        self, deliver: Callable[[Outcome[Context]], None], statistics: FrameStatistics,
        window: int, dropped: Dropped[Context] | None = None,
    ) -> None:
        self.deliver = deliver
        self._dropped = dropped
        self.statistics = statistics
        self.criteria: Criteria | None = None
        self.weight = 1.0
        self.tiling: Tiling | None = None
        self.schedule = TileSchedule()
        self._window = window
        self._waiting: deque[Job[Context]] = deque()
        self._finished: dict[int, Outcome[Context]] = {}
        self._last_turn: float | None = None
        self._taken = 0
        self._delivered = 0
        self._delivering = False

    def __len__(self) -> int:
        """Return the number of waiting frames."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether a worker may take a waiting frame."""
        return bool(self._waiting) and self._taken - self._delivered < self._window

    def next_turn(self, now: float) -> float:
        """
        Return when its next frame is due, on the pool's virtual clock.

        A stream that had no frame for a while is due earlier, but by one turn at most. It cannot
        save up turns and starve the other streams.
        """
        if self._last_turn is None:
            return now
        # Use the present weight: it may have grown since the last turn.
        turn = 1 / self.weight
        return max(self._last_turn + turn, now - turn)

    def put(self, job: Job[Context], room: int) -> None:
        """Queue a frame; of the waiting frames, only the newest `room` stay."""
        while len(self._waiting) >= room:
            self._drop(self._waiting.popleft(), SUPERSEDED)
        self._waiting.append(job)

    def take(self, now: float) -> tuple[int, Job[Context]] | None:
        """Take the next frame with its position; None when all waiting frames have expired."""
        while self._waiting:
            job = self._waiting.popleft()
            if job.expired():
                self._drop(job, EXPIRED)
                continue
            self._last_turn = self.next_turn(now)
            self._taken += 1
            return self._taken - 1, job
        return None

    def charge(self, tiles: int) -> None:
        """Let tiles count as turns, so that they do not take the share of other streams."""
        if self._last_turn is not None:
            self._last_turn += tiles / self.weight

    def abandon(self) -> None:
        """Count the waiting frames as failed."""
        while self._waiting:
            self._drop(self._waiting.popleft(), FAILED,
                       TimeoutError('no worker was free before the pool stopped'))

    def finish(self, position: int, outcome: Outcome[Context]) -> bool:
        """Store an outcome; return whether the caller must deliver the next outcomes."""
        self._finished[position] = outcome
        if self._delivering:
            return False
        self._delivering = True
        return True

    def next_outcome(self) -> Outcome[Context] | None:
        """Return the next outcome to deliver; None when it is not finished yet."""
        outcome = self._finished.pop(self._delivered, None)
        if outcome is None:
            self._delivering = False
        else:
            self._delivered += 1
        return outcome

    def _drop(self, job: Job[Context], fate: str, error: Exception | None = None) -> None:
        """Count a frame that no worker takes, and report it."""
        if error is not None:
            self.statistics.count_failed(error)
        elif fate == SUPERSEDED:
            self.statistics.count_superseded()
        else:
            self.statistics.count_expired()
        if self._dropped is not None:
            self._dropped(job, fate, error)
