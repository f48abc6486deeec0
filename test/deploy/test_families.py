# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of other programs give the detections that those programs find."""

import sys

import numpy as np
from other_programs import ADELAIDET, MMDETECTION, Program
import pytest
import torch

from fcos_ros.backends import ModelError, load
from fcos_ros.cli.main import main
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.resize import Size
from fcos_ros.deploy.families import read_network

SIZE = Size(96, 64)

CONFIG = """
model = dict(
    backbone=dict(type='ResNet', depth=50, style='{style}'),
    bbox_head=dict(type='FCOSHead', {tricks}),
    test_cfg=dict(nms_pre=1000, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5)))
img_norm_cfg = dict(mean=[102.9801, 115.9465, 122.7717], std=[1.0, 2.0, 1.0], to_rgb={rgb})
"""


def mmdetection(tricks=False, style='caffe', head_norm=True):
    """Return a network and its checkpoint."""
    program = Program(MMDETECTION, first=1, step=1, stride_in_1x1=style == 'caffe',
                      norm_on_bbox=tricks, centerness_on_reg=tricks, head_norm=head_norm)
    config = CONFIG.format(
        style=style, rgb=style != 'caffe',
        tricks='norm_on_bbox=True, centerness_on_reg=True' if tricks else '')
    return program, {'meta': {'config': config, 'CLASSES': ('cube', 'ball', 'cone')},
                     'state_dict': program.weights}


def adelaidet():
    """Return a network and its checkpoint."""
    program = Program(ADELAIDET, first=2, step=3, stride_in_1x1=True, norm_on_bbox=True,
                      centerness_on_reg=True)
    return program, {'model': program.weights}


CASES = {
    'mmdetection': ('mmdetection', mmdetection, (102.9801, 115.9465, 122.7717), (1, 2, 1), False),
    'mmdetection with tricks': ('mmdetection', lambda: mmdetection(tricks=True, style='pytorch'),
                                (102.9801, 115.9465, 122.7717), (1, 2, 1), False),
    'adelaidet': ('adelaidet', adelaidet, (103.53, 116.28, 123.675), (1, 1, 1), True),
}


@pytest.fixture(scope='module', params=CASES, name='case')
def imported(request, tmp_path_factory):
    """Return the case, its network, and the names of the files that `fcos import` wrote."""
    family, make, *facts = CASES[request.param]
    program, checkpoint = make()
    path = tmp_path_factory.mktemp('other') / 'network.pth'
    torch.save(checkpoint, path)
    assert main(['import', family, str(path), '--size', str(SIZE)]) == 0
    assert {file.name for file in path.parent.iterdir()} == {
        'network.pth', 'network.onnx', 'network_bpu.onnx'}
    return program, facts, path.with_suffix('')


@pytest.mark.parametrize('target', ['', '_bpu'])
def test_the_detections_are_those_of_the_program(case, target):
    program, (mean, std, root), name = case
    backend = load(name.with_name(f'{name.name}{target}.onnx'))
    info = backend.info
    image = np.random.default_rng(5).integers(0, 256, (64, 96, 3), np.uint8)
    normalised = ((image.astype(np.float64) - mean) / std).transpose(2, 0, 1)[None]
    normalised = normalised.astype(np.float32)
    if target:
        assert (info.input.mean, info.input.std) == (pytest.approx(mean), pytest.approx(std))
    tensor = normalised if target else image[None]
    found = make_decoder(info.head).decode(backend.infer(tensor), info.criteria)
    floor, iou = info.criteria.score_threshold, info.criteria.nms_threshold
    wanted = [candidate for candidate in program.detect(
                  torch.from_numpy(normalised), 0.05, iou, root) if candidate.score >= floor]
    assert len(wanted) > 10
    assert found.class_ids.tolist() == [candidate.class_id for candidate in wanted]
    np.testing.assert_allclose(found.scores, [candidate.score for candidate in wanted], rtol=1e-4)
    np.testing.assert_allclose(found.boxes, [candidate.box for candidate in wanted], rtol=1e-3,
                               atol=0.02)


def test_the_files_state_pixels_and_labels(case):
    program, (_, _, root), name = case
    for target in ('', '_bpu'):
        info = load(name.with_name(f'{name.name}{target}.onnx')).info
        in_rgb = not program.stride_in_1x1
        assert info.input.pixels == ('rgb' if in_rgb else 'bgr')
        assert info.head.score == ('sqrt(cls*ctr)' if root else 'cls*ctr')
        assert info.labels.names == (('0', '1', '2') if root else ('cube', 'ball', 'cone'))
        assert info.input.size == SIZE


def test_a_head_without_normalisation_has_no_biases(tmp_path):
    program, checkpoint = mmdetection(head_norm=False)
    torch.save(checkpoint, tmp_path / 'a.pth')
    trained = read_network('mmdetection', tmp_path / 'a.pth', SIZE)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        level = program.pyramid(image)[0]
        wanted = program.conv(program.tower(level, 'cls_convs'), 'bbox_head.conv_cls')
        torch.testing.assert_close(trained.network(image).classes[0], wanted, rtol=1e-4, atol=1e-4)


def saved(tmp_path, checkpoint):
    path = tmp_path / 'network.pth'
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize(('change', 'message'), [
    (lambda weights: weights.pop('bbox_head.conv_cls.bias'), 'it lacks classes.bias'),
    (lambda weights: weights.pop('bbox_head.conv_cls.weight'), 'do not fit FCOS with ResNet-50'),
    (lambda weights: weights.update({'bbox_head.reg_convs.3.conv.conv_offset.weight':
                                     torch.zeros(1)}), 'without deformable convolutions'),
    (lambda weights: [weights.pop(name) for name in list(weights) if 'layer4.2' in name],
     'accepted: ResNet-50, ResNet-101, ResNet-152'),
    (lambda weights: weights.update({'bbox_head.conv_cls.weight': torch.zeros(3, 256, 1, 1)}),
     'size mismatch'),
    (lambda weights: weights.clear(), 'has no weights'),
])
def test_another_network_is_refused(tmp_path, change, message):
    _, checkpoint = mmdetection()
    change(checkpoint['state_dict'])
    with pytest.raises(ModelError, match=message):
        read_network('mmdetection', saved(tmp_path, checkpoint), SIZE)


@pytest.mark.parametrize('content', [{'state_dict': 4}, [1, 2], {}])
def test_a_file_without_weights_is_refused(tmp_path, content):
    with pytest.raises(ModelError, match='has no weights'):
        read_network('mmdetection', saved(tmp_path, content), SIZE)


@pytest.mark.parametrize(('config', 'message'), [
    ('', 'does not state .*rgb.*--config'),
    ("to_rgb=False, mean=[1, 2], std=[1, 1, 1], style='caffe'", 'three numbers for mean'),
    ('to_rgb=False, mean=[1, 2, 3], std=[1, 1, 1]', 'does not state style'),
])
def test_a_configuration_that_lacks_facts_is_refused(tmp_path, config, message):
    _, checkpoint = mmdetection()
    checkpoint['meta'] = {}
    with pytest.raises(ModelError, match=message):
        read_network('mmdetection', saved(tmp_path, checkpoint), SIZE, config=config)


def test_a_configuration_beside_the_checkpoint_is_used(tmp_path):
    _, checkpoint = mmdetection()
    config = checkpoint.pop('meta')['config'] + "\nstyle='pytorch'\nnorm_on_bbox = True"
    trained = read_network('mmdetection', saved(tmp_path, checkpoint), SIZE, config=config)
    assert (trained.box_activation, trained.metadata['box_unit']) == ('relu', 'stride')
    assert trained.network.backbone.stages[1][0].conv2.stride == (2, 2)


def test_adelaidets_configuration_is_used(tmp_path):
    _, checkpoint = adelaidet()
    checkpoint['model']['pixel_mean'] = torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    trained = read_network('adelaidet', saved(tmp_path, checkpoint), SIZE, config=(
        'MODEL:\n  PIXEL_STD: [57.375, 57.12, 58.395]\n  RESNETS:\n    STRIDE_IN_1X1: False\n'
        '  FCOS:\n    INFERENCE_TH_TEST: 0.09\nINPUT:\n  FORMAT: "RGB"\n'))
    assert (trained.pixels, trained.mean) == ('rgb', (1, 2, 3))
    assert trained.std == pytest.approx((57.375, 57.12, 58.395))
    assert trained.metadata['score_threshold'] == pytest.approx(0.3)
    assert trained.network.backbone.stages[1][0].conv1.stride == (1, 1)


def test_the_number_of_labels_must_be_that_of_the_classes(tmp_path, capsys):
    path = saved(tmp_path, adelaidet()[1])
    (tmp_path / 'labels.txt').write_text('cube\nball\n')
    code = main(['import', 'adelaidet', str(path), '--labels', str(tmp_path / 'labels.txt')])
    assert code == 2
    assert 'there are 2 labels, and' in capsys.readouterr().err
    assert {file.name for file in tmp_path.iterdir()} == {'network.pth', 'labels.txt'}


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--size', '100x64'], 'accepted: multiples of 32'),
    (['--labels', 'missing.txt'], 'missing.txt cannot be read'),
    (['--config', 'missing.py'], 'missing.py cannot be read'),
])
def test_options_that_do_not_fit_are_refused(tmp_path, capsys, arguments, message):
    path = saved(tmp_path, {'model': {}})
    assert main(['import', 'adelaidet', str(path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_torch_the_command_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    for name in list(sys.modules):
        if name.startswith('fcos_ros.deploy.'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'torch', None)
    assert main(['import', 'adelaidet', str(tmp_path / 'a.pth')]) == 2
    assert 'python3 -m pip install torch' in capsys.readouterr().err
