# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Process the frames of several sources: the newest frame wins, and no source starves.

- A newer frame replaces a waiting frame of its stream. A slow model therefore skips frames
  instead of falling behind.
- A frame that a worker has taken is always finished. The outcomes of a stream are delivered in the
  order in which its frames were taken.
- A worker that is not ready takes no frame and does not delay other workers. When all workers have
  failed, frames fail at once, with the reason.
- A worker in another process begins the next frame before the result of the last is delivered.
- A worker that is free and has no frame helps with the tiles of a frame in work.
- Streams take turns by weight: start-time fair queueing (Goyal, Vin, Cheng, 1996), where every
  frame has the same length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Condition, Thread
from time import perf_counter
from typing import Any, NamedTuple

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.statistics import FrameStatistics
from fcos_ros.runtime.stop_request import StopRequest
from fcos_ros.runtime.streams import Context, Dropped, Job, Outcome, Stream, never_expires
from fcos_ros.runtime.tile_work import TileWork
from fcos_ros.runtime.tiled import TiledFrame
from fcos_ros.runtime.workers import SeparateWorker, Worker

FRAMES_AHEAD = 2
"""Maximum number of frames of a stream that are taken and not delivered, for each worker."""

Answered = Callable[[Result | Exception], None]
"""Called with the result of a frame or its error."""

_Start = Callable[[Frame, Criteria | None], Callable[[], Result]]
"""The type of `SeparateWorker.start`."""

_Taken = tuple[Stream[Any], int, Job[Any]]
"""A frame that a worker has taken, with its stream and its position there."""

PREPARE_TIMEOUT = 0.1
"""Seconds between two checks whether a worker has become ready and is still needed."""


class _Begun(NamedTuple):
    """
    A frame in work.

    :ivar answer: waits for its result; None if its tiles have settled it. Raises its error.
    """

    answer: Callable[[], Result | None]
    finish: Answered


class Pool:
    """
    Run one thread for each worker, from construction to `stop`.

    :param workers: at least one.
    :param stop_request: shortens the wait in `stop`.
    """

    def __init__(
        self, workers: Sequence[Worker], stop_request: StopRequest | None = None,
    ) -> None:
        if not workers:
            raise ValueError('a pool of 0 workers; accepted: at least one')
        self._stop_request = stop_request or StopRequest()
        self._changed = Condition()
        self._streams: list[Stream[Any]] = []
        self._tiled: list[TileWork] = []  # of the frames in work
        self._now = 0.0
        self._idle = set(workers)  # ready, and without a frame
        self._starts: dict[Worker, _Start] = {
            worker: worker.start for worker in workers if isinstance(worker, SeparateWorker)}
        self._faults: dict[Worker, Exception] = {}  # why a worker could not get ready
        self._window = FRAMES_AHEAD * len(workers)
        self._stopping = False
        self._threads = [
            Thread(target=self._work, args=(worker,), name=f'fcos-worker-{number}', daemon=True)
            for number, worker in enumerate(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def faults(self) -> tuple[str, ...]:
        """Why workers cannot get ready for now; empty if all can."""
        with self._changed:
            return tuple(map(str, self._faults.values()))

    def open_stream(
        self, deliver: Callable[[Outcome[Context]], None], statistics: FrameStatistics,
        dropped: Dropped[Context] | None = None,
    ) -> Stream[Context]:
        """Create a stream for a source of frames; see `Stream`."""
        stream = Stream(deliver, statistics, self._window, dropped)
        with self._changed:
            self._streams.append(stream)
        return stream

    def submit(
        self, stream: Stream[Context], frame: Frame, context: Context,
        expired: Callable[[], bool] = never_expires,
    ) -> None:
        """
        Queue a frame; return at once.

        :param expired: called when a worker is free for the frame; True drops the frame.
        :raises RuntimeError: the pool was stopped.
        """
        job = Job(frame, context, perf_counter(), expired)
        with self._changed:
            if self._stopping:
                raise RuntimeError('the pool was stopped and takes no more frames')
            # As many frames may wait as workers are idle, but at least one for each stream.
            others = sum(map(len, self._streams)) - len(stream)
            stream.put(job, max(1, len(self._idle) - others))
            self._wake()

    def stop(self, timeout: float = 5.0) -> bool:
        """
        Finish the submitted frames, then end the threads.

        :param timeout: seconds to wait. Frames that no worker has taken by then fail.
        :returns: whether all threads ended in time; the others end with their current frames.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._stop_request.wait_for(self._ended, timeout):
            return True
        with self._changed:
            for stream in self._streams:
                stream.abandon()
            self._changed.notify_all()
        return False

    def _ended(self) -> bool:
        # A timer may still deliver a frame with tiles.
        return not self._tiled and not any(thread.is_alive() for thread in self._threads)

    def _work(self, worker: Worker) -> None:
        while not self._finished():
            self._prepare(worker)
            begun = self._begin(worker, self._take(worker))
            if begun is None:
                self._help(worker)
            # No name here may keep a frame while the thread waits: it holds megabytes of message.
            while begun is not None:
                begun = self._end(worker, begun)

    def _finished(self) -> bool:
        return self._stopping and not any(map(len, self._streams))

    def _prepare(self, worker: Worker) -> None:
        """Wait until a worker is ready, cannot get ready, or is no longer needed."""
        while not self._finished():
            state = _try_to_prepare(worker)
            self._note(worker, state)
            # A failed worker returns too: if all workers have failed, it must fail frames.
            if state is not False or worker in self._faults:
                return

    def _note(self, worker: Worker, state: bool | Exception) -> None:
        """Store the state of a worker; one that failed counts as failed until it is ready."""
        # The common case needs no lock: no other thread changes the state of this worker.
        if state is True and worker in self._idle:
            return
        with self._changed:
            if state is True:
                self._idle.add(worker)
                self._faults.pop(worker, None)
            else:
                self._idle.discard(worker)
            if isinstance(state, Exception):
                self._faults[worker] = state

    def _take(self, worker: Worker) -> _Taken | None:
        """
        Wait for a frame.

        None is returned if the pool has finished, if a tile waits, or to prepare a failed worker
        again.
        """
        with self._changed:
            timeout = PREPARE_TIMEOUT if worker in self._faults else None
            while self._changed.wait_for(lambda: self._may_take(worker), timeout):
                stream = self._next_stream()
                if stream is None:
                    if self._finished():
                        self._wake()
                    return None
                taken = self._take_from(stream, worker)
                if taken is not None:
                    return taken
            return None

    def _take_next(self, worker: Worker) -> _Taken | None:
        """Take a frame that waits already; if there is none, the worker rests."""
        with self._changed:
            stream = self._next_stream()
            taken = self._take_from(stream, worker) if stream else None
            if taken is None:
                self._idle.add(worker)
            return taken

    def _take_from(self, stream: Stream[Any], worker: Worker) -> _Taken | None:
        """Take the next frame of a stream; None when all of its frames have expired."""
        turn = stream.next_turn(self._now)
        taken = stream.take(self._now)
        if taken is None:
            return None
        self._now = max(self._now, turn)
        self._idle.discard(worker)
        if self._stopping:
            self._wake()
        return stream, *taken

    def _may_take(self, worker: Worker) -> bool:
        """Return whether a worker may take a frame; a failed worker may if all have failed."""
        if worker in self._faults and len(self._faults) < len(self._threads):
            return self._finished()
        helps = worker not in self._faults and self._next_tiled() is not None
        return self._next_stream() is not None or helps or self._finished()

    def _wake(self) -> None:
        """Wake one thread to take a frame; wake all if some workers have failed."""
        self._changed.notify(len(self._threads) if self._faults else 1)

    def _next_stream(self) -> Stream[Any] | None:
        """Return the stream whose turn it is."""
        ready = [stream for stream in self._streams if stream.ready]
        return min(ready, key=lambda stream: stream.next_turn(self._now), default=None)

    def _next_tiled(self) -> TileWork | None:
        """Return the oldest frame in work of which a tile waits."""
        return next((work for work in self._tiled if work.is_open), None)

    def _help(self, worker: Worker) -> None:
        """Work on a tile that waits, if there is one."""
        with self._changed:
            work = self._next_tiled()
            if work is None or worker in self._faults:
                return
            self._idle.discard(worker)
        with suppress(Exception):  # it fails the frame, and the worker may not be ready
            work.detect_next(worker.detect)
            self._rest(worker)

    def _rest(self, worker: Worker) -> None:
        with self._changed:
            self._idle.add(worker)

    def _begin(self, worker: Worker, taken: _Taken | None) -> _Begun | None:
        """
        Let a worker begin a frame.

        :returns: None if there is none, or if it has failed at once.
        """
        if taken is None:
            return None
        stream, position, job = taken
        waited, criteria = perf_counter() - job.arrived, stream.criteria

        def finish(answer: Result | Exception) -> None:
            self._finish(stream, position, Outcome.of(job, waited, criteria, answer))
        try:
            fault = self._faults.get(worker)
            if fault is not None:
                raise fault
            work = self._divide(worker, job, stream, finish)
            if work is not None:
                return _Begun(partial(self._process_tiled, worker, work), finish)
            return _Begun(self._start(worker, job.frame, criteria), finish)
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the thread
            finish(error)
            return None

    def _start(
        self, worker: Worker, frame: Frame, criteria: Criteria | None,
    ) -> Callable[[], Result]:
        start = self._starts.get(worker)
        return start(frame, criteria) if start else partial(worker.detect, frame, criteria)

    def _end(self, worker: Worker, begun: _Begun) -> _Begun | None:
        """
        Wait for the result of a frame and deliver it.

        :returns: the next frame, if the worker is separate and one waits: it has begun before the
            delivery, which may take several milliseconds.
        """
        try:
            result = begun.answer()
        except Exception as error:  # noqa: BLE001 - one bad frame must not end the thread
            begun.finish(error)
            return None
        if result is None:
            return None
        following = None
        if worker in self._starts:
            following = self._begin(worker, self._take_next(worker))
        else:
            self._rest(worker)
        begun.finish(result)
        return following

    def _divide(
        self, worker: Worker, job: Job[Any], stream: Stream[Any], finish: Answered,
    ) -> TileWork | None:
        """Return the tiles of a frame; None for the whole image alone."""
        tiling = stream.tiling
        tiles = tiling.tiles(job.frame.size, worker.info.input.size) if tiling else None
        if tiling is None or tiles is None:
            return None
        frame = TiledFrame.of(job.frame, tiles, stream.criteria or worker.info.criteria)

        def settled(work: TileWork, answer: Result | Exception) -> None:
            if isinstance(answer, Result):
                with self._changed:
                    stream.charge(answer.tiles.inferred)
            finish(answer)
            with self._changed:
                self._tiled.remove(work)
        return TileWork(frame, stream.schedule, job.arrived + tiling.budget, settled)

    def _process_tiled(self, worker: Worker, work: TileWork) -> None:
        """Work on the parts of a frame, while idle workers help."""
        with self._changed:
            self._tiled.append(work)
            self._changed.notify_all()
        with suppress(Exception):  # it has failed the frame, and the worker may not be ready
            work.run(worker.detect, lambda: self._stopping)
            self._rest(worker)

    def _finish(self, stream: Stream[Any], position: int, outcome: Outcome[Any]) -> None:
        """Store an outcome, and deliver outcomes in order unless another thread does."""
        with self._changed:
            if not stream.finish(position, outcome):
                return
        while (ready := self._next_outcome(stream)) is not None:
            _deliver(stream, ready)

    def _next_outcome(self, stream: Stream[Any]) -> Outcome[Any] | None:
        with self._changed:
            ready = stream.next_outcome()
            if len(stream) or self._stopping:  # one more frame of the stream may be taken
                self._wake()
            return ready


def _try_to_prepare(worker: Worker) -> bool | Exception:
    """Return whether a worker is ready, or the error that prevents it."""
    try:
        return worker.prepare(PREPARE_TIMEOUT)
    except Exception as error:  # noqa: BLE001 - other workers continue, or frames fail with it
        return error


def _deliver(stream: Stream[Any], outcome: Outcome[Any]) -> None:
    start = perf_counter()
    error = outcome.error
    try:
        stream.deliver(outcome)
    except Exception as failure:  # noqa: BLE001 - a failed delivery loses this frame only
        error = error or failure
    end = perf_counter()
    statistics = stream.statistics
    if error is not None or outcome.result is None:
        statistics.count_failed(error or RuntimeError('a worker returned no result'))
        return
    statistics.count_published(
        outcome.result.tiles, wait=outcome.waited, **outcome.result.times.by_stage(),
        publish=end - start, total=end - outcome.job.arrived)
