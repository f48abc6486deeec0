# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A worker that loads its model again refuses any other model, with the reason."""

from dataclasses import replace
import os
import shutil
import signal

from child_processes import is_alive
import numpy as np
from onnx_models import write_fcos
import pytest
from runtime.fake_backend import FakeBackend
from runtime.square_frame import square_frame
from waiting import TIMEOUT, wait_until

from fcos_ros.backends import EngineError, ModelError, load
from fcos_ros.core.labels import Labels
from fcos_ros.runtime import workers
from fcos_ros.runtime.detector import Detector, DetectorConfig
from fcos_ros.runtime.model_file import file_digest, require_same_model
from fcos_ros.runtime.workers import WorkerError, local, open_workers


class EngineHoldingGil:
    """An engine that runs in a child process."""

    holds_gil = True


class FailingOnce(FakeBackend):
    """An engine whose second inference of all fails fatally."""

    def __init__(self, engine):
        super().__init__(engine, {2: EngineError('on fire')})


@pytest.fixture
def own(config, tmp_path):
    """Return a configuration whose model file the test may replace."""
    path = tmp_path / 'model.onnx'
    shutil.copy(config.path, path)
    return DetectorConfig(path)


@pytest.fixture
def other(tmp_path):
    """Return a model that differs in one weight only."""
    return write_fcos(tmp_path / 'other.onnx', half_box=16.0)


@pytest.fixture(params=['in a child', 'in this process'])
def failed_worker(request, own, clock, new_children, monkeypatch):
    """Yield a worker that has lost its model and loads it again for the next frame."""
    if request.param == 'in a child':
        monkeypatch.setattr(workers, 'choose', lambda *_: EngineHoldingGil)
    else:
        monkeypatch.setattr(local, 'load', lambda path, *_: FailingOnce(load(path)))
    worker, = open_workers(own, 1, inference_timeout=TIMEOUT)
    worker.detect(square_frame())
    for child in new_children():
        os.kill(child, signal.SIGKILL)
        wait_until(lambda child=child: not is_alive(child))
    yield worker
    worker.close()


def lose_model(worker):
    with pytest.raises((EngineError, WorkerError)):
        worker.detect(square_frame())


def test_another_file_is_refused_until_the_former_one_is_back(
        failed_worker, own, other, clock, config):
    shutil.copy(other, own.path)
    lose_model(failed_worker)
    with pytest.raises((ModelError, WorkerError), match=r'is another file .* former file back'):
        failed_worker.detect(square_frame())
    with pytest.raises(WorkerError, match=r'is another file .* tried again in'):
        failed_worker.detect(square_frame())
    shutil.copy(config.path, own.path)
    clock.advance(1.0)
    boxes = failed_worker.detect(square_frame()).detections.boxes
    np.testing.assert_array_equal(
        boxes, Detector.load(config.path).detect(square_frame()).detections.boxes)


def test_a_copy_of_the_same_file_is_accepted(failed_worker, own, config, tmp_path):
    copy = tmp_path / 'copy.onnx'
    shutil.copy(config.path, copy)
    copy.replace(own.path)
    lose_model(failed_worker)
    assert len(failed_worker.detect(square_frame()).detections) == 1


def test_a_file_that_is_replaced_while_it_is_loaded_is_refused(own, other, monkeypatch):
    loaded = []

    def load_slowly(path, *_):
        loaded.append(FakeBackend(load(path)))
        shutil.copy(other, path)
        return loaded[-1]
    monkeypatch.setattr(local, 'load', load_slowly)
    with pytest.raises(ModelError, match='was replaced while it was loaded'):
        open_workers(own, 1, inference_timeout=TIMEOUT)
    assert [backend.closed for backend in loaded] == [1]


def test_the_digest_is_that_of_the_file_and_its_file_of_weights(own, other):
    digests = [file_digest(own.path)]
    weights = own.path.with_name('model.onnx.data')
    for content in (b'weights', b'others!'):
        weights.write_bytes(content)
        digests.append(file_digest(own.path))
    assert len({*digests, file_digest(other)}) == 4
    weights.unlink()
    assert file_digest(own.path) == digests[0]


def test_a_model_has_the_same_description_each_time(config):
    require_same_model(load(config.path).info, load(config.path).info)


@pytest.mark.parametrize(('part', 'changes'), [
    ('labels', lambda info: Labels(('a', 'b', 'c'))),
    ('criteria', lambda info: replace(info.criteria, score_threshold=0.7)),
    ('input', lambda info: replace(info.input, pixels='bgr')),
    ('head', lambda info: replace(info.head, box_unit='stride')),
    ('outputs', lambda info: (replace(info.outputs[0], shape=(1, 8, 8, 5)), *info.outputs[1:])),
], ids=lambda value: value if isinstance(value, str) else '')
def test_a_description_that_differs_is_refused_with_the_difference(config, part, changes):
    info = load(config.path).info
    with pytest.raises(ModelError, match=rf'described by another {part} than'):
        require_same_model(info, replace(info, **{part: changes(info)}))
