# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How fast a model is with N frames at a time.

That is a closed queue, as of the vendor's tool and the published table: each of N workers takes
the next frame as soon as it is done with the last. So latency includes the wait for a core that
the others use, and is about N / rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
import socket
from threading import Barrier, Event, Thread
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends import Backend, ModelInfo, choose, load
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import Preprocessor
from fcos_ros.runtime.detector import Result
from fcos_ros.runtime.process import Process
from fcos_ros.runtime.protocol import Failure, Recipe
from fcos_ros.runtime.worker import Worker, WorkerError, open_workers

WARM_UP = 5
"""Frames that each worker does before any counts."""

PATIENCE = 60.0
"""Seconds without a sign of life; the slowest of CPUs takes some for a frame."""

TELLING = 0.2
"""Seconds from one sign of progress to the next."""

Tick = Callable[[int], None]
"""Told how many more frames are done."""


@dataclass(frozen=True)
class Spread:
    """Milliseconds: the mean, the median, and what 95 and 99 of 100 stay below."""

    mean: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Sum up samples, at least one."""
        samples = 1000 * np.asarray(seconds)
        return cls(float(samples.mean()), *map(float, np.percentile(samples, (50, 95, 99))))


@dataclass(frozen=True)
class Rate:
    """
    A closed queue, measured.

    :ivar seconds: from the first start to the last end.
    :ivar fps: frames / seconds.
    :ivar latency: of one frame, as its worker sees it.
    """

    frames: int
    seconds: float
    fps: float
    latency: Spread


@dataclass(frozen=True)
class PipelineTimes:
    """
    From frames to detections in their pixels.

    :ivar whole: all of it.
    :ivar detections: on an average frame.
    """

    whole: Rate
    preprocess: Spread
    infer: Spread
    decode: Spread
    detections: float


def measure_inference(recipe: Recipe, workers: int, count: int, frame: Frame, tick: Tick) -> Rate:
    """
    Measure inference alone: no preprocessing, no decoding.

    An engine that holds the GIL gets a process for each worker, any other a thread.

    :param count: frames of all workers together.
    :param frame: what all inferences see.
    :raises ModelError: the model cannot be used.
    :raises WorkerError: a worker failed, died or hung.
    """
    with _crew(recipe, workers) as crew:
        info = _heard(crew[0])
        assert isinstance(info, ModelInfo)
        tensor, _ = Preprocessor(info.input, recipe.fit)(frame)
        for worker in crew[1:]:
            _heard(worker)
        for worker, share in zip(crew, _shares(count, workers)):
            worker.send((tensor, share))
        for worker in crew:
            _heard(worker)  # that it is warm
        for worker in crew:
            worker.send('go')
        return _rate(_collected(crew, tick))


def measure_pipeline(
    recipe: Recipe, workers: int, count: int, frames: Sequence[Frame], tick: Tick,
) -> PipelineTimes:
    """
    Measure what the node does with a frame: preprocessing, inference and decoding.

    :param count: frames of all workers together.
    :param frames: shown in turn.
    :raises ModelError: the model cannot be used.
    :raises InferenceError: the engine failed.
    :raises WorkerError: a worker failed, died or hung.
    """
    crew = open_workers(recipe, workers, PATIENCE)
    try:
        for worker in crew:
            for _ in range(WARM_UP):
                worker.detect(frames[0])
        logs = _all_at_once(crew, _shares(count, workers), frames, tick)
    finally:
        for worker in crew:
            worker.close()
    results = [result for log in logs for result in log.results]
    return PipelineTimes(
        whole=_rate([log.log for log in logs]),
        preprocess=Spread.of([result.times.preprocess for result in results]),
        infer=Spread.of([result.times.infer for result in results]),
        decode=Spread.of([result.times.decode for result in results]),
        detections=float(np.mean([len(result.detections) for result in results])))


@dataclass(frozen=True)
class _Log:
    """One worker's frames; `start` and `end` on the clock that all processes share."""

    start: float
    end: float
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class _Work:
    log: _Log
    results: tuple[Result, ...]


def _all_at_once(crew: Sequence[Worker], shares: Sequence[int], frames: Sequence[Frame],
                 tick: Tick) -> list[_Work]:
    start, stop = Barrier(len(crew)), Event()

    def work(worker: Worker, share: int) -> _Work:
        try:
            return _detect(worker, share, frames, start, stop, tick)
        except Exception:
            stop.set()
            raise

    with ThreadPoolExecutor(len(crew)) as pool:
        try:
            return list(pool.map(work, crew, shares))
        finally:
            stop.set()  # also when the user interrupts


def _detect(worker: Worker, share: int, frames: Sequence[Frame], start: Barrier, stop: Event,
            tick: Tick) -> _Work:
    results, seconds = [], []
    start.wait()
    begin = perf_counter()
    for number in range(share):
        if stop.is_set():
            break
        before = perf_counter()
        results.append(worker.detect(frames[number % len(frames)]))
        seconds.append(perf_counter() - before)
        tick(1)
    return _Work(_Log(begin, perf_counter(), tuple(seconds)), tuple(results))


def _shares(count: int, workers: int) -> list[int]:
    """Divide frames among workers, as evenly as possible."""
    return [(count + number) // workers for number in range(workers)]


def _rate(logs: Sequence[_Log]) -> Rate:
    busy = [log for log in logs if log.seconds]
    samples = [seconds for log in busy for seconds in log.seconds]
    seconds = max(log.end for log in busy) - min(log.start for log in busy)
    return Rate(len(samples), seconds, len(samples) / seconds, Spread.of(samples))


@contextmanager
def _crew(recipe: Recipe, count: int) -> Iterator[list[Connection]]:
    """Start workers that `_serve`, and end them in the end; yields the lines to them."""
    engine = choose(recipe.path, recipe.backend)
    with (_processes if engine.holds_gil else _threads)(recipe, count) as crew:
        yield crew


@contextmanager
def _processes(recipe: Recipe, count: int) -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            child = _started(recipe)
            stack.callback(child.end, 0.0)  # whatever it is at; what counts has been said
            lines.append(stack.enter_context(Connection(child.socket.detach())))
        yield lines


def _started(recipe: Recipe) -> Process:
    try:
        return Process(_serve_alone, recipe)
    except OSError as error:
        raise WorkerError(f'no worker process can be started: {error}') from error


@contextmanager
def _threads(recipe: Recipe, count: int) -> Iterator[list[Connection]]:
    backends = [load(recipe.path, recipe.backend, recipe.threads)]
    while len(backends) < count:
        first = backends[0]
        backends.append(first if first.concurrent
                        else load(recipe.path, recipe.backend, recipe.threads))
    lines = [Pipe() for _ in backends]
    threads = [Thread(target=_serve, args=(theirs, backend), daemon=True)
               for (_, theirs), backend in zip(lines, backends)]
    for thread in threads:
        thread.start()
    try:
        yield [ours for ours, _ in lines]
    finally:
        for ours, _ in lines:
            ours.close()
        for thread in threads:
            thread.join(PATIENCE)
        for backend in set(backends):
            backend.close()


def _serve_alone(end: socket.socket, recipe: Recipe) -> None:
    """Be a worker in a process of its own."""
    line = Connection(end.detach())
    try:
        backend = load(recipe.path, recipe.backend, recipe.threads)
    except Exception as error:  # noqa: BLE001 - the parent has to learn of whatever it is
        with suppress(OSError):  # the parent has gone
            line.send(Failure(str(error) or repr(error), fatal=True))
        return
    _serve(line, backend)


def _serve(line: Connection, backend: Backend) -> None:
    """Be a worker: describe the model, get a tensor, warm up, and on the word infer and log."""
    with line, suppress(EOFError, OSError):  # the parent has gone
        try:
            line.send(backend.info)
            tensor, share = line.recv()
            own = backend.new_input()
            own[...] = tensor
            for _ in range(WARM_UP):
                backend.infer(own)
            line.send('warm')
            line.recv()
            line.send(_infer(line, backend, own, share))
        except Exception as error:  # noqa: BLE001 - the parent has to learn of whatever it is
            line.send(Failure(f'{type(error).__name__}: {error}'))


def _infer(line: Connection, backend: Backend, tensor: NDArray[Any], share: int) -> _Log:
    seconds, told, told_at = [], 0, perf_counter()
    begin = perf_counter()
    for number in range(share):
        before = perf_counter()
        backend.infer(tensor)
        after = perf_counter()
        seconds.append(after - before)
        if after - told_at > TELLING:
            line.send(number + 1 - told)
            told, told_at = number + 1, after
    end = perf_counter()
    line.send(share - told)
    return _Log(begin, end, tuple(seconds))


def _collected(crew: Sequence[Connection], tick: Tick) -> list[_Log]:
    """Pass on the signs of progress until every worker has handed in its log."""
    logs, busy = [], list(crew)
    while busy:
        ready = wait(busy, PATIENCE)
        if not ready:
            raise WorkerError(f'no worker finished a frame in {PATIENCE:g} s')
        for worker in ready:
            assert isinstance(worker, Connection)
            said = _heard(worker)
            if isinstance(said, int):
                tick(said)
            else:
                logs.append(said)
                busy.remove(worker)
    return logs


def _heard(worker: Connection) -> Any:
    """Hear a worker's next word; a failure is raised."""
    if not worker.poll(PATIENCE):
        raise WorkerError(f'the worker did not answer in {PATIENCE:g} s')
    try:
        said = worker.recv()
    except (EOFError, OSError):
        raise WorkerError('the worker died') from None
    if isinstance(said, Failure):
        raise WorkerError(said.reason)
    return said
