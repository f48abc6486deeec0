# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector loads a model, detects objects in frames, and times inferences."""

from time import perf_counter

import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from runtime.fake_backend import FakeBackend
from runtime.square_frame import square_frame, truncated_jpeg

from fcos_ros.backends import EngineError, ModelError, load
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import HeadDecoder
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime import model_path
from fcos_ros.runtime.detector import Detector


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0,
                      metadata={'labels': '["square", "ball", "cone"]'})


def test_a_model_is_loaded_from_a_path(path):
    detector = Detector.load(path)
    assert detector.info.path == path
    assert detector.labels.names == ('square', 'ball', 'cone')
    found = detector.detect(square_frame()).detections
    np.testing.assert_allclose(found.boxes, [[36, 20, 52, 36]], atol=0.5)
    detector.close()


def test_auto_loads_the_demo_network_on_a_machine_that_is_not_a_board(monkeypatch):
    monkeypatch.setattr(model_path, 'this_board', lambda root: None)
    detector = Detector.load()
    assert detector.info.name == 'fcos_demo'
    detector.close()


def test_a_model_that_is_not_found_is_refused():
    with pytest.raises(ModelError, match='was not found'):
        Detector.load('/nowhere/model.onnx')
    with pytest.raises(ModelError, match='backend is'):
        Detector.load(backend='magic')


def test_stretch_fills_the_canvas_and_letterbox_keeps_the_aspect_ratio(path):
    image = np.ascontiguousarray(white_square(128, 5, 3)[::2])
    frame = Frame.wrap(image.tobytes(), Size(128, 64), 'bgr8')
    stretched = Detector.load(path, fit='stretch').detect(frame).detections
    np.testing.assert_allclose(stretched.boxes, [[36, 10, 52, 18]], atol=0.5)
    # In the letterbox, the object is as flat as in the frame, and fills half a cell.
    assert len(Detector.load(path).detect(frame).detections) == 0


def test_criteria_of_the_caller_replace_those_of_the_model(tmp_path):
    strict = Detector.load(write_fcos(
        tmp_path / 'strict.onnx', half_box=8.0, metadata={'score_threshold': '1.0'}))
    assert len(strict.detect(square_frame()).detections) == 0
    assert len(strict.detect(square_frame(), Criteria()).detections) == 1


def test_time_inference_times_each_of_several_inferences(path):
    backend = FakeBackend(load(path))
    before = perf_counter()
    times = Detector(backend).time_inference(square_frame(), 7)
    after = perf_counter()
    assert len(times.seconds) == len(backend.tensors) == 7
    assert all(seconds > 0 for seconds in times.seconds)
    assert sum(times.seconds) == pytest.approx(times.end - times.start)
    assert before <= times.start < times.end <= after


def test_time_inference_prepares_the_frame_once_and_decodes_nothing(path, monkeypatch):
    monkeypatch.delattr(HeadDecoder, 'decode')
    backend = FakeBackend(load(path))
    Detector(backend).time_inference(square_frame(), 3)
    first, *others = backend.tensors
    assert all(tensor is first for tensor in others)
    np.testing.assert_array_equal(first[0, :, :, 0], white_square(128, 5, 3)[:, :, 0])


def test_an_engine_error_ends_time_inference(path):
    backend = FakeBackend(load(path), {3: EngineError('on fire')})
    detector = Detector(backend)
    with pytest.raises(EngineError, match='on fire'):
        detector.time_inference(square_frame(), 5)
    assert len(backend.tensors) == 3


def test_time_inference_refuses_a_damaged_frame(path):
    detector, frame = Detector.load(path), truncated_jpeg()
    with pytest.raises(FrameError, match='is truncated'):
        detector.time_inference(frame, 1)
