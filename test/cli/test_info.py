# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos info` describes an FCOS model as the node reads it, and any other with the problem."""

from dataclasses import replace
import json
from pathlib import Path

from child_processes import children
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_models import STRIDES, write_fcos
import pytest
from waiting import TIMEOUT

from fcos_ros.cli import info
from fcos_ros.core.labels import COCO

BOARD = Path(__file__).parents[1] / 'board'


def write_classifier(path, sides=(64, 64)):
    """Write a network with one vector of class scores."""
    nodes = [helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
             helper.make_node('ReduceMean', ['float'], ['scores'], axes=[1, 2], keepdims=0)]
    graph = helper.make_graph(
        nodes, 'classifier',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [1, *sides, 3])],
        [helper.make_tensor_value_info('scores', TensorProto.FLOAT, [1, 3])])
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), str(path))
    return path


def as_json(result):
    return json.loads(result.out)


def lines(result):
    """Return the rest of each line by its first word; of several lines, that of the first."""
    text = result.out.splitlines()
    return {line.split()[0]: line.split(maxsplit=1)[-1] for line in reversed(text) if line}


def test_the_text_describes_input_and_outputs(fcos, tmp_path):
    result = fcos('info', write_fcos(tmp_path / 'squares.onnx'))
    assert (result.code, result.err) == (0, '')
    facts = lines(result)
    assert facts['model'] == 'squares'
    assert facts['backend'] == 'onnx'
    assert facts['input'] == 'image uint8 [1, 128, 128, 3]'
    assert facts['canvas'] == '128x128 rgb, NHWC, padded with [0, 0, 0]'
    for stride in STRIDES:
        for part, channels in (('class', 3), ('box', 4), ('centerness', 1)):
            shape = f'[1, {128 // stride}, {128 // stride}, {channels}]'
            words = facts[f'{part}_{stride}'].split()
            assert words == ['float32', *shape.split(), '-', part, str(stride)]


def test_json_describes_the_tensors_and_how_they_are_decoded(fcos, tmp_path):
    path = write_fcos(tmp_path / 'squares.onnx', layout='NCHW', dtype='float32', metadata={
        'labels': '["cube", "ball", "cone"]', 'box_unit': 'stride', 'score_threshold': '0.25',
        'nms_threshold': '0.45', 'point_offset': '0.0', 'pixels': 'bgr',
        'mean': '[1, 2, 3]', 'std': '[4, 5, 6]'})
    facts = as_json(fcos('info', path, '--json'))
    assert (facts['name'], facts['path'], facts['problem']) == ('squares', str(path), '')
    assert facts['inputs'] == [
        {'name': 'image', 'dtype': 'float32', 'shape': [1, 3, 128, 128], 'scale': []}]
    assert facts['outputs'][6] == {
        'name': 'box_16', 'dtype': 'float32', 'shape': [1, 8, 8, 4], 'scale': [],
        'parts': ['box'], 'strides': [16]}
    assert facts['fcos'] == {
        'canvas': [128, 128], 'pixels': 'bgr', 'input_layout': 'NCHW', 'mean': [1, 2, 3],
        'std': [4, 5, 6], 'layout': 'NHWC', 'box_unit': 'stride', 'point_offset': 0.0,
        'activation': 'logits', 'box_activation': 'relu', 'score': 'sqrt(cls*ctr)',
        'score_threshold': 0.25,
        'nms_threshold': 0.45, 'max_detections': 100, 'one_class_per_cell': True,
        'labels': ['cube', 'ball', 'cone'], 'padding': [0, 0, 0], 'nv12_range': None,
        'notes': [], 'warnings': [], 'replaced': [], 'ignored': [], 'provenance': {},
        'sources': dict.fromkeys(
            ('labels', 'box_unit', 'score_threshold', 'nms_threshold', 'point_offset', 'pixels',
             'mean', 'std'), 'squares.onnx')}


def test_the_memory_use_is_that_of_the_tensors(fcos, tmp_path):
    path = write_fcos(tmp_path / 'squares.onnx')
    facts = as_json(fcos('info', path, '--json'))
    cells = sum((128 // stride) ** 2 for stride in STRIDES)
    assert facts['memory']['file'] == path.stat().st_size
    assert facts['memory']['inputs'] == 128 * 128 * 3
    assert facts['memory']['outputs'] == cells * (3 + 4 + 1) * 4
    assert facts['memory']['process'] >= 0


@pytest.mark.parametrize(('made', 'complaint', 'outputs'), [
    pytest.param({'outputs': 14}, 'not an FCOS', 14, id='missing output'),
    pytest.param({'sides': ('height', 129)}, 'even sides', 15, id='odd width'),
    pytest.param({'metadata': {'strides': 'many'}}, "has strides: 'many'", 15,
                 id='wrong metadata'),
])
def test_a_faulty_fcos_network_is_described_with_the_problem(
        fcos, tmp_path, made, complaint, outputs):
    path = write_fcos(tmp_path / 'nearly.onnx', **made)
    result = fcos('info', path)
    assert (result.code, result.err) == (1, '')
    assert complaint in result.out
    facts = as_json(fcos('info', path, '--json'))
    assert complaint in facts['problem']
    assert facts['fcos'] is None
    assert [tensor['name'] for tensor in facts['inputs']] == ['image']
    assert len(facts['outputs']) == outputs


def test_another_network_is_described_with_the_problem(fcos, tmp_path):
    path = write_classifier(tmp_path / 'classifier.onnx')
    result = fcos('info', path)
    assert result.code == 1
    facts = lines(result)
    assert facts['input'] == 'image uint8 [1, 64, 64, 3]'
    assert facts['scores'].split() == ['float32', '[1,', '3]', '-', '-', '-']
    assert 'not an FCOS' in result.out


def test_open_sides_are_named_as_in_the_file(fcos, tmp_path):
    path = write_classifier(tmp_path / 'classifier.onnx', sides=('height', None))
    facts = as_json(fcos('info', path, '--json'))
    assert facts['inputs'][0]['shape'] == [1, 'height', '?', 3]
    assert facts['memory']['inputs'] is None


def test_a_file_that_is_not_a_model_exits_with_2(fcos, tmp_path):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'not a model')
    result = fcos('info', path)
    assert (result.code, result.out) == (2, '')
    assert 'cannot be read as ONNX' in result.err


def test_a_compiled_model_is_described_with_its_scales(fcos, tmp_path, tiny_models):
    model = tiny_models.tiny()
    path = tiny_models.write(tmp_path, model)
    facts = as_json(fcos('info', path, '--json'))
    assert (facts['name'], facts['backend']) == ('tiny', 'hobot_dnn')
    assert facts['inputs'][0]['shape'] == [128 * 128 * 3 // 2]
    assert facts['fcos']['pixels'] == 'nv12'
    assert facts['fcos']['box_unit'] == 'stride'
    assert facts['fcos']['labels'] == list(COCO.names)
    for output, expected in zip(facts['outputs'], model.outputs):
        assert (output['name'], output['dtype']) == (expected.name, 'int32')
        np.testing.assert_allclose(output['scale'], expected.scale)
    assert '80: ' in fcos('info', path).out


def test_scales_of_float_outputs_are_described_as_not_applied(fcos, tmp_path, tiny_models):
    floats = tiny_models.tiny(dtype='float32')
    name = floats.outputs[0].name
    path = tiny_models.write(tmp_path, tiny_models.with_output(
        floats, 0, scale=np.full(80, 0.5, np.float32)))
    note = f'float outputs state scales, which are not applied: {name}'
    path.with_suffix('.yaml').write_text('box_unit: stride', encoding='utf-8')
    assert note in as_json(fcos('info', path, '--json'))['fcos']['notes']
    assert note in fcos('info', path).out


def test_a_compiled_model_with_a_wrong_output_is_described_with_the_problem(
        fcos, tmp_path, tiny_models):
    model = tiny_models.with_output(tiny_models.tiny(answers=False), 3, shape=(1, 2, 2, 7))
    result = fcos('info', tiny_models.write(tmp_path, model), '--json')
    assert result.code == 1
    facts = as_json(result)
    assert facts['outputs'][3]['shape'] == [1, 2, 2, 7]
    assert 'not an FCOS' in facts['problem']


@pytest.mark.parametrize(('made', 'complaint', 'kind'), [
    pytest.param({'input_type': 4}, 'one input of type NV12', 'RGB', id='RGB input'),
    pytest.param({'input_type': 9}, 'one input of type NV12', 'uint8', id='feature input'),
    pytest.param({}, 'lies in memory as', 'NV12', id='padded outputs'),
])
def test_all_tensors_of_a_compiled_model_that_is_refused_are_described(
        fcos, tmp_path, tiny_models, made, complaint, kind):
    model = tiny_models.padded(tiny_models.tiny(answers=False))
    path = tiny_models.write(tmp_path, replace(model, **made))
    result = fcos('info', path, '--json')
    assert (result.code, result.err) == (1, '')
    facts = as_json(result)
    assert complaint in facts['problem']
    assert facts['fcos'] is None
    assert [(tensor['dtype'], tensor['shape']) for tensor in facts['inputs']] == [
        (kind, [1, 3, 128, 128])]
    for output, expected in zip(facts['outputs'], model.outputs):
        assert (output['name'], output['dtype']) == (expected.name, 'int32')
        assert output['shape'] == list(expected.shape)
        np.testing.assert_allclose(output['scale'], expected.scale)


@pytest.mark.parametrize(('fault', 'complaint'), [
    pytest.param('hang', 'was not loaded in 0.5 s', id='hangs'),
    pytest.param('crash', 'died: SIGSEGV', id='crashes'),
    pytest.param('load', 'cannot load', id='refuses'),
])
def test_an_engine_that_hangs_crashes_or_fails_exits_with_2_and_the_reason(
        fcos, tmp_path, tiny_models, monkeypatch, fault, complaint):
    monkeypatch.setattr(info, 'LOAD_TIMEOUT', 0.5 if fault == 'hang' else TIMEOUT)
    monkeypatch.setattr(info, 'EXIT_TIMEOUT', TIMEOUT)
    monkeypatch.setenv('FCOS_SIM_FAULT', fault)
    before = children()
    path = tiny_models.write(tmp_path, tiny_models.tiny())
    result = fcos('info', path)
    assert (result.code, result.out) == (2, '')
    assert result.err.splitlines()[-1].startswith('fcos info: ')
    assert complaint in result.err
    assert str(path) in result.err
    assert children() == before
