# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX models: any FCOS is recognised and runs, whatever else is refused by what was found."""

import json
from threading import Thread

import numpy as np
from onnx_models import STRIDES, white_square, write_fcos
import pytest

from fcos_ros.backends import ModelError, load
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Detector

SQUARE = [8 * 5 + 4 - 8, 8 * 3 + 4 - 8, 8 * 5 + 4 + 8, 8 * 3 + 4 + 8]
"""The box found for a white cell in column 5, row 3."""


def bgr(image):
    height, width, _ = image.shape
    return Frame.wrap(image.tobytes(), Size(width, height), 'bgr8')


def detect(path, image):
    return Detector(load(path)).detect(bgr(image)).detections


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
@pytest.mark.parametrize('layout', ['NHWC', 'NCHW'])
@pytest.mark.parametrize('output_layout', ['NHWC', 'NCHW'])
def test_any_layout_and_input_type_finds_the_same(tmp_path, layout, output_layout, dtype):
    path = write_fcos(tmp_path / 'model.onnx', layout=layout, output_layout=output_layout,
                      dtype=dtype, half_box=8.0)
    backend = load(path)
    assert backend.info.input.layout == layout
    assert [level.stride for level in backend.info.head.levels] == list(STRIDES)
    found = detect(path, white_square(128, 5, 3))
    np.testing.assert_allclose(found.boxes, [SQUARE])
    assert found.class_ids.tolist() == [0]


def test_the_file_may_tell_labels_units_and_thresholds(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx', metadata={
        'labels': json.dumps(['cube', 'ball', 'cone']), 'box_unit': 'stride',
        'strides': json.dumps(STRIDES), 'score_threshold': '0.25', 'nms_threshold': '0.45',
        'point_offset': '0.0'})
    info = load(path).info
    assert info.labels.names == ('cube', 'ball', 'cone')
    assert (info.criteria.score_threshold, info.criteria.nms_threshold) == (0.25, 0.45)
    found = detect(path, white_square(128, 5, 3))
    np.testing.assert_allclose(found.boxes, np.subtract([SQUARE], 4))


def test_classes_without_names_are_numbered_and_eighty_are_coco(tmp_path):
    assert load(write_fcos(tmp_path / 'three.onnx')).info.labels.names == ('0', '1', '2')
    assert load(write_fcos(tmp_path / 'coco.onnx', classes=80)).info.labels.name(0) == 'person'


def test_bgr_models_get_bgr(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx', metadata={'pixels': 'bgr'})
    assert load(path).info.input.pixels == 'bgr'


def test_mean_and_std_reach_the_pixels(tmp_path):
    image = np.full((128, 128, 3), 255, np.uint8)
    path = write_fcos(tmp_path / 'dark.onnx', dtype='float32', half_box=8.0,
                      metadata={'mean': '[255, 255, 255]', 'std': '[1, 1, 1]'})
    assert len(detect(path, image)) == 0


def test_several_threads_may_infer_at_once(tmp_path):
    backend = load(write_fcos(tmp_path / 'model.onnx', half_box=8.0))
    assert backend.concurrent
    found = {}

    def work(column):
        detector = Detector(backend)
        for _ in range(20):
            boxes = detector.detect(bgr(white_square(128, column, 3))).detections.boxes
            found.setdefault(column, []).append(boxes.tolist())

    threads = [Thread(target=work, args=(column,)) for column in (2, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for column in (2, 9):
        assert found[column] == [[[8 * column - 4, 20, 8 * column + 12, 36]]] * 20


@pytest.mark.parametrize(('made', 'complaint'), [
    pytest.param({'outputs': 12}, 'not an FCOS', id='outputs missing'),
    pytest.param({'sides': ('height', 'width')}, 'fixed shape', id='size left open'),
    pytest.param({'sides': (None, 128)}, 'fixed shape', id='height left open'),
    pytest.param({'metadata': {'strides': '8, 16'}}, "metadata 'strides'", id='not JSON'),
    pytest.param({'metadata': {'mean': '[1, 2]'}}, 'array of 3', id='two means'),
    pytest.param({'metadata': {'box_unit': 'mile'}}, 'accepted: stride, pixel', id='unit'),
    pytest.param({'metadata': {'score_threshold': '5'}}, 'from 0 to 1', id='threshold'),
    pytest.param({'metadata': {'pixels': 'yuv'}}, 'accepted: rgb, bgr', id='pixels'),
    pytest.param({'metadata': {'labels': '["a", "b"]'}}, '2', id='two labels, three classes'),
])
def test_what_is_not_an_fcos_is_refused_by_what_was_found(tmp_path, made, complaint):
    path = write_fcos(tmp_path / 'model.onnx', **made)
    with pytest.raises(ModelError, match=complaint):
        load(path)


def test_a_missing_file_is_refused_by_its_path(tmp_path):
    with pytest.raises(ModelError, match=r'nowhere\.onnx is not a file'):
        load(tmp_path / 'nowhere.onnx')


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'this is no model')
    with pytest.raises(ModelError, match='cannot be read as ONNX'):
        load(path)


def test_an_unknown_kind_of_file_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ModelError, match=r"suffix '\.weights'; accepted: \.onnx"):
        load(tmp_path / 'yolo.weights')


def test_an_unknown_backend_is_refused_with_the_known_ones(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match='accepted: auto, onnx'):
        load(path, 'tensorrt')
