# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos info --write-metadata` states what a model is, after a check with the model."""

import json
from pathlib import Path
import re
import subprocess
import sys

import onnx
from onnx_exports import Export
from onnx_models import write_fcos
import pytest

from fcos_ros.backends import onnx_package

BOARD = Path(__file__).parents[1] / 'board'


@pytest.fixture
def model(tmp_path):
    return Export(probabilities=True).write(tmp_path / 'model.onnx')


def facts(fcos, path):
    return json.loads(fcos('info', path, '--json').out)['fcos']


def stored(path):
    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}


def test_a_refused_model_is_described_and_then_runs(fcos, model):
    assert 'state activation: sigmoid' in fcos('info', model).out
    result = fcos('info', model, '--write-metadata', 'activation=sigmoid',
                  'labels=["cube", "ball", "cone"]', 'provenance={"made by": "hand"}')
    assert (result.code, result.err) == (
        0, f'wrote {model}: activation, labels, provenance\n')
    found = facts(fcos, model)
    assert (found['activation'], found['labels']) == ('sigmoid', ['cube', 'ball', 'cone'])
    assert found['provenance'] == {'made by': 'hand'}
    assert not model.with_suffix('.yaml').exists()
    lines = [line.split() for line in fcos('info', model).out.splitlines()]
    assert ['metadata', 'model.onnx:', 'labels,', 'activation,', 'provenance'] in lines


def test_keys_are_added_changed_and_removed(fcos, model):
    fcos('info', model, '--write-metadata', 'activation=sigmoid', 'score_threshold=0.25')
    result = fcos('info', model, '--write-metadata', 'score_threshold=', 'nms_threshold=0.5',
                  'mean=1, 2, 3', '--json')
    assert result.code == 0
    assert stored(model) == {'activation': 'sigmoid', 'nms_threshold': '0.5',
                             'mean': '[1, 2, 3]'}


@pytest.mark.parametrize(('changes', 'complaint'), [
    (['box_units=stride'], "did you mean 'box_unit'"),
    (['Mean=[1, 2, 3]'], "did you mean 'mean'"),
    (['activation=softmax'], 'accepted: logits, sigmoid'),
    (['activation'], 'accepted: KEY=VALUE'),
    (['=1'], 'accepted: KEY=VALUE'),
    (['activation=logits'], 'nothing was written: .*state activation: sigmoid'),
    (['activation=sigmoid', 'labels=["a", "b"]'], 'labels has 2 names, the network 3 classes'),
    (['activation=sigmoid', 'strides=[Infinity, 16]'], 'accepted: a list of different numbers'),
    (['activation=sigmoid', 'strides=[8, 16]'], 'nothing was written'),
])
@pytest.mark.parametrize('place', [[], ['--sidecar']])
def test_nothing_is_written_if_the_model_cannot_be_used_with_it(
        fcos, model, changes, complaint, place):
    before = model.read_bytes()
    result = fcos('info', model, '--write-metadata', *changes, *place)
    assert (result.code, result.out) == (2, '')
    assert result.err.startswith('fcos info: ')
    assert re.search(complaint, result.err)
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == ['model.onnx']


def test_metadata_stands_beside_an_onnx_file_on_request_and_stays_there(fcos, model):
    before = model.read_bytes()
    sidecar = model.with_suffix('.yaml')
    result = fcos('info', model, '--write-metadata', 'activation=sigmoid', '--sidecar')
    assert (result.code, result.err) == (0, f'wrote {sidecar}: activation\n')
    fcos('info', model, '--write-metadata', 'score=cls')
    assert sidecar.read_text() == 'activation: sigmoid\nscore: cls\n'
    assert model.read_bytes() == before


def test_keys_of_other_programs_stay(fcos, tmp_path):
    path = write_fcos(tmp_path / 'a.onnx', metadata={'author': 'X', 'stride': '32'})
    fcos('info', path, '--write-metadata', 'score=cls')
    assert stored(path) == {'author': 'X', 'stride': '32', 'score': 'cls'}
    assert 'metadata of other programs: author, stride' in fcos('info', path).out


def test_a_wrong_file_beside_a_model_can_be_repaired(fcos, model):
    sidecar = model.with_suffix('.yaml')
    sidecar.write_text('activation: sigmoid\nbox_units: stride\n')
    assert "did you mean 'box_unit'" in fcos('info', model).out
    assert fcos('info', model, '--write-metadata', 'box_units=').code == 0
    assert sidecar.read_text() == 'activation: sigmoid\n'


@pytest.mark.parametrize(('change', 'complaint'), [
    ('box_units=', 'box_units cannot be removed: it is not stated; stated: score'),
    ('activation=', r'it stands inside .*model\.onnx, which is not changed'),
])
def test_a_key_that_does_not_stand_in_the_changed_file_is_not_removed(
        fcos, model, change, complaint):
    fcos('info', model, '--write-metadata', 'activation=sigmoid')
    fcos('info', model, '--write-metadata', 'score=cls', '--sidecar')
    result = fcos('info', model, '--write-metadata', change)
    assert result.code == 2
    assert re.search(complaint, result.err)
    assert model.with_suffix('.yaml').read_text() == 'score: cls\n'


def test_without_the_package_onnx_the_metadata_stands_beside_the_model(fcos, model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    result = fcos('info', model, '--write-metadata', 'activation=sigmoid')
    assert result.code == 0
    assert onnx_package.INSTALL_COMMAND in result.err
    assert model.with_suffix('.yaml').read_text() == 'activation: sigmoid\n'


def test_metadata_of_a_compiled_model_is_written_without_its_engine(fcos, tmp_path):
    path = tmp_path / 'model.bin'
    path.write_bytes(b'compiled elsewhere')
    result = fcos('info', path, '--write-metadata', 'box_unit=pixel', 'nv12_range=limited')
    assert 'was not compared with' in result.err
    assert path.with_suffix('.yaml').read_text() == 'nv12_range: limited\nbox_unit: pixel\n'
    assert path.read_bytes() == b'compiled elsewhere'


def test_metadata_of_a_compiled_model_is_checked_on_its_board(fcos, tmp_path, tiny_models):
    path = tiny_models.write(tmp_path, tiny_models.tiny(dtype='float32'))
    assert 'state box_unit: stride' in fcos('info', path).out
    result = fcos('info', path, '--write-metadata', 'activation=sigmoid', 'box_unit=stride')
    assert result.code == 2
    assert 'nothing was written' in result.err
    assert fcos('info', path, '--write-metadata', 'box_unit=stride').code == 0
    assert facts(fcos, path)['box_unit'] == 'stride'


def test_an_engine_that_crashes_at_a_long_name_is_reported_with_the_cure(
        fcos, tmp_path, tiny_models):
    model = tiny_models.with_output(tiny_models.tiny(), 3, name='n' * 73)
    result = fcos('info', tiny_models.write(tmp_path, model))
    assert result.code == 2
    assert 'died: SIG' in result.err
    assert 'more than 63 bytes: try the backend libdnn' in result.err


def test_names_of_any_script_are_printed_also_on_a_terminal_that_cannot(tmp_path):
    path = Export().write(tmp_path / 'm.onnx', {'labels': '["чашка", "カップ", "cup"]'})
    shown = {}
    for encoding in ('utf-8', 'ascii'):
        result = subprocess.run(
            [sys.executable, '-m', 'fcos_ros.cli.main', 'info', str(path)], capture_output=True,
            cwd=BOARD.parents[1], env={'PYTHONIOENCODING': encoding, 'PATH': ''})
        assert (result.returncode, result.stderr) == (0, b'')
        shown[encoding] = result.stdout.decode(encoding)
    assert '3: чашка, カップ, cup' in shown['utf-8']
    assert '3: \\u0447\\u0430\\u0448\\u043a\\u0430, ' in shown['ascii']


def test_escape_codes_in_metadata_are_printed_escaped(fcos, tmp_path):
    path = Export().write(tmp_path / 'm.onnx', {
        'provenance': json.dumps({'by': '\x1b[2J\u202eevil'}), '\x1b[31mred': 'x'})
    result = fcos('info', path)
    assert result.code == 0
    assert '\x1b' not in result.out + result.err
    assert '\u202e' not in result.out + result.err
    assert r'\x1b[2J\u202eevil' in result.out
    path = Export().write(tmp_path / 'n.onnx', {'labels': '["\\u001b[2J"]'})
    result = fcos('info', path)
    assert '\x1b' not in result.out + result.err
