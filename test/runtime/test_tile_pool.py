# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pool works on the whole image first, then on the tiles that fit into the budget."""

from contextlib import closing
import gc
from threading import Barrier, Event, Lock, Semaphore, Timer
from time import perf_counter
from types import SimpleNamespace
import weakref

import cv2
import numpy as np
from onnx_models import write_fcos
import pytest
from runtime.fake_workers import ReadyWorker
from runtime.frame_source import FrameSource
from runtime.square_frame import square_frame, truncated_jpeg
from waiting import TIMEOUT, wait_until

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.core.tiles import Grid, Tiling
from fcos_ros.runtime.detector import Detector, DetectorConfig, Result, StageTimes
from fcos_ros.runtime.tile_work import MAX_SAMPLES, TileSchedule, TileWork
from fcos_ros.runtime.tiled import TiledFrame, detect_in_tiles
from fcos_ros.runtime.workers import ProcessWorker, close_workers

IMAGE, CANVAS = Size(400, 200), Size(100, 100)
FRAME = Frame.from_bgr(np.zeros((IMAGE.height, IMAGE.width, 3), np.uint8))
GRID = Grid(4, 1)
TILES = Tiling(GRID).tiles(IMAGE, CANVAS)
HOURS = Tiling(GRID, budget=3600.0)


class TileWorker(ReadyWorker):
    """
    Detects one object in the middle of each part, and keeps the sizes of the parts in order.

    :param parts: shared by the workers of a pool.
    :param before: called with the size of each part.
    """

    info = SimpleNamespace(input=SimpleNamespace(size=CANVAS), criteria=Criteria())

    def __init__(self, parts, before=lambda size: None):
        self._parts, self._before, self._lock = parts, before, Lock()

    def detect(self, frame, criteria=None):
        with self._lock:
            self._parts.append(frame.size)
        self._before(frame.size)
        x, y = frame.size.width / 2, frame.size.height / 2
        boxes = np.array([[x - 5, y - 5, x + 5, y + 5]], np.float32)
        return Result(Detections(boxes, np.ones(1, np.float32), np.zeros(1, np.int32)),
                      StageTimes(0.001, 0.002, 0.003))


def tiled_source(*workers, tiling=HOURS):
    source = FrameSource.of(*workers)
    source.stream.tiling = tiling
    return source


def finish(source):
    source.wait_until_done()
    source.stop()


def middles(result):
    return sorted(((result.detections.boxes[:, 0] + result.detections.boxes[:, 2]) / 2).tolist())


def test_the_whole_image_is_first_and_all_tiles_contribute():
    parts = []
    source = tiled_source(TileWorker(parts))
    source.submit('frame', frame=FRAME)
    finish(source)
    assert parts == [IMAGE, *(window.size for window in TILES.windows)]
    result = source.outcomes[0].result
    assert result.tiles == (4, 0)
    assert middles(result) == sorted(
        [200, *((window.left + window.right) / 2 for window in TILES.windows)])
    assert (source.counts.tiles, source.counts.tiles_left_out) == (4, 0)
    assert list(source.statistics.percentiles()) == [
        'wait', 'preprocess', 'infer', 'decode', 'tiles', 'publish', 'total']


def test_an_image_that_is_not_larger_than_the_canvas_has_no_tiles():
    parts = []
    source = tiled_source(TileWorker(parts), tiling=Tiling(None, budget=3600.0))
    small = Frame.from_bgr(np.zeros((100, 120, 3), np.uint8))
    source.submit('first', 'second', frame=small)
    finish(source)
    assert set(parts) == {small.size}
    assert not source.counts.tiles
    assert not source.counts.tiles_left_out


def test_idle_workers_help_with_the_tiles():
    """The whole image and two tiles of one frame meet, which needs three workers."""
    meeting, parts = Barrier(3), []
    source = tiled_source(*(TileWorker(parts, lambda _: meeting.wait(TIMEOUT)) for _ in range(3)),
                          tiling=Tiling(Grid(2, 1), budget=3600.0))
    source.stream.schedule.learn(0.0)
    source.submit('frame', frame=FRAME)
    finish(source)
    assert source.outcomes[0].error is None
    assert source.outcomes[0].result.tiles == (2, 0)


def test_a_worker_that_has_helped_takes_a_waiting_frame_before_the_next_tile():
    parts = []

    class HeldWorker(TileWorker):
        """Waits for a permit before it finishes anything but a whole image."""

        def __init__(self):
            super().__init__([])
            self.permits = Semaphore(0)

        def detect(self, frame, criteria=None):
            parts.append((self, frame.size))
            assert frame.size == IMAGE or self.permits.acquire(timeout=TIMEOUT)
            return super().detect(frame, criteria)

    workers = HeldWorker(), HeldWorker()
    plain = Frame.from_bgr(np.zeros((50, 60, 3), np.uint8))
    source = tiled_source(*workers)
    source.stream.schedule.learn(0.0)
    other = FrameSource(source.pool)
    source.submit('tiled', frame=FRAME)
    wait_until(lambda: len(parts) == 3)  # the whole image, and a tile for each worker
    other.submit('plain', frame=plain)
    leader = next(worker for worker, size in parts if size == IMAGE)
    helper = workers[leader is workers[0]]
    helper.permits.release()
    wait_until(lambda: len(parts) == 4)
    assert parts[3] == (helper, plain.size)
    for worker in workers:
        worker.permits.release(5)
    finish(source)
    assert source.outcomes[0].result.tiles == (4, 0)


def test_tiles_that_do_not_fit_into_the_budget_are_left_out():
    parts = []
    source = tiled_source(TileWorker(parts), tiling=Tiling(GRID, budget=0.0))
    source.submit(*range(3), frame=FRAME)
    finish(source)
    assert parts == [IMAGE] * len(source.outcomes)
    assert all(middles(outcome.result) == [200] for outcome in source.outcomes)
    assert source.counts.tiles_left_out == 4 * len(source.outcomes)


def test_a_pool_that_stops_leaves_out_the_tiles_that_wait():
    begun, gate = Event(), Event()

    def hold(size):
        begun.set()
        assert gate.wait(TIMEOUT)
    source = tiled_source(TileWorker([], hold))
    source.submit('frame', frame=FRAME)
    assert begun.wait(TIMEOUT)
    assert not source.pool.stop(0.0)
    gate.set()
    finish(source)
    assert source.outcomes[0].result.tiles == (0, 4)


RESULT = Result(Detections.empty(), StageTimes(0.001, 0.002, 0.003))


def learn(schedule, seconds):
    for _ in range(MAX_SAMPLES):
        schedule.learn(seconds)


def test_a_few_slow_parts_do_not_change_the_expected_time():
    schedule = TileSchedule()
    learn(schedule, 0.02)
    for _ in range(MAX_SAMPLES // 16):
        schedule.learn(5.0)
    assert schedule.expected() == 0.02
    for _ in range(MAX_SAMPLES // 8):
        schedule.learn(5.0)
    assert schedule.expected() == 5.0


def test_all_tiles_get_their_turn_when_one_fits():
    schedule, turns, answers = TileSchedule(), [], []

    def detect_one(frame, criteria):
        if frame.size != IMAGE:
            learn(schedule, 1e9)  # from now on no tile fits
            turns.append(frame)
        return RESULT

    frame = TiledFrame.of(FRAME, TILES, Criteria())
    for _ in range(6):
        learn(schedule, 0.0)
        work = TileWork(frame, schedule, perf_counter() + 3600.0,
                        lambda _, answer: answers.append(answer))
        work.run(detect_one, lambda: False)
    assert [answer.tiles for answer in answers] == [(1, 3)] * 6
    lefts = [turn.planes[0].__array_interface__['data'][0]
             - FRAME.planes[0].__array_interface__['data'][0] for turn in turns]
    expected = [3 * window.left for window in TILES.windows]
    assert lefts == [*expected, *expected[:2]]


@pytest.mark.parametrize('workers', [1, 2])
def test_a_frame_does_not_wait_for_a_tile_that_hangs(workers):
    hung, begun, parts = Event(), Event(), []

    def hang(size):
        if size != IMAGE:
            begun.set()
            assert hung.wait(TIMEOUT)
    source = tiled_source(*(TileWorker(parts, hang) for _ in range(workers)),
                          tiling=Tiling(GRID, budget=1.0))

    def hangs():
        source.submit('frame', frame=FRAME)
        source.wait_until_done()
        return begun.is_set()
    wait_until(hangs)
    assert source.outcomes[-1].result.tiles == (0, 4)
    assert middles(source.outcomes[-1].result) == [200]
    known = source.counts.published
    hung.set()
    wait_until(lambda: source.submit('next', frame=FRAME) or source.counts.published > known)
    source.stop()


def test_a_pool_ends_when_the_frame_of_a_late_tile_is_delivered():
    hung, begun, delivering, gate = Event(), Event(), Event(), Event()

    def hang(size):
        if size != IMAGE:
            begun.set()
            assert hung.wait(TIMEOUT)

    def deliver(outcome):
        if begun.is_set():
            delivering.set()
            assert gate.wait(TIMEOUT)
    source = FrameSource.of(TileWorker([], hang), deliver=deliver)
    source.stream.tiling = Tiling(GRID, budget=1.0)
    wait_until(lambda: source.submit('frame', frame=FRAME) or begun.wait(0.1))
    assert delivering.wait(TIMEOUT)
    hung.set()  # the worker has no work left
    assert not source.pool.stop(0.5)
    gate.set()
    finish(source)


def test_a_frame_is_released_when_it_is_delivered():
    source = tiled_source(TileWorker([]), tiling=Tiling(GRID, budget=3600.0))
    frame = Frame.from_bgr(np.zeros((IMAGE.height, IMAGE.width, 3), np.uint8))
    pixels = weakref.ref(frame.planes[0])
    gc.disable()
    try:
        source.submit('frame', frame=frame)
        del frame
        source.wait_until_done()
        assert source.outcomes.pop().result.tiles == (4, 0)
        wait_until(lambda: pixels() is None)
    finally:
        gc.enable()
    source.stop()


def test_helpers_wait_until_the_time_of_a_part_is_known():
    schedule = TileSchedule()
    work = TileWork(TiledFrame.of(FRAME, TILES, Criteria()), schedule, perf_counter() + 3600.0,
                    lambda *_: None)
    assert not work.is_open
    schedule.learn(0.0)
    assert work.is_open


def test_a_tile_that_fails_fails_its_frame():
    def fail(size):
        if len(parts) == 3:
            raise RuntimeError('the engine is on fire')
    parts = []
    source = tiled_source(TileWorker(parts, fail))
    source.submit('frame', frame=FRAME)
    finish(source)
    assert str(source.outcomes[0].error) == 'the engine is on fire'
    assert len(parts) == 3
    assert source.counts.failed == 1


def test_a_frame_whose_timer_gets_no_thread_fails(monkeypatch):
    def fail(timer):
        raise RuntimeError("can't start new thread")
    source = tiled_source(TileWorker([]))
    with monkeypatch.context() as patch:
        patch.setattr(Timer, 'start', fail)
        source.submit('frame', frame=FRAME)
        wait_until(lambda: source.counts.failed == 1)
    source.submit('next', frame=FRAME)
    finish(source)
    assert [outcome.error is None for outcome in source.outcomes] == [False, True]


def test_an_image_file_is_decoded_once_and_a_damaged_one_fails():
    file = cv2.imencode('.jpg', np.zeros((200, 400, 3), np.uint8))[1].tobytes()
    kinds = []

    class Worker(TileWorker):
        def detect(self, frame, criteria=None):
            kinds.append(frame.encoding)
            return super().detect(frame, criteria)

    source = tiled_source(Worker([]))
    source.submit('whole', frame=Frame.compressed(file))
    source.wait_until_done()
    source.submit('damaged', frame=truncated_jpeg())
    finish(source)
    assert kinds == ['bgr8'] * 5
    assert source.outcomes[0].result.tiles == (4, 0)
    assert source.outcomes[1].error is not None


def test_tiles_count_as_turns_of_their_stream():
    """A stream with four tiles has a fifth of the frames of an equal one without."""
    source = tiled_source(TileWorker([]))
    source.submit('first', frame=FRAME)
    finish(source)
    assert source.stream.next_turn(0.0) == 1 + 4


@pytest.fixture(scope='module')
def squares(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0)


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_workers_in_children_find_in_tiles_what_a_detector_finds(squares, encoding):
    frame = square_frame(37, 512, encoding)
    tiling = Tiling(Grid(4, 4), overlap=0.0, budget=3600.0)
    with closing(Detector.from_config(DetectorConfig(squares))) as detector:
        criteria = detector.info.criteria
        tiles = tiling.tiles(frame.size, detector.info.input.size)
        expected = detect_in_tiles(detector.detect, frame, tiles, criteria).detections
    assert expected.boxes.tolist() == [[292, 20, 308, 36]]
    workers = open_children(squares, 2)
    source = tiled_source(*workers, tiling=tiling)
    source.submit('frame', frame=frame)
    finish(source)
    close_workers(workers)
    assert source.outcomes[0].result.tiles == (16, 0)
    assert source.outcomes[0].result.detections.boxes.tolist() == expected.boxes.tolist()
    assert source.outcomes[0].result.detections.scores.tolist() == expected.scores.tolist()


def open_children(path, count):
    """Return workers in child processes that have loaded a model."""
    workers = [ProcessWorker(DetectorConfig(path), TIMEOUT) for _ in range(count)]
    for worker in workers:
        worker.wait_until_loaded()
    return workers
