# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements use the workers of the node, and close them at the end and after a failure."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import signal
from threading import Barrier, Event, Lock, main_thread

from child_processes import is_blocked
import pytest
from runtime.fake_workers import RESULT
from runtime.frame_source import FRAME
from waiting import TIMEOUT, functions_of, wait_until

from fcos_ros.cli import measure
from fcos_ros.cli.measure import measure_inference, measure_pipeline
from fcos_ros.runtime.detector import DetectorConfig, InferenceTimes
from fcos_ros.runtime.workers import WorkerError

CONFIG = DetectorConfig(Path('model.bin'))


class FakeWorker:
    """
    Counts its frames; each inference takes 10 ms on the clock of its times.

    :ivar frames: the frames that it has detected objects in, without those of the warm-up.
    :ivar series: the number of inferences of each call of `time_inference`.
    """

    def __init__(self, start: float) -> None:
        self.frames, self.series, self.closed = [], [], Event()
        self._now = start

    def detect(self, frame, criteria=None):
        self.frames.append(frame)
        if len(self.frames) > measure.WARM_UP_FRAMES:
            self.work()
        return RESULT

    def time_inference(self, frame, count):
        self.series.append(count)
        self.work()
        start, self._now = self._now, self._now + 0.01 * count
        return InferenceTimes(start, self._now, (0.01,) * count)

    def work(self):
        """Do nothing; a test may replace this."""

    def close(self):
        self.closed.set()


class Progress:
    """Sums up the finished frames; several threads may call it."""

    def __init__(self):
        self.frames = 0
        self._lock = Lock()

    def __call__(self, frames):
        with self._lock:
            self.frames += frames


@pytest.fixture
def open_fake_workers(monkeypatch):
    """Return a function that makes workers for the next measurement."""
    def open_fake(count) -> Sequence[FakeWorker]:
        workers = [FakeWorker(start=100.0 + number) for number in range(count)]

        def open_workers(config, opened, timeout):
            assert (config, opened, timeout) == (CONFIG, count, measure.WORKER_TIMEOUT)
            return workers
        monkeypatch.setattr(measure, 'open_workers', open_workers)
        return workers
    return open_fake


def run_inference(count, workers, progress=lambda frames: None):
    return measure_inference(CONFIG, workers, count, FRAME, progress)


def run_pipeline(count, workers, progress=lambda frames: None):
    return measure_pipeline(CONFIG, workers, count, [FRAME], progress)


def test_inference_is_timed_by_the_workers_in_short_series(open_fake_workers):
    workers, progress = open_fake_workers(2), Progress()
    count = 3 * measure.SERIES_LENGTH
    throughput = run_inference(count, 2, progress)
    half = [measure.SERIES_LENGTH, measure.SERIES_LENGTH // 2]
    assert [worker.series for worker in workers] == [half, half]
    assert [worker.frames for worker in workers] == [[FRAME] * measure.WARM_UP_FRAMES] * 2
    assert all(worker.closed.is_set() for worker in workers)
    assert throughput.frames == progress.frames == count


def test_throughput_spans_the_first_start_and_the_last_end(open_fake_workers):
    open_fake_workers(2)
    throughput = run_inference(40, 2)
    # The workers start at 100 s and at 101 s, and each takes 0.2 s.
    assert throughput.seconds == pytest.approx(1.2)
    assert throughput.fps == pytest.approx(40 / 1.2)
    assert throughput.latency.mean == pytest.approx(10)


@pytest.mark.parametrize('run', [run_inference, run_pipeline])
def test_workers_without_a_frame_are_warmed_up_and_closed(open_fake_workers, run):
    workers, progress = open_fake_workers(5), Progress()
    run(3, 5, progress)
    done = [len(worker.series) + len(worker.frames) - measure.WARM_UP_FRAMES
            for worker in workers]
    assert sorted(done) == [0, 0, 1, 1, 1]
    assert progress.frames == 3
    assert all(worker.closed.is_set() for worker in workers)


def test_the_frames_of_the_pipeline_are_used_in_turn(open_fake_workers):
    worker, = open_fake_workers(1)
    frames = [FRAME, object(), object()]
    times = measure_pipeline(CONFIG, 1, 5, frames, lambda frames: None)
    assert worker.frames[measure.WARM_UP_FRAMES:] == [*frames, *frames[:2]]
    assert times.whole.frames == 5
    assert times.infer.mean == pytest.approx(1000 * RESULT.times.infer)
    assert times.detections == 0


@pytest.mark.parametrize('run', [run_inference, run_pipeline])
def test_the_failure_of_a_worker_stops_and_closes_the_others(open_fake_workers, run):
    failing, other = open_fake_workers(2)

    def fail():
        raise WorkerError('on fire')
    failing.work = fail
    other.work = lambda: failing.closed.wait(TIMEOUT)
    with pytest.raises(WorkerError, match='on fire'):
        run(1000, 2)
    assert len(other.series) + len(other.frames) - measure.WARM_UP_FRAMES <= 1
    assert other.closed.is_set()


@pytest.mark.parametrize('run', [run_inference, run_pipeline])
def test_an_interrupt_closes_workers_that_hang(open_fake_workers, run):
    workers, all_hang, ends = open_fake_workers(2), Barrier(2), []

    def hang(worker):
        if all_hang.wait(TIMEOUT) == 0:
            # A signal shortly before a thread waits for a lock would not end that wait.
            wait_until(lambda: 'result' in functions_of(main_thread())
                       and is_blocked(os.getpid()))
            signal.pthread_kill(main_thread().ident, signal.SIGINT)
        ends.append(worker.closed.wait(TIMEOUT))
        raise WorkerError('the worker was closed')
    for worker in workers:
        worker.work = lambda worker=worker: hang(worker)
    with pytest.raises(KeyboardInterrupt):
        run(1000, 2)
    assert ends == [True, True], 'the workers were closed while they hung'


def test_an_interrupt_before_all_threads_have_started_ends_the_measurement(
        open_fake_workers, monkeypatch):
    class InterruptedExecutor(ThreadPoolExecutor):
        def submit(self, *arguments):
            if self._threads:
                raise KeyboardInterrupt
            return super().submit(*arguments)
    monkeypatch.setattr(measure, 'ThreadPoolExecutor', InterruptedExecutor)
    workers = open_fake_workers(2)
    with pytest.raises(KeyboardInterrupt):
        run_inference(1000, 2)
    assert all(worker.closed.is_set() for worker in workers)
