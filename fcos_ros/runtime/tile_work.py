# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The tiles of one frame, which several workers share, and which of them fit into the budget.

A tile is only begun if it will be done in time: it is expected to take as long as the slowest of
the last parts. A result that is late all the same is not waited for.
"""

from __future__ import annotations

from collections import deque
from math import isfinite
from threading import Condition
from time import perf_counter

from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.tiled import Detect, TiledFrame

MAX_SAMPLES = 64
"""Parts of frames whose durations are remembered: one slow part is forgotten in a few seconds."""


class TileSchedule:
    """
    The turns and the durations of the tiles of one stream.

    Nothing is locked: a lost sample does no harm.
    """

    def __init__(self) -> None:
        self._first = 0
        self._seconds: deque[float] = deque(maxlen=MAX_SAMPLES)

    def expected(self) -> float:
        """Return the seconds that a tile will take at most; infinite if no part was timed yet."""
        return max(tuple(self._seconds), default=float('inf'))

    def learn(self, seconds: float) -> None:
        """Remember how long a part took."""
        self._seconds.append(seconds)

    def order(self, count: int) -> list[int]:
        """Return the numbers of `count` tiles; those that were left out come first."""
        first = self._first % count
        return [*range(first, count), *range(first)]

    def advance(self, begun: int) -> None:
        """Let the next frame continue after the tiles that were begun."""
        self._first += begun


class TileWork:
    """
    The tiles of a frame. The thread that works on the frame calls `finish`; others may help.

    :param deadline: when the frame must be done, on the clock of `perf_counter`.
    """

    def __init__(self, frame: TiledFrame, schedule: TileSchedule, deadline: float) -> None:
        self._frame, self._schedule, self._deadline = frame, schedule, deadline
        self._changed = Condition()
        self._waiting = deque(schedule.order(len(frame.tiles.windows)))
        self._running = 0
        self._found: dict[int, Result] = {}
        self._error: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether a tile waits for a worker, and the time that it will take is known."""
        return bool(self._waiting) and isfinite(self._schedule.expected())

    def abandon(self) -> None:
        """Leave out all tiles that wait."""
        with self._changed:
            self._waiting.clear()

    def detect_next(self, detect: Detect) -> bool:
        """
        Detect objects in the next tile.

        :returns: False if no tile is left that will be done in time.
        :raises Exception: as `detect` does; the frame fails, too.
        """
        number = self._take()
        if number is None:
            return False
        start = perf_counter()
        try:
            result = self._frame.detect_tile(detect, number)
        except Exception as error:
            self._put(number, error)
            raise
        self._schedule.learn(perf_counter() - start)
        self._put(number, result)
        return True

    def finish(self, whole: Result, start: float) -> Result:
        """
        Wait for the tiles in work until the deadline, and return the result of the frame.

        :param start: see `TiledFrame.merge`.
        :raises Exception: a tile has failed.
        """
        with self._changed:
            self._waiting.clear()
            self._changed.wait_for(
                lambda: not self._running, max(0.0, self._deadline - perf_counter()))
            found, error = dict(self._found), self._error
        if error is not None:
            raise error
        return self._frame.merge(whole, found, start)

    def _take(self) -> int | None:
        with self._changed:
            if perf_counter() + self._schedule.expected() > self._deadline:
                self._waiting.clear()
            if not self._waiting:
                return None
            self._running += 1
            self._schedule.advance(1)
            return self._waiting.popleft()

    def _put(self, number: int, answer: Result | Exception) -> None:
        with self._changed:
            self._running -= 1
            if isinstance(answer, Exception):
                self._waiting.clear()
                self._error = answer
            else:
                self._found[number] = answer
            self._changed.notify_all()
