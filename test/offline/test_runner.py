# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run has exactly one result for each frame, in order, equal to that of the node's detector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
import os
from types import SimpleNamespace

import cv2
import numpy as np
from offline.source_frames import PERIOD, square_frames
from onnx_models import white_square, write_fcos
import pytest
from runtime import fake_workers

from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.tracking import Tracker
from fcos_ros.offline import runner
from fcos_ros.offline.frames import OfflineError, SourceFrame
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import AHEAD, OfflineDetector, UnreadyError
from fcos_ros.runtime.detector import Detector
from fcos_ros.runtime.statistics import FrameStatistics
from fcos_ros.runtime.workers import WorkerError
from fcos_ros.settings.criteria import ActiveCriteria, to_tracker_settings

COLUMNS = [1, 2, 0, -1, 3, 15, -2, 4, 5, 5, 6, 7, 8, 8, 9, 9, 10, 11, 12, -1, 13]


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0)


def run(model, frames, statistics=None, **given):
    with OfflineDetector(DetectionPlan.of({'model': str(model), **given})) as detector:
        return list(detector.run(frames, statistics))


def assert_equal(found: Detections, expected: Detections) -> None:
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_array_equal(found.track_ids, expected.track_ids)


@pytest.mark.parametrize('workers', [1, 3])
@pytest.mark.parametrize('given', [
    {}, {'score_threshold': 0.99}, {'track': True, 'track_threshold': 0.05},
    {'exclude_zones': ('0 0, 0.5 0, 0.5 1, 0 1',)}, {'class_thresholds': ('0: 1.0',)}])
def test_each_frame_has_the_result_of_the_detector_and_the_tracker(model, workers, given):
    results = run(model, square_frames(COLUMNS), workers=workers, **given)
    plan = DetectionPlan.of({'model': str(model), **given})
    with closing(Detector.from_config(plan.config)) as detector:
        active = ActiveCriteria.of(plan.settings_of(''), detector.info)
        tracker = Tracker(to_tracker_settings(active.settings))
        for number, (column, result) in enumerate(zip(COLUMNS, results, strict=True)):
            assert result.frame.context == number
            if column < 0:
                continue
            found = detector.detect(result.frame.image, active.decoded).detections
            if 'track' in given:
                found = tracker.update(found, number * PERIOD / 1e9, active.wanted)
            assert_equal(result.detections, found)


def test_a_damaged_frame_has_an_error_and_no_detections(model):
    statistics = FrameStatistics()
    results = run(model, square_frames(COLUMNS), statistics)
    failed = [result for result, column in zip(results, COLUMNS) if column < 0]
    assert [type(result.error) for result in failed] == [FrameError] * 3
    assert all(result.detections is None for result in failed)
    assert all(len(result.detections) == 1 and result.error is None
               for result in results if result not in failed)
    counts = statistics.counts()
    assert (counts.received, counts.published, counts.failed) == (21, 18, 3)
    assert counts.superseded == counts.in_flight == 0
    assert counts.errors == {'truncated': 2, 'damaged': 1}
    assert set(statistics.percentiles()) == {'preprocess', 'infer', 'decode'}


def test_an_endless_source_is_read_only_as_far_as_results_are_taken(model):
    taken = []

    def endless() -> Iterator[SourceFrame]:
        for frame in square_frames(number % 14 for number in count()):
            taken.append(frame)
            yield frame
    with (OfflineDetector(DetectionPlan.of({'model': str(model)})) as detector,
          closing(detector.run(endless())) as results):
        for _ in range(5):
            next(results)
    assert len(taken) <= 5 + AHEAD


def test_the_settings_of_each_camera_apply_to_its_frames(model):
    names = ('front', 'rear', 'other')
    cameras = [square_frames([3] * 4, name) for name in names]
    frames = [frame for together in zip(*cameras) for frame in together]
    results = run(model, frames, cameras=('front', 'rear'), **{'rear.min_size': 99.0})
    counts = {name: [len(result.detections) for result in results if result.frame.camera == name]
              for name in names}
    assert counts == {'front': [1] * 4, 'rear': [0] * 4, 'other': [1] * 4}


@pytest.mark.parametrize('workers', [1, 4])
def test_measured_properties_of_samples_do_not_depend_on_the_number_of_workers(model, workers):
    """A later, brighter image raises the measured bits; the earlier ones keep theirs."""
    def wide() -> Iterator[SourceFrame]:
        for number in range(3 * AHEAD):
            bits = 10 if number < AHEAD + 3 else 14
            image = white_square(128, 5, 3).astype(np.uint16) // 255 * (2**bits - 1)
            file = cv2.imencode('.png', image[:, :, 0])[1]
            yield SourceFrame(f'{number}', number, Frame.compressed(file.tobytes(), 'bayer_rggb8'))
    scores = [float(result.detections.scores.max(initial=0))
              for result in run(model, wide(), workers=workers, score_threshold=0.01)]
    with closing(Detector.load(model)) as detector:
        first = [float(detector.detect(frame.image).detections.scores.max(initial=0))
                 for frame in list(wide())[:AHEAD]]
    assert scores[:AHEAD] == first
    assert scores == [float(result.detections.scores.max(initial=0)) for result in run(
        model, wide(), workers=2, score_threshold=0.01)]


def test_settings_that_do_not_fit_the_model_are_refused(model):
    with pytest.raises(OfflineError, match="unknown class 'dog'"):
        run(model, [], classes=('dog',))


class _Flaky(fake_workers.ReadyWorker):
    """Fails on its first frame, and is not ready for a moment after that."""

    def __init__(self) -> None:
        self.calls = 0
        self.refusals = 2

    def prepare(self, timeout):
        if self.calls == 1 and self.refusals:
            self.refusals -= 1
            raise WorkerError('the next attempt is not due yet')
        return True

    def detect(self, frame, criteria=None):
        self.calls += 1
        if self.calls == 1:
            raise WorkerError('the worker died')
        return fake_workers.RESULT


@pytest.fixture
def open_with(monkeypatch, model):
    """Return a function that opens a detector with other workers; they keep the model's facts."""
    with closing(Detector.load(model)) as detector:
        info = detector.info

    def open_detector(*workers):
        for worker in workers:
            worker.info, worker.close = info, lambda: None
        monkeypatch.setattr(runner, 'open_workers', lambda *arguments: list(workers))
        return OfflineDetector(DetectionPlan.of({'model': str(model)}))
    return open_detector


def test_a_frame_is_tried_again_after_its_worker_died(open_with):
    worker = _Flaky()
    with open_with(worker) as detector:
        results = list(detector.run(square_frames([1, 2, 3])))
    assert [result.error for result in results] == [None] * 3
    assert (worker.calls, worker.refusals) == (4, 0)


def test_a_frame_on_which_every_worker_fails_counts_as_failed(open_with):
    with open_with(fake_workers.FailingWorker(), fake_workers.FailingWorker()) as detector:
        results = list(detector.run(square_frames([1, 2])))
    assert [str(result.error) for result in results] == ['the engine is on fire'] * 2
    assert all(result.detections is None for result in results)


def test_a_run_ends_when_the_workers_do_not_get_ready_any_more(open_with, monkeypatch):
    monkeypatch.setattr(runner, 'READY_TIMEOUT', 0.3)
    with (open_with(fake_workers.UnreadyWorker('no memory')) as detector,
          pytest.raises(UnreadyError, match='no memory')):
        list(detector.run(square_frames([1])))


def test_a_bpu_has_twice_the_workers_of_the_node_and_a_cpu_one_for_each_core(model, monkeypatch):
    config = DetectionPlan.of({'model': str(model)}).config
    cores = len(os.sched_getaffinity(0))
    assert runner.busy_workers(config) == max(1, min(runner.AHEAD, cores // config.threads))
    monkeypatch.setattr(runner, 'choose', lambda *_: SimpleNamespace(uses_bpu=True))
    monkeypatch.setattr(runner, 'default_workers', lambda _: 3)
    assert runner.busy_workers(config) == 6
