# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The forms in which programs export FCOS give the same detections; see docs/models.md."""

import json
import subprocess
import sys

import numpy as np
from onnx import TensorProto
from onnx_exports import HALF_BOX, Export
from onnx_models import white_square
import pytest

from fcos_ros.backends import ModelError, load
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Detector

COLUMN, ROW = 5, 3
CENTRE = np.array([COLUMN * 8 + 4, ROW * 8 + 4] * 2)
BOX = CENTRE + np.array([-1, -1, 1, 1]) * HALF_BOX
NO_CENTERNESS = ('class', 'box')
LABELS = json.dumps(['cube', 'ball', 'cone'])

FORMS = {
    'one output for each level and part': (Export(), {}),
    'boxes in strides': (Export(unit='stride'), {'box_unit': 'stride'}),
    'levels joined': (Export(joined=True), {}),
    'parts joined in one output for each level': (
        Export(combined=True), {'order': '["class", "box", "centerness"]'}),
    'all in one output': (
        Export(joined=True, combined=True), {'order': 'class, box, centerness'}),
    'box before class': (
        Export(combined=True, kinds=('box', 'centerness', 'class')),
        {'order': '[box, centerness, class]'}),
    'no centerness': (Export(kinds=NO_CENTERNESS, unit='stride'), {}),
    'six outputs of three levels': (
        Export(kinds=NO_CENTERNESS, unit='stride', strides=(8, 16, 32)), {}),
    'four levels': (Export(strides=(8, 16, 32, 64)), {}),
    'three levels joined': (Export(strides=(8, 16, 32), joined=True), {}),
    'a sigmoid inside': (Export(probabilities=True), {'activation': 'sigmoid'}),
    'float16 input': (Export(dtype=TensorProto.FLOAT16), {}),
    'uint8 input': (Export(dtype=TensorProto.UINT8), {}),
    'boxes, scores and labels': (Export(detections='boxes'), {'labels': LABELS}),
    'dets and labels': (Export(detections='dets'), {'labels': LABELS}),
    'four classes': (Export(classes=4), {}),
    'one class': (Export(classes=1), {}),
}


def detect(path, **choices):
    return Detector.load(path, **choices).detect(
        Frame.from_bgr(white_square(128, COLUMN, ROW))).detections


@pytest.mark.parametrize(('export', 'metadata'), FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_detection(tmp_path, export, metadata):
    found = detect(export.write(tmp_path / 'model.onnx', metadata))
    assert found.class_ids.tolist() == [0]
    np.testing.assert_allclose(found.boxes, [BOX], atol=1e-3)
    # Of one probability, or of two that are equal.
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(20 - 25.5)), atol=1e-3)


def test_the_order_of_joined_parts_must_be_stated(tmp_path):
    path = Export(combined=True).write(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match='order'):
        load(path)


@pytest.mark.parametrize('detections', ['boxes', 'dets'])
def test_networks_that_decode_themselves_need_labels(tmp_path, detections):
    path = Export(detections=detections).write(tmp_path / 'model.onnx')
    with pytest.raises(ModelError, match='state the labels'):
        load(path)


OPEN = {'height and width': (1, 3, 'height', 'width'), 'all': ('batch', 3, None, None),
        'width': (1, 3, 128, 'width')}


@pytest.mark.parametrize('shape', OPEN.values(), ids=OPEN)
def test_an_open_size_is_the_chosen_one(tmp_path, shape):
    path = Export(shape=shape).write(tmp_path / 'model.onnx')
    assert load(path, input_size=Size(128, 128)).info.input.size == (128, 128)
    np.testing.assert_allclose(detect(path, input_size=Size(128, 128)).boxes, [BOX], atol=1e-3)


def test_an_open_size_has_a_default_which_the_metadata_can_state(tmp_path):
    shape = (1, 3, 'height', 'width')
    assert load(Export(shape=shape).write(tmp_path / 'a.onnx')).info.input.size == (640, 640)
    path = Export(shape=shape).write(tmp_path / 'b.onnx', {'input_size': '256x128'})
    assert load(path).info.input.size == (256, 128)
    assert load(path, input_size=Size(128, 256)).info.input.size == (128, 256)


def test_a_size_that_is_not_open_cannot_be_chosen(tmp_path):
    path = Export().write(tmp_path / 'model.onnx')
    assert load(path, input_size=Size(128, 128)).info.input.size == (128, 128)
    with pytest.raises(ModelError, match='input_size is 256x256, and the model takes 128x128'):
        load(path, input_size=Size(256, 256))


def test_a_stated_size_that_is_not_used_is_noted(tmp_path):
    path = Export().write(tmp_path / 'model.onnx', {'input_size': '256x256'})
    note = 'input_size is stated as 256x256, and the input is 128x128'
    assert note in load(path).info.notes
    assert note not in load(Export().write(path, {'input_size': '128x128'})).info.notes


def test_a_fixed_batch_is_refused_with_a_command_that_repairs_it(tmp_path):
    path = Export(shape=(4, 3, 128, 128)).write(tmp_path / "four 'images'.onnx")
    with pytest.raises(ModelError, match='takes 4 images at a time; accepted: 1') as refusal:
        load(path)
    command = str(refusal.value).split('try: python3', 1)[1]
    subprocess.run(f'{sys.executable}{command}', shell=True, check=True)
    found = detect(tmp_path / "four 'images'_1.onnx")
    np.testing.assert_allclose(found.boxes, [BOX], atol=1e-3)


def test_the_names_of_torchvision_bring_its_properties(tmp_path):
    export = Export(shape=(1, 3, 320, 320), joined=True, unit='stride',
                    names=('cls_logits', 'bbox_regression', 'bbox_ctrness'))
    info = load(export.write(tmp_path / 'model.onnx')).info
    assert info.head.levels[-1].spacing == (106, 106)
    assert (info.head.box_unit, info.head.point_offset) == ('stride', 0.0)
    assert any('torchvision' in note for note in info.notes)


def test_pixels_are_normalised_on_the_stated_scale(tmp_path):
    image = {'mean': '[0.485, 0.456, 0.406]', 'std': '[0.229, 0.224, 0.225]'}
    path = Export().write(tmp_path / 'unit.onnx', {**image, 'mean_std_scale': '1'})
    spec = load(path).info.input
    np.testing.assert_allclose(spec.mean, [123.675, 116.28, 103.53])
    np.testing.assert_allclose(spec.std, [58.395, 57.12, 57.375])
    only = Export().write(tmp_path / 'scale.onnx', {'mean_std_scale': '1'})
    np.testing.assert_allclose(load(only).info.input.std, [255] * 3)


@pytest.mark.parametrize(('values', 'complaint'), [
    pytest.param({'mean': '[0.485, 0.456, 0.406]', 'std': '[0.229, 0.224, 0.225]'},
                 r'middle grey to 557; .* state mean_std_scale: 1', id='of 1 on the scale of 255'),
    pytest.param({'std': '[0.25, 0.25, 0.25]'}, 'middle grey to 512', id='only std'),
    pytest.param({'mean': '[0.5, 0.5, 0.5]'}, 'state mean_std_scale: 1', id='only mean'),
    pytest.param({'mean': '[124, 116, 104]', 'std': '[0.229, 0.224, 0.225]'},
                 'different scales; state both for one scale', id='only std of 1'),
    pytest.param({'mean': '[0.485, 0.456, 0.406]', 'std': '[58, 57, 57]'},
                 'different scales; state both for one scale', id='only mean of 1'),
    pytest.param({'mean': '[127, 127, 127]', 'std': '[50, 50, 50]', 'mean_std_scale': '1'},
                 'state mean_std_scale: 255', id='of 255 on the scale of 1'),
])
def test_mean_and_std_on_the_wrong_scale_are_refused(tmp_path, values, complaint):
    path = Export().write(tmp_path / 'model.onnx', values)
    with pytest.raises(ModelError, match=complaint):
        load(path)


@pytest.mark.parametrize(('stated', 'padding'), [
    ('114', (114, 114, 114)), ('[1, 2, 3]', (1, 2, 3)), (None, (0, 0, 0))])
def test_the_padding_is_the_stated_colour(tmp_path, stated, padding):
    path = Export().write(tmp_path / 'model.onnx', stated and {'padding': stated})
    assert load(path).info.input.background == padding
