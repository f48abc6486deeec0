# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The tiles of one frame, which several workers share, and which of them fit into the budget.

A tile is only begun if it will be done in time: it is expected to take no longer than nine of ten
of the last parts. If it takes longer all the same, the frame does not wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import inf, isfinite
from threading import Lock, Timer
from time import perf_counter

from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.tiled import Detect, TiledFrame

PUBLISHING = 0.005
"""Seconds before the deadline at which a frame is settled, to merge and publish its detections."""

MAX_SAMPLES = 64
"""Parts of frames whose durations are remembered: those of the last seconds."""

USUAL = 0.9
"""Share of these parts that take no longer than expected: busy machines delay a few a lot."""


class TileSchedule:
    """
    The turns and the durations of the tiles of one stream.

    Nothing is locked: a lost sample does no harm.
    """

    def __init__(self) -> None:
        self._first = 0
        self._seconds: deque[float] = deque(maxlen=MAX_SAMPLES)

    def expected(self) -> float:
        """Return the seconds that a tile will take; infinite if no part was timed yet."""
        seconds = sorted(self._seconds)
        return seconds[int(USUAL * len(seconds))] if seconds else inf

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
    The tiles of a frame, which several threads share.

    The thread that puts in the last missing part settles the frame. At the deadline, a timer
    settles it with the parts that are there, as soon as the whole image is one of them.

    :param deadline: when the detections must be published, on the clock of `perf_counter`.
    :param settled: called once, from any thread, with this object and the result of the frame or
        its error.
    """

    def __init__(
        self, frame: TiledFrame, schedule: TileSchedule, deadline: float,
        settled: Callable[[TileWork, Result | Exception], None],
    ) -> None:
        self._frame, self._schedule, self._settled = frame, schedule, settled
        self._end = deadline - PUBLISHING
        self._lock = Lock()
        self._waiting = deque(schedule.order(len(frame.tiles.windows)))
        self._running = 0
        self._whole: Result | None = None
        self._whole_done = 0.0
        self._found: dict[int, Result] = {}
        self._is_settled = False
        self._timer: Timer | None = None

    @property
    def is_open(self) -> bool:
        """Whether a tile waits for a worker, and the time that it will take is known."""
        return bool(self._waiting) and isfinite(self._schedule.expected())

    def run(self, detect: Detect, stops: Callable[[], bool]) -> None:
        """
        Detect objects in the whole image, then in one tile after the other.

        :param stops: called before each tile; True leaves out the tiles that wait.
        :raises Exception: as `detect` does; the frame fails, too.
        """
        whole = self._run(lambda: self._frame.detect_whole(detect))
        try:
            self._add(whole)
        except RuntimeError as error:  # the system has no thread for the timer
            self._settle(error)
            raise
        while not stops() and self.detect_next(detect):
            pass
        with self._lock:
            self._waiting.clear()
            is_done = not self._running
        if is_done:
            self._settle()

    def detect_next(self, detect: Detect) -> bool:
        """
        Detect objects in the next tile.

        :returns: False if no tile is left that will be done in time.
        :raises Exception: as `detect` does; the frame fails, too.
        """
        number = self._take()
        if number is None:
            return False
        result = self._run(lambda: self._frame.detect_tile(detect, number))
        with self._lock:
            self._running -= 1
            self._found[number] = result
            is_done = not self._running and not self._waiting and self._whole is not None
        if is_done:
            self._settle()
        return True

    def _run(self, part: Callable[[], Result]) -> Result:
        """Time a part; an error settles the frame."""
        start = perf_counter()
        try:
            result = part()
        except Exception as error:
            self._settle(error)
            raise
        self._schedule.learn(perf_counter() - start)
        return result

    def _add(self, whole: Result) -> None:
        """Put in the whole image, and let a timer settle the frame at the deadline."""
        now = perf_counter()
        timer = Timer(max(0.0, self._end - now), self._settle)
        timer.daemon = True
        with self._lock:
            if self._is_settled:  # a tile has failed
                return
            self._whole, self._whole_done, self._timer = whole, now, timer
            timer.start()

    def _take(self) -> int | None:
        with self._lock:
            if perf_counter() + self._schedule.expected() > self._end:
                self._waiting.clear()
            if not self._waiting:
                return None
            self._running += 1
            self._schedule.advance(1)
            return self._waiting.popleft()

    def _settle(self, error: Exception | None = None) -> None:
        """Report the error, or the result of the parts that are there, unless it was done."""
        with self._lock:
            if self._is_settled:
                return
            self._is_settled = True
            self._waiting.clear()
            whole, found = self._whole, dict(self._found)
            timer, self._timer = self._timer, None  # each refers to the other, and to the frame
        if timer is not None:
            timer.cancel()
        self._settled(self, error or self._merged(whole, found))

    def _merged(self, whole: Result | None, found: Mapping[int, Result]) -> Result | Exception:
        assert whole is not None
        try:
            return self._frame.merge(whole, found, self._whole_done)
        except Exception as error:  # noqa: BLE001 - the frame must be settled in any case
            return error
