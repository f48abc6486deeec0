# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outputs that contradict the description of a model are found when it is loaded."""

import json
import re

import numpy as np
from onnx import TensorProto
from onnx_exports import Export
import pytest

from fcos_ros.backends import ModelError, load
from fcos_ros.backends.base import ModelInfo
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.probe import examine, probe_picture, probe_tensor
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.head import DetectionOutputs, HeadSpec, OutputSpec
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

SIZE = Size(256, 256)
STRIDES = (8, 16, 32, 64, 128)


@pytest.mark.parametrize(('export', 'metadata', 'complaint'), [
    pytest.param(Export(probabilities=True), {}, 'state activation: sigmoid',
                 id='probabilities taken for logits'),
    pytest.param(Export(probabilities=True, joined=True), {}, 'state activation: sigmoid',
                 id='joined probabilities'),
    pytest.param(Export(), {'activation': 'sigmoid'}, 'state activation: logits',
                 id='logits taken for probabilities'),
    pytest.param(Export(unit='stride'), {}, 'state box_unit: stride', id='strides as pixels'),
    pytest.param(Export(kinds=('class', 'box')), {}, 'state box_unit: pixel',
                 id='pixels as strides'),
])
def test_a_contradiction_is_refused_with_the_key_that_ends_it(
        tmp_path, export, metadata, complaint):
    path = export.write(tmp_path / 'model.onnx', metadata)
    with pytest.raises(ModelError, match=f'contradicts its description: .*{complaint}'):
        load(path)
    key, value = complaint.removeprefix('state ').split(': ')
    load(export.write(path, {**metadata, key: value}))


def test_class_values_taken_for_boxes_are_refused_with_the_key_order(tmp_path):
    kinds = ('box', 'class', 'centerness')
    export = Export(classes=4, kinds=kinds, names=tuple(f'out{index}' for index in range(15)))
    path = export.write(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match=r'all box distances are negative.*; state order if they'):
        load(path)
    order = json.dumps([kind for kind in kinds for _ in STRIDES])
    assert load(export.write(path, {'order': order})).info.warnings == ()


def test_a_stated_unit_that_looks_wrong_is_a_warning(tmp_path):
    path = Export(unit='stride').write(tmp_path / 'model.onnx', {'box_unit': 'pixel'})
    warning, = load(path).info.warnings
    assert 'shorter than one cell' in warning


@pytest.mark.parametrize('export', [
    Export(), Export(unit='stride', kinds=('class', 'box')), Export(detections='boxes'),
    Export(dtype=TensorProto.UINT8), Export(shape=(1, 3, 320, 256))])
def test_a_right_description_brings_no_warning(tmp_path, export):
    path = export.write(tmp_path / 'model.onnx', {'labels': json.dumps(['a', 'b', 'c'])})
    assert load(path).info.warnings == ()


def dense(**stated):
    """Return the description of a network with three classes, and outputs as networks have."""
    rng = np.random.default_rng(0)
    specs, outputs = [], []
    for part, channels in (('class', 3), ('box', 4), ('centerness', 1)):
        for stride in STRIDES:
            shape = (1, -(-SIZE.height // stride), -(-SIZE.width // stride), channels)
            unit = 1 if stated.get('box_unit') == 'stride' else stride
            values = (unit * rng.lognormal(1, 0.5, shape) if part == 'box'
                      else rng.normal(-5, 1, shape))
            outputs.append(values.astype(np.float32))
            specs.append(OutputSpec(f'{part}_{stride}', shape, np.dtype(np.float32)))
    metadata = Metadata(**stated, sources=dict.fromkeys(stated, 'a.yaml'))
    return describe(recognise(specs, SIZE, metadata.head_spec()), metadata), outputs


def describe(head, metadata=Metadata()):  # noqa: B008 - it is frozen
    spec = InputSpec('image', SIZE, 'rgb', 'NCHW', np.dtype(np.uint8))
    return ModelInfo('a', 'a.onnx', 'onnx', spec, head.outputs, head, Labels(('a', 'b', 'c')),
                     Criteria(), metadata)


def changed(outputs, first, change):
    """Change the outputs of one part: 0 for class, 5 for box, 10 for centerness."""
    return [change(values).astype(np.float32) if first <= index < first + 5 else values
            for index, values in enumerate(outputs)]


@pytest.mark.parametrize('unit', ['pixel', 'stride'])
def test_usual_outputs_contradict_nothing(unit):
    info, outputs = dense(box_unit=unit)
    assert examine(info, outputs).warnings == ()


@pytest.mark.parametrize(('first', 'change', 'complaint'), [
    pytest.param(0, lambda x: 1 / (1 + np.exp(-x)), 'class outputs .* as probabilities are',
                 id='probabilities'),
    pytest.param(5, lambda x: -np.abs(x), 'all box distances are negative', id='negative'),
    pytest.param(5, lambda x: x / 100, 'shorter than one cell', id='boxes in strides'),
])
def test_impossible_outputs_are_refused(first, change, complaint):
    info, outputs = dense()
    with pytest.raises(ModelError, match=complaint):
        examine(info, changed(outputs, first, change))


@pytest.mark.parametrize(('first', 'change', 'complaint'), [
    pytest.param(0, lambda x: x * np.nan, '% of the outputs are no finite numbers', id='NaN'),
    pytest.param(5, lambda x: np.where(np.arange(x.size).reshape(x.shape) % 4, -x, x),
                 'most box distances are negative', id='mostly negative'),
    pytest.param(10, lambda x: 1 / (1 + np.exp(-x)), 'centerness outputs .* as probabilities',
                 id='probabilities of centerness'),
])
def test_unlikely_outputs_are_a_warning(first, change, complaint):
    info, outputs = dense()
    warnings = examine(info, changed(outputs, first, change)).warnings
    assert len(warnings) == 1
    assert re.search(complaint, warnings[0])


@pytest.mark.parametrize('corners', [True, False], ids=['x1, y1, x2, y2', 'x, y, width, height'])
@pytest.mark.parametrize('factor', [1.0, 1 / 256], ids=['pixels', 'fractions'])
def test_boxes_at_positions_are_refused_before_all_else(corners, factor):
    info, outputs = dense()
    for index, stride in enumerate(STRIDES):
        y, x = (np.indices(outputs[5 + index].shape[1:3]) + 0.5) * stride
        left, top, right, bottom = np.moveaxis(outputs[5 + index][0], -1, 0)
        width, height = left + right, top + bottom
        box = ((x - left, y - top, x + right, y + bottom) if corners else
               (x + (right - left) / 2, y + (bottom - top) / 2, width, height))
        outputs[5 + index] = np.stack(box, axis=-1)[None].astype(np.float32) * factor
    outputs = changed(outputs, 0, lambda x: 1 / (1 + np.exp(-x)))
    with pytest.raises(ModelError, match='grow with the place of the cell'):
        examine(info, outputs)


def test_detections_in_every_cell_are_a_warning():
    info, outputs = dense()
    outputs = changed(changed(outputs, 0, lambda x: x + 9), 10, lambda x: x + 9)
    warning, = examine(info, outputs).warnings
    assert 'of all cells detect an object' in warning


@pytest.mark.parametrize('value', [0.0, -1.0, 0.5])
def test_outputs_of_one_value_show_nothing(value):
    info, outputs = dense()
    examine(info, [np.full_like(values, value) for values in outputs])


def detections(boxes, scores, labels):
    arrays = [np.array(boxes, np.float32), np.array(scores, np.float32), np.array(labels)]
    specs = [OutputSpec(name, array.shape, array.dtype)
             for name, array in zip(('boxes', 'scores', 'labels'), arrays)]
    head = recognise(specs, SIZE, HeadSpec(num_classes=3))
    assert isinstance(head, DetectionOutputs)
    return describe(head), arrays


@pytest.mark.parametrize(('boxes', 'scores', 'labels', 'complaint'), [
    pytest.param([[0, 0, 50, 50]], [0.5], [3], 'label 3, and 3 classes are stated', id='label'),
    pytest.param([[0, 0, 50, 50]], [5.0], [1], 'export probabilities', id='logits'),
    pytest.param([[0.1, 0.1, 0.9, 0.5]], [0.5], [1], 'in pixels of the input', id='fractions'),
])
def test_impossible_detections_are_refused(boxes, scores, labels, complaint):
    with pytest.raises(ModelError, match=complaint):
        examine(*detections(boxes, scores, labels))


def test_boxes_of_width_and_height_are_a_warning():
    warning, = examine(*detections([[100, 100, 20, 20]], [0.5], [0])).warnings
    assert '(x, y, width, height)' in warning


@pytest.mark.parametrize('rows', [0, 3])
def test_no_detections_show_nothing(rows):
    info, outputs = detections(np.zeros((rows, 4)), np.zeros(rows), np.full(rows, -1))
    assert examine(info, outputs).warnings == ()


def test_the_picture_is_always_the_same_and_has_structures_of_all_sizes():
    picture = probe_picture(SIZE)
    assert picture.shape == (256, 256, 3)
    np.testing.assert_array_equal(picture, probe_picture(SIZE))
    for step in (1, 8, 64):
        means = picture.reshape(256 // step, step, 256 // step, step, 3).mean((1, 3))
        assert means.std() > 20
    assert picture.min() == 0
    assert picture.max() == 255


@pytest.mark.parametrize('size', [(2, 2), (2, 640), (34, 6), (1280, 720)])
def test_the_picture_has_any_size(size):
    spec = InputSpec('image', Size(*size), 'rgb', 'NCHW', np.dtype(np.uint8))
    assert probe_tensor(spec).shape == spec.shape
