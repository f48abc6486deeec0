# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers in this process replace a detector or a model after a failure."""

import pytest
from runtime.fake_backend import FakeBackend
from runtime.square_frame import square_frame

from fcos_ros.backends import EngineError, InferenceError, LateError, ModelError, load
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import LocalWorker, WorkerError, local

CALLS = {'detect': lambda worker: worker.detect(square_frame()),
         'time_inference': lambda worker: worker.time_inference(square_frame(), 1)}

either_call = pytest.mark.parametrize('call', CALLS.values(), ids=CALLS)


@pytest.fixture
def loaded(monkeypatch):
    """Return a list to which each model is added that a worker loads."""
    models = []

    def load_and_note(*arguments):
        models.append(load(*arguments))
        return models[-1]
    monkeypatch.setattr(local, 'load', load_and_note)
    return models


def make_worker(config, errors=None):
    """Return a worker, and its engine, which raises these errors at these inferences."""
    backend = FakeBackend(load(config.path), errors)
    return LocalWorker(config, backend), backend


def test_a_worker_detects_and_describes_its_model(config):
    worker, backend = make_worker(config)
    assert worker.prepare(0.0)
    assert worker.info is backend.info
    assert len(worker.detect(square_frame()).detections) == 1
    worker.close()


def test_time_inference_times_each_of_several_inferences(config):
    worker, backend = make_worker(config)
    times = worker.time_inference(square_frame(), 6)
    assert len(times.seconds) == len(backend.tensors) == 6
    assert sum(times.seconds) == pytest.approx(times.end - times.start)
    worker.close()


@either_call
def test_a_failed_inference_keeps_model_and_detector(config, loaded, call):
    worker, backend = make_worker(config, {1: InferenceError('damaged')})
    with pytest.raises(InferenceError, match='damaged'):
        call(worker)
    call(worker)
    assert (len(backend.tensors), backend.closed, loaded) == (2, 0, [])
    assert backend.tensors[0] is backend.tensors[1]


@either_call
def test_an_engine_error_closes_the_model_and_the_next_frame_loads_it_again(
        config, loaded, call):
    worker, backend = make_worker(config, {1: EngineError('on fire')})
    with pytest.raises(EngineError, match='on fire'):
        call(worker)
    assert (backend.closed, loaded) == (1, [])
    assert len(worker.detect(square_frame()).detections) == 1
    assert (len(backend.tensors), len(loaded)) == (1, 1)
    worker.close()


@either_call
def test_after_a_timeout_the_next_frame_uses_other_memory_of_the_same_model(
        config, loaded, call):
    worker, backend = make_worker(config, {1: LateError('not finished')})
    with pytest.raises(LateError):
        call(worker)
    assert len(worker.detect(square_frame()).detections) == 1
    assert (backend.closed, loaded) == (0, [])
    assert backend.tensors[0] is not backend.tensors[1]
    worker.close()


@either_call
def test_repeated_engine_errors_lead_to_a_pause(config, clock, monkeypatch, call):
    broken = {1: EngineError('on fire')}
    monkeypatch.setattr(local, 'load', lambda path, *_: FakeBackend(load(path), broken))
    worker, _ = make_worker(config, broken)
    for _ in range(2):
        with pytest.raises(EngineError):
            call(worker)
    with pytest.raises(WorkerError, match=r'2 times in a row \(on fire\).* again in 0\.5 s'):
        call(worker)
    with pytest.raises(WorkerError, match='2 times in a row'):
        worker.prepare(0.0)
    monkeypatch.setattr(local, 'load', load)
    clock.advance(0.5)
    assert worker.prepare(0.0)
    call(worker)
    worker.close()


def test_a_model_that_cannot_be_loaded_again_is_tried_after_a_pause(config, clock, tmp_path):
    own = DetectorConfig(tmp_path / 'model.onnx')
    own.path.write_bytes(config.path.read_bytes())
    worker, _ = make_worker(own, {1: EngineError('on fire')})
    with pytest.raises(EngineError):
        worker.detect(square_frame())
    own.path.unlink()
    with pytest.raises(ModelError, match='is not a file'):
        worker.prepare(0.0)
    with pytest.raises(WorkerError, match='is not a file'):
        worker.detect(square_frame())
    own.path.write_bytes(config.path.read_bytes())
    clock.advance(0.5)
    assert worker.prepare(0.0)
    assert len(worker.detect(square_frame()).detections) == 1
    worker.close()


def test_a_worker_may_be_closed_twice(config):
    worker, backend = make_worker(config)
    worker.close()
    worker.close()
    assert backend.closed == 1
