# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos export` writes files that equal the network, for PCs and for the compiler, or nothing."""

import hashlib
import json

from file_limits import max_file_size
import numpy as np
import onnx
import pytest
import torch

from fcos_ros.backends import load
from fcos_ros.cli.main import main
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.resize import Size
from fcos_ros.deploy import export as module
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import STRIDES, Fcos, NetworkSettings
from fcos_ros.deploy.targets import TARGET_SUFFIXES

SETTINGS = {
    'residual': NetworkSettings('residual', (4, 6, 8, 10, 12), 8),
    'lite': NetworkSettings('lite', (8, 4, 6, 8, 10, 12, 14, 16), 8, 2),
}
LABELS = ('ball', 'größer', '箱')
MEAN, STD = (123.0, 116.0, 103.0), (58.0, 57.0, 56.0)
SIZE = Size(96, 64)


@pytest.fixture(scope='module', name='checkpoint', params=SETTINGS)
def make_checkpoint(request):
    torch.manual_seed(2)
    network = Fcos(SETTINGS[request.param], len(LABELS))
    with torch.no_grad():
        network.head.scales.copy_(torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5]))
        for output in (network.head.classes, network.head.boxes, network.head.centerness):
            output.weight.normal_(std=0.3)
        network.head.classes.bias.fill_(-1)
        network.train()(torch.randn(4, 3, 128, 128))  # sets the statistics of the normalisation
    return Checkpoint('small', SETTINGS[request.param], LABELS, SIZE, MEAN, STD, 0.35, 0.55,
                      network.state_dict())


@pytest.fixture(name='path')
def save_checkpoint(checkpoint, tmp_path):
    checkpoint.save(tmp_path / 'checkpoint.pt')
    return tmp_path / 'checkpoint.pt'


def export(path, target, *options):
    code = main(['export', str(path), '--target', target, *map(str, options)])
    return code, path.with_name(f'checkpoint{TARGET_SUFFIXES[target]}.onnx')


def random_image(seed=1):
    return np.random.default_rng(seed).integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)


def normalised(image):
    return ((image.astype(np.float32) - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None]


@torch.no_grad()
def test_both_files_give_the_detections_of_the_network(checkpoint, path):
    image = random_image()
    raw = checkpoint.network()(torch.from_numpy(normalised(image)))
    found = {}
    for target, tensor in (('onnx', image[None]), ('bpu', normalised(image))):
        code, file = export(path, target)
        assert code == 0
        backend = load(file)
        outputs = backend.infer(tensor)
        boxes = [level.exp() for level in raw.boxes] if target == 'onnx' else raw.boxes
        for output, level in zip(outputs, (*raw.classes, *boxes, *raw.centerness)):
            np.testing.assert_allclose(output, level.permute(0, 2, 3, 1), rtol=1e-4, atol=1e-5)
        found[target] = make_decoder(backend.info.head).decode(outputs, backend.info.criteria)
    assert len(found['onnx'].scores) > 3
    np.testing.assert_array_equal(found['onnx'].class_ids, found['bpu'].class_ids)
    np.testing.assert_allclose(found['onnx'].boxes, found['bpu'].boxes, rtol=1e-4, atol=1e-3)


def test_the_file_for_pcs_says_what_it_is(path):
    code, file = export(path, 'onnx')
    assert code == 0
    info = load(file).info
    assert (info.input.shape, info.input.dtype) == ((1, 64, 96, 3), np.uint8)
    assert (info.input.mean, info.input.std) == ((0, 0, 0), (1, 1, 1))
    assert (info.head.box_unit, info.head.box_activation) == ('stride', 'relu')
    assert info.labels.names == LABELS
    assert info.criteria.score_threshold == pytest.approx(0.35)
    assert info.criteria.nms_threshold == pytest.approx(0.55)


def test_the_file_for_the_compiler_ends_in_convolutions(path):
    code, file = export(path, 'bpu')
    assert code == 0
    model = onnx.load(file)
    assert [entry.version for entry in model.opset_import] == [11]
    assert model.ir_version <= 7
    assert {node.op_type for node in model.graph.node} <= {
        'Add', 'Constant', 'Conv', 'Relu', 'Resize', 'Transpose'}
    makers = {name: node for node in model.graph.node for name in node.output}
    assert len(model.graph.output) == 3 * len(STRIDES)
    for output in model.graph.output:
        last = makers[output.name]
        assert last.op_type == 'Transpose'
        assert makers[last.input[0]].op_type == 'Conv'
    shape = model.graph.input[0].type.tensor_type.shape
    assert [side.dim_value for side in shape.dim] == [1, 3, 64, 96]


def test_the_file_for_the_compiler_says_what_was_left_out(path):
    _, file = export(path, 'bpu')
    info = load(file).info
    assert (info.input.shape, info.input.dtype) == ((1, 3, 64, 96), np.float32)
    assert (info.input.mean, info.input.std) == (MEAN, STD)
    assert (info.head.box_unit, info.head.box_activation) == ('stride', 'exp')


def test_the_file_states_its_origin(path):
    _, file = export(path, 'onnx')
    entries = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert hashlib.sha256(path.read_bytes()).hexdigest() in entries['provenance']


def test_two_exports_are_equal(path):
    first = export(path, 'bpu')[1].read_bytes()
    assert export(path, 'bpu')[1].read_bytes() == first


def test_the_difference_is_printed(path, capsys):
    export(path, 'onnx')
    out = capsys.readouterr().out
    assert 'checkpoint.onnx: equals the network within ' in out
    assert float(out.split()[-2].rstrip(',')) < 1e-4


def test_the_difference_is_also_given_as_json(path, capsys):
    assert export(path, 'bpu', '--json')[0] == 0
    written, = json.loads(capsys.readouterr().out)['files']
    assert written['file'].endswith('checkpoint_bpu.onnx')
    assert written['differences'].keys() == {'class', 'box', 'centerness'}
    assert max(written['differences'].values()) < 1e-4


def refused(path, *options):
    """Run an export that fails; return its message. Nothing but the checkpoint remains."""
    assert export(path, 'onnx', *options)[0] == 2
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_differs_from_the_network_is_not_written(path, monkeypatch, capsys):
    write = module._write

    def write_wrongly(trained, target, path):
        with torch.no_grad():
            trained.folded.head.boxes[2].bias += 0.01
        write(trained, target, path)

    monkeypatch.setattr(module, '_write', write_wrongly)
    refused(path)
    assert 'was not written: its outputs would differ' in capsys.readouterr().err


def test_a_full_disk_leaves_nothing(path, capsys):
    with max_file_size(5000):
        refused(path)
    assert 'cannot be written: File too large' in capsys.readouterr().err


def test_an_interruption_leaves_nothing(path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, 'compare', interrupt)
    assert export(path, 'onnx')[0] == 130
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(('output', 'message'), [
    ('model.bin', 'accepted: a name that ends in .onnx'),
    ('missing/model.onnx', 'cannot be written'),
    ('/proc/model.onnx', 'cannot be written'),
])
def test_an_output_that_cannot_be_written_is_refused(path, capsys, output, message):
    refused(path, '--output', path.parent / output)
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, capsys):
    path = tmp_path / 'checkpoint.pt'
    path.write_bytes(b'no checkpoint')
    refused(path)
    assert 'is damaged, or holds more than weights' in capsys.readouterr().err
