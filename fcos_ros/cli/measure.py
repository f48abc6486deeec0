# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure inference and the whole pipeline while several workers are busy all the time.

The workers are those of the node: threads, or child processes for engines that hold the GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Barrier, Event
from time import perf_counter
from typing import TypeVar

import numpy as np

from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import DetectorConfig, InferenceTimes, Result
from fcos_ros.runtime.workers import Worker, close_workers, open_workers

WARM_UP_FRAMES = 5
"""Frames that each worker processes before the measurement."""

WORKER_TIMEOUT = 60.0
"""Seconds for one task of a worker; slow CPUs take some seconds for a frame."""

SERIES_LENGTH = 20
"""Inferences of one task. After each task, progress is reported and the run can be stopped."""

Advance = Callable[[int], None]
"""Called with the number of frames that were finished."""

Measured = TypeVar('Measured')


@dataclass(frozen=True)
class LatencySummary:
    """Mean and percentiles of latencies, in milliseconds."""

    mean: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> LatencySummary:
        """Summarise samples; there must be at least one."""
        samples = 1000 * np.asarray(seconds)
        return cls(float(samples.mean()), *map(float, np.percentile(samples, (50, 95, 99))))


@dataclass(frozen=True)
class Throughput:
    """
    The frame rate of workers that are busy all the time.

    :ivar seconds: from the start of the first frame to the end of the last.
    :ivar fps: frames / seconds.
    :ivar latency: the time that a worker takes for one frame.
    """

    frames: int
    seconds: float
    fps: float
    latency: LatencySummary


@dataclass(frozen=True)
class PipelineTimes:
    """
    The times of the whole pipeline, from a frame to its detections in image pixels.

    :ivar whole: all stages together.
    :ivar preprocess: one stage; likewise `infer` and `decode`.
    :ivar detections: mean number of detections in a frame.
    """

    whole: Throughput
    preprocess: LatencySummary
    infer: LatencySummary
    decode: LatencySummary
    detections: float


def measure_inference(
    config: DetectorConfig, workers: int, count: int, frame: Frame, advance: Advance,
) -> Throughput:
    """
    Measure inference alone, without preprocessing and decoding.

    :param count: number of inferences, of all workers together.
    :param frame: the input of all inferences.
    :raises ModelError: the model cannot be used.
    :raises InferenceError: the engine failed.
    :raises WorkerError: a worker failed, died or timed out.
    """
    def infer(worker: Worker, number: int) -> InferenceTimes:
        times = worker.time_inference(frame, number)
        advance(number)
        return times

    with _open(config, workers, frame) as opened:
        series = [_split(share, SERIES_LENGTH) for share in _divide(count, workers)]
        runs = _run_together(opened, series, infer)
    return _throughput([times for run in runs for times in run])


def measure_pipeline(
    config: DetectorConfig, workers: int, count: int, frames: Sequence[Frame], advance: Advance,
) -> PipelineTimes:
    """
    Measure preprocessing, inference and decoding together, as the node runs them.

    :param count: number of frames, of all workers together.
    :param frames: the inputs, used in turn.
    :raises ModelError: the model cannot be used.
    :raises InferenceError: the engine failed.
    :raises WorkerError: a worker failed, died or timed out.
    """
    def detect(worker: Worker, number: int) -> tuple[InferenceTimes, Result]:
        start = perf_counter()
        result = worker.detect(frames[number % len(frames)])
        end = perf_counter()
        advance(1)
        return InferenceTimes(start, end, (end - start,)), result

    with _open(config, workers, frames[0]) as opened:
        numbers = [range(share) for share in _divide(count, workers)]
        measured = [pair for run in _run_together(opened, numbers, detect) for pair in run]
    results = [result for _, result in measured]
    return PipelineTimes(
        whole=_throughput([times for times, _ in measured]),
        preprocess=LatencySummary.of([result.times.preprocess for result in results]),
        infer=LatencySummary.of([result.times.infer for result in results]),
        decode=LatencySummary.of([result.times.decode for result in results]),
        detections=float(np.mean([len(result.detections) for result in results])))


@contextmanager
def _open(config: DetectorConfig, count: int, frame: Frame) -> Iterator[Sequence[Worker]]:
    """Open workers and warm them up; close them at the end of the block."""
    workers = open_workers(config, count, WORKER_TIMEOUT)
    try:
        for worker in workers:
            for _ in range(WARM_UP_FRAMES):
                worker.detect(frame)
        yield workers
    finally:
        close_workers(workers)


def _run_together(
    workers: Sequence[Worker], tasks: Sequence[Sequence[int]],
    run: Callable[[Worker, int], Measured],
) -> list[list[Measured]]:
    """Run each worker's tasks on a thread; all start together, and stop if one fails."""
    start, stop = Barrier(min(len(workers), len(tasks))), Event()

    def work(worker: Worker, own: Sequence[int]) -> list[Measured]:
        try:
            start.wait()
            return [run(worker, task) for task in own if not stop.is_set()]
        except Exception:
            stop.set()
            raise

    with ThreadPoolExecutor(len(workers)) as threads:
        try:
            return list(threads.map(work, workers, tasks))
        except BaseException:  # also when the user interrupts
            stop.set()
            start.abort()  # else threads would wait for others that were not started
            close_workers(workers)  # else the threads would wait for workers that hang
            raise


def _divide(count: int, workers: int) -> list[int]:
    """Divide frames among workers as evenly as possible; return the shares above 0."""
    shares = [(count + number) // workers for number in reversed(range(workers))]
    return [share for share in shares if share]


def _split(count: int, length: int) -> list[int]:
    """Split a count into parts of `length`; the last part may be shorter."""
    return [min(length, count - done) for done in range(0, count, length)]


def _throughput(times: Sequence[InferenceTimes]) -> Throughput:
    samples = [seconds for one in times for seconds in one.seconds]
    seconds = max(one.end for one in times) - min(one.start for one in times)
    return Throughput(len(samples), seconds, len(samples) / seconds, LatencySummary.of(samples))
