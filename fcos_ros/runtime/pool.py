# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Workers on frames: the newest frame wins, and results leave in the order frames came.

A frame that no worker has taken yet gives way to a newer one, so a slow model shows the present,
only less often. What a worker has taken is finished, and leaves after what was taken before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from time import perf_counter
from typing import Generic, TypeVar

from fcos_ros.core.decode import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.statistics import Latencies, Ledger
from fcos_ros.runtime.worker import Worker

Ticket = TypeVar('Ticket')
"""What the caller wants back with a frame's result: a message's header, say."""

WINDOW = 2
"""Frames a worker may run ahead of the oldest unfinished one, in multiples of the workers."""


@dataclass(frozen=True)
class Job(Generic[Ticket]):
    """A frame on its way through the pool; `arrived` on the clock of `perf_counter`."""

    frame: Frame
    ticket: Ticket
    arrived: float


@dataclass(frozen=True)
class Outcome(Generic[Ticket]):
    """A finished job: `result` or `error` is set, never both; `waited` seconds for a worker."""

    job: Job[Ticket]
    waited: float
    result: Result | None = None
    error: Exception | None = None


class Pool(Generic[Ticket]):
    """
    One thread for each worker, from construction to `stop`.

    :param workers: at least one.
    :param deliver: called with each frame's outcome, failed ones too, one at a time and in the
        order in which frames were taken, on a thread of the pool. When it raises, the frame
        counts as failed.
    :param ledger: where every submitted frame's fate is written down; the caller enters a frame
        before it submits it.
    :param latencies: where the stage times of published frames go.
    """

    def __init__(
        self, workers: Sequence[Worker], deliver: Callable[[Outcome[Ticket]], None],
        ledger: Ledger, latencies: Latencies,
    ) -> None:
        if not workers:
            raise ValueError('a pool needs at least one worker, none was given')
        self.criteria: Criteria | None = None
        self._deliver = deliver
        self._ledger = ledger
        self._latencies = latencies
        self._changed = Condition()
        self._waiting: deque[Job[Ticket]] = deque()
        self._finished: dict[int, Outcome[Ticket]] = {}
        self._idle = len(workers)
        self._window = WINDOW * len(workers)
        self._taken = 0
        self._left = 0
        self._delivering = False
        self._stopping = False
        self._threads = [
            Thread(target=self._work, args=(worker,), name=f'fcos-worker-{number}', daemon=True)
            for number, worker in enumerate(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, frame: Frame, ticket: Ticket) -> None:
        """Hand over a frame; returns at once."""
        job = Job(frame, ticket, perf_counter())
        with self._changed:
            if self._stopping:
                raise RuntimeError('the pool was stopped and takes no more frames')
            # As many may wait as there are workers about to wake, else one.
            while len(self._waiting) >= max(1, self._idle):
                self._waiting.popleft()
                self._ledger.supersede()
            self._waiting.append(job)
            self._changed.notify()

    def stop(self, timeout: float = 5.0) -> bool:
        """
        Finish the frames that came in, then end the threads.

        :param timeout: seconds to wait for them.
        :returns: whether all threads ended in time.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        deadline = perf_counter() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - perf_counter()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, worker: Worker) -> None:
        while True:
            taken = self._take()
            if taken is None:
                return
            number, job = taken
            outcome = self._run(worker, job)
            # Drop our reference before waiting again: a frame holds megabytes of message.
            del job, taken
            self._finish(number, outcome)
            del outcome

    def _take(self) -> tuple[int, Job[Ticket]] | None:
        """Wait for a frame; None when the pool stops and nothing waits."""
        with self._changed:
            self._changed.wait_for(self._may_take)
            if not self._waiting:
                self._changed.notify()
                return None
            self._idle -= 1
            self._taken += 1
            return self._taken - 1, self._waiting.popleft()

    def _may_take(self) -> bool:
        if self._waiting:
            return self._taken - self._left < self._window
        return self._stopping

    def _run(self, worker: Worker, job: Job[Ticket]) -> Outcome[Ticket]:
        waited = perf_counter() - job.arrived
        try:
            return Outcome(job, waited, result=worker.detect(job.frame, self.criteria))
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the thread
            return Outcome(job, waited, error=error)

    def _finish(self, number: int, outcome: Outcome[Ticket]) -> None:
        """Put an outcome in its place, and deliver what is next in order unless another does."""
        with self._changed:
            self._idle += 1
            self._finished[number] = outcome
            if self._delivering:
                return
            self._delivering = True
        while (ready := self._next()) is not None:
            self._hand_over(ready)

    def _next(self) -> Outcome[Ticket] | None:
        with self._changed:
            ready = self._finished.pop(self._left, None)
            if ready is None:
                self._delivering = False
            else:
                self._left += 1
                self._changed.notify_all()
            return ready

    def _hand_over(self, outcome: Outcome[Ticket]) -> None:
        start = perf_counter()
        error = outcome.error
        try:
            self._deliver(outcome)
        except Exception as failure:  # noqa: BLE001 - the caller's failure costs this frame only
            error = error or failure
        end = perf_counter()
        if error is not None or outcome.result is None:
            self._ledger.fail(error or RuntimeError('a worker gave neither result nor error'))
            return
        self._ledger.publish()
        times = outcome.result.times
        self._latencies.add(
            wait=outcome.waited, preprocess=times.preprocess, infer=times.infer,
            decode=times.decode, publish=end - start, total=end - outcome.job.arrived)
