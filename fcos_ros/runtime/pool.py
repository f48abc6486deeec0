# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Workers on the frames of several sources: the newest frames win, and nobody starves.

A frame that no worker has taken yet gives way to a newer one of its lane, so a slow model shows
the present, only less often. What a worker has taken is finished, and leaves after what was taken
before it from the same lane. A worker that is not ready takes no frame and holds up nobody; when
none can be made ready, frames fail at once and with the reason. Lanes take turns by weight:
start-time fair queueing (Goyal, Vin, Cheng, 1996), with every frame taken for equally long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition, Thread
from time import perf_counter
from typing import Any

from fcos_ros.core.frame import Frame
from fcos_ros.runtime.lane import Books, Job, Lane, Outcome, Ticket, always_fresh
from fcos_ros.runtime.worker import Worker

WINDOW = 2
"""Frames a lane may be ahead of its oldest unfinished one, in multiples of the workers."""

LOOK = 0.1
"""Seconds between two looks at a worker that is not ready, and at whether it is still needed."""


class Pool:
    """
    One thread for each worker, from construction to `stop`.

    :param workers: at least one.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        if not workers:
            raise ValueError('a pool needs at least one worker, none was given')
        self._changed = Condition()
        self._lanes: list[Lane[Any]] = []
        self._now = 0.0
        self._idle = set(workers)  # ready, and without a frame
        self._faults: dict[Worker, Exception] = {}  # of those that could not be made ready
        self._window = WINDOW * len(workers)
        self._stopping = False
        self._threads = [
            Thread(target=self._work, args=(worker,), name=f'fcos-worker-{number}', daemon=True)
            for number, worker in enumerate(workers)]
        for thread in self._threads:
            thread.start()

    def lane(self, deliver: Callable[[Outcome[Ticket]], None], books: Books) -> Lane[Ticket]:
        """Open a way through the pool for one source of frames; see `Lane`."""
        lane = Lane(deliver, books, self._window)
        with self._changed:
            self._lanes.append(lane)
        return lane

    def submit(
        self, lane: Lane[Ticket], frame: Frame, ticket: Ticket,
        expired: Callable[[], bool] = always_fresh,
    ) -> None:
        """
        Hand over a frame; returns at once.

        :param expired: asked when a worker is free for the frame; whether to drop it then.
        """
        job = Job(frame, ticket, perf_counter(), expired)
        with self._changed:
            if self._stopping:
                raise RuntimeError('the pool was stopped and takes no more frames')
            # As many may wait as there are workers about to wake, else one a lane.
            others = sum(map(len, self._lanes)) - len(lane)
            lane.put(job, max(1, len(self._idle) - others))
            self._wake()

    def stop(self, timeout: float = 5.0) -> bool:
        """
        Finish the frames that came in, then end the threads.

        :param timeout: seconds to wait for them. What no worker has taken by then has failed.
        :returns: whether all threads ended in time; the others end with the frames they are on.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        deadline = perf_counter() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - perf_counter()))
        if not any(thread.is_alive() for thread in self._threads):
            return True
        with self._changed:
            for lane in self._lanes:
                lane.abandon()
            self._changed.notify_all()
        return False

    def _work(self, worker: Worker) -> None:
        while not self._over():
            self._prepare(worker)
            taken = self._take(worker)
            if taken is None:
                continue
            lane, place, job = taken
            outcome = _run(worker, job, lane, self._faults.get(worker))
            # Drop our reference before waiting again: a frame holds megabytes of message.
            del job, taken
            self._finish(worker, lane, place, outcome)
            del outcome

    def _over(self) -> bool:
        return self._stopping and not any(map(len, self._lanes))

    def _prepare(self, worker: Worker) -> None:
        """Wait until a worker is ready, cannot be made so, or is needed no more."""
        while not self._over():
            found = _look(worker)
            self._note(worker, found)
            # One that failed before may have to fail frames meanwhile, as all others would, too.
            if found is not False or worker in self._faults:
                return

    def _note(self, worker: Worker, found: bool | Exception) -> None:
        """Write down how a worker is; one that failed counts as such until it is ready."""
        if found is True and worker in self._idle:  # as nearly always, and nobody else changes it
            return
        with self._changed:
            if found is True:
                self._idle.add(worker)
                self._faults.pop(worker, None)
            else:
                self._idle.discard(worker)
            if isinstance(found, Exception):
                self._faults[worker] = found

    def _take(self, worker: Worker) -> tuple[Lane[Any], int, Job[Any]] | None:
        """Wait for a frame; None when there is none left, or a fault may have passed meanwhile."""
        with self._changed:
            patience = LOOK if worker in self._faults else None
            while self._changed.wait_for(lambda: self._may_take(worker), patience):
                lane = self._first()
                if lane is None:
                    self._wake()
                    return None
                turn = lane.due(self._now)
                taken = lane.take(self._now)
                if taken is not None:
                    self._now = max(self._now, turn)
                    self._idle.discard(worker)
                    if self._stopping:
                        self._wake()
                    return lane, *taken
            return None

    def _may_take(self, worker: Worker) -> bool:
        """Tell whether a frame is for this worker; it is to fail one only if all others would."""
        if worker in self._faults and len(self._faults) < len(self._threads):
            return self._over()
        return self._first() is not None or self._over()

    def _wake(self) -> None:
        """Wake one who may take a frame: all, where one of them might not."""
        self._changed.notify(len(self._threads) if self._faults else 1)

    def _first(self) -> Lane[Any] | None:
        """Find the lane whose turn it is."""
        ready = [lane for lane in self._lanes if lane.ready]
        return min(ready, key=lambda lane: lane.due(self._now), default=None)

    def _finish(
        self, worker: Worker, lane: Lane[Any], place: int, outcome: Outcome[Any],
    ) -> None:
        """Put an outcome in its place, and deliver what is next in order unless another does."""
        with self._changed:
            if outcome.error is None:  # else it is not known to be ready
                self._idle.add(worker)
            if not lane.finish(place, outcome):
                return
        while (ready := self._next(lane)) is not None:
            _hand_over(lane, ready)

    def _next(self, lane: Lane[Any]) -> Outcome[Any] | None:
        with self._changed:
            ready = lane.next()
            if len(lane) or self._stopping:  # the window has moved on
                self._wake()
            return ready


def _look(worker: Worker) -> bool | Exception:
    """Tell whether a worker is ready, or why it cannot be."""
    try:
        return worker.prepare(LOOK)
    except Exception as error:  # noqa: BLE001 - others work on, or frames fail and say so
        return error


def _run(
    worker: Worker, job: Job[Any], lane: Lane[Any], fault: Exception | None,
) -> Outcome[Any]:
    """Have a worker detect; one with a fault cannot."""
    waited, criteria = perf_counter() - job.arrived, lane.criteria
    if fault is not None:
        return Outcome(job, waited, criteria, error=fault)
    try:
        result = worker.detect(job.frame, criteria)
    except Exception as error:  # noqa: BLE001 - one bad frame must not end the thread
        return Outcome(job, waited, criteria, error=error)
    return Outcome(job, waited, criteria, result)


def _hand_over(lane: Lane[Any], outcome: Outcome[Any]) -> None:
    start = perf_counter()
    error = outcome.error
    try:
        lane.deliver(outcome)
    except Exception as failure:  # noqa: BLE001 - the caller's failure costs this frame only
        error = error or failure
    end = perf_counter()
    if error is not None or outcome.result is None:
        lane.books.ledger.fail(error or RuntimeError('a worker gave neither result nor error'))
        return
    lane.books.ledger.publish()
    times = outcome.result.times
    lane.books.latencies.add(
        wait=outcome.waited, preprocess=times.preprocess, infer=times.infer,
        decode=times.decode, publish=end - start, total=end - outcome.job.arrived)
