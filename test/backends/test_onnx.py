# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every FCOS network in an ONNX file runs; other files are refused with the reason."""

import json
from threading import Thread

import numpy as np
from onnx_models import STRIDES, white_square, write_fcos
import pytest

from fcos_ros.backends import ModelError, load
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import Detector

BOX = [8 * 5 + 4 - 8, 8 * 3 + 4 - 8, 8 * 5 + 4 + 8, 8 * 3 + 4 + 8]
"""The box of a white cell in column 5 and row 3."""


def detect(path, image):
    return Detector(load(path)).detect(Frame.from_bgr(image)).detections


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
@pytest.mark.parametrize('layout', ['NHWC', 'NCHW'])
@pytest.mark.parametrize('output_layout', ['NHWC', 'NCHW'])
def test_models_of_any_layout_and_input_type_give_the_same_detections(
    tmp_path, layout, output_layout, dtype,
):
    path = write_fcos(tmp_path / 'model.onnx', layout=layout, output_layout=output_layout,
                      dtype=dtype, half_box=8.0)
    backend = load(path)
    assert backend.info.input.layout == layout
    assert [level.stride for level in backend.info.head.levels] == list(STRIDES)
    found = detect(path, white_square(128, 5, 3))
    np.testing.assert_allclose(found.boxes, [BOX])
    assert found.class_ids.tolist() == [0]


def test_the_metadata_sets_labels_units_and_thresholds(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx', metadata={
        'labels': json.dumps(['cube', 'ball', 'cone']), 'box_unit': 'stride',
        'strides': json.dumps(STRIDES), 'score_threshold': '0.25', 'nms_threshold': '0.45',
        'point_offset': '0.0'})
    info = load(path).info
    assert info.labels.names == ('cube', 'ball', 'cone')
    assert (info.criteria.score_threshold, info.criteria.nms_threshold) == (0.25, 0.45)
    found = detect(path, white_square(128, 5, 3))
    np.testing.assert_allclose(found.boxes, np.subtract([BOX], 4))


def test_classes_without_labels_are_numbered_and_80_classes_are_those_of_coco(tmp_path):
    assert load(write_fcos(tmp_path / 'three.onnx')).info.labels.names == ('0', '1', '2')
    assert load(write_fcos(tmp_path / 'coco.onnx', classes=80)).info.labels.name(0) == 'person'


def test_the_metadata_sets_the_order_of_the_channels(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx', metadata={'pixels': 'bgr'})
    assert load(path).info.input.pixels == 'bgr'


def test_the_metadata_sets_mean_and_std(tmp_path):
    image = np.full((128, 128, 3), 255, np.uint8)
    path = write_fcos(tmp_path / 'dark.onnx', dtype='float32', half_box=8.0,
                      metadata={'mean': '[255, 255, 255]', 'std': '[1, 1, 1]'})
    assert len(detect(path, image)) == 0


def test_several_threads_run_a_model_at_the_same_time(tmp_path):
    backend = load(write_fcos(tmp_path / 'model.onnx', half_box=8.0))
    assert backend.concurrent
    found = {}

    def detect_often(column):
        detector = Detector(backend)
        for _ in range(20):
            result = detector.detect(Frame.from_bgr(white_square(128, column, 3)))
            found.setdefault(column, []).append(result.detections.boxes.tolist())

    threads = [Thread(target=detect_often, args=(column,)) for column in (2, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for column in (2, 9):
        assert found[column] == [[[8 * column - 4, 20, 8 * column + 12, 36]]] * 20


@pytest.mark.parametrize(('properties', 'complaint'), [
    pytest.param({'outputs': 12}, 'not an FCOS', id='12 outputs'),
    pytest.param({'metadata': {'strides': '8, x'}}, "has strides: '8, x' .*; accepted: a list",
                 id='no list'),
    pytest.param({'metadata': {'mean': '[1, 2]'}}, 'a list of 3 numbers', id='two means'),
    pytest.param({'metadata': {'box_unit': 'mile'}}, 'accepted: stride, pixel', id='unknown unit'),
    pytest.param({'metadata': {'score_threshold': '5'}}, 'from 0 to 1', id='threshold of 5'),
    pytest.param({'metadata': {'pixels': 'yuv'}}, 'accepted: nv12, rgb, bgr',
                 id='unknown pixels'),
    pytest.param({'metadata': {'pixels': 'nv12'}}, 'accepted for this model: rgb, bgr', id='NV12'),
    pytest.param({'metadata': {'nv12_range': 'full'}}, 'no meaning for an input of rgb',
                 id='range of NV12'),
    pytest.param({'metadata': {'labels': '["a", "b"]'}},
                 'labels has 2 names, the network 3 classes', id='two labels, three classes'),
    pytest.param({'metadata': {'names': '{1: "a", 2: "b", 3: "c"}'}},
                 'labels has 4 names, the network 3 classes; .*from class 0 on',
                 id='labels from 1 on'),
])
def test_a_model_that_is_not_an_fcos_network_is_refused_with_the_reason(
    tmp_path, properties, complaint,
):
    path = write_fcos(tmp_path / 'model.onnx', **properties)
    with pytest.raises(ModelError, match=complaint):
        load(path)


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(ModelError, match=r'nowhere\.onnx is not a file'):
        load(tmp_path / 'nowhere.onnx')


def test_a_file_that_is_not_onnx_is_refused(tmp_path):
    path = tmp_path / 'text.onnx'
    path.write_bytes(b'This is not a model.')
    with pytest.raises(ModelError, match='cannot be read as ONNX'):
        load(path)


def test_an_unknown_suffix_is_refused_with_the_accepted_ones(tmp_path):
    with pytest.raises(ModelError, match=r"suffix '\.weights'; accepted: \.onnx"):
        load(tmp_path / 'yolo.weights')


def test_an_unknown_backend_is_refused_with_the_accepted_ones(tmp_path):
    path = write_fcos(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match='accepted: auto, onnx'):
        load(path, 'tensorrt')
