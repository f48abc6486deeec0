# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The file of a trained network: it keeps everything, and a damaged one is refused."""

import contextlib
from dataclasses import fields
import os
import pickle
import subprocess
import sys

from hypothesis import given, strategies as st
import pytest
import torch

from fcos_ros.backends.errors import ModelError
from fcos_ros.core.resize import Size
from fcos_ros.deploy import checkpoint as module
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import Fcos, NetworkSettings

SETTINGS = NetworkSettings('residual', (2, 2, 2, 2, 2), 2)
LABELS = ('ball', 'größer', '箱')


@pytest.fixture(name='checkpoint', scope='module')
def make_checkpoint():
    torch.manual_seed(1)
    weights = Fcos(SETTINGS, len(LABELS)).state_dict()
    return Checkpoint('small', SETTINGS, LABELS, Size(96, 64), (1.0, 2.0, 3.0),
                      (64.0, 60.0, 50.0), 0.35, 0.6, weights,
                      {'steps': 7, 'ap': None, 'torch': torch.__version__})


@pytest.fixture(name='path')
def save_checkpoint(checkpoint, tmp_path):
    checkpoint.save(tmp_path / 'checkpoint.pt')
    return tmp_path / 'checkpoint.pt'


def test_a_file_keeps_all_fields(checkpoint, path):
    loaded = Checkpoint.load(path)
    for field in fields(Checkpoint):
        if field.name != 'weights':
            assert getattr(loaded, field.name) == getattr(checkpoint, field.name)
    assert list(loaded.weights) == list(checkpoint.weights)
    assert all(torch.equal(loaded.weights[name], value)
               for name, value in checkpoint.weights.items())


@torch.no_grad()
def test_the_network_of_a_file_is_ready_for_inference(checkpoint, path):
    image = torch.randn(1, 3, 64, 96)
    one, other = (source.network()(image) for source in (checkpoint, Checkpoint.load(path)))
    for levels, same in zip(one, other):
        assert all(map(torch.equal, levels, same))


def change(path, key, value):
    content = torch.load(path, weights_only=True)
    if value is None:
        del content[key]
    else:
        content[key] = value
    torch.save(content, path)


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('format', None, 'is not a checkpoint of this package; accepted: the checkpoint.pt'),
    ('format', 'other', 'is not a checkpoint of this package'),
    ('version', 2, 'of version 2; accepted: 1'),
    ('labels', None, "damaged checkpoint: 'labels'"),
    ('labels', ['one'], 'size mismatch'),
    ('labels', 3, 'damaged checkpoint'),
    ('size', [100, 64], 'accepted: multiples of 32'),
    ('size', [0, 64], 'accepted: multiples of 32'),
    ('size', [64], 'damaged checkpoint'),
    ('mean', 3.0, 'damaged checkpoint'),
    ('std', [1.0, 1.0], 'std has 2 numbers; accepted: 3'),
    ('settings', {'backbone': 'vgg', 'widths': [1], 'features': 2, 'branch_depth': 1},
     "backbone is 'vgg'"),
    ('settings', {'widths': [2, 2, 2, 2, 2]}, 'damaged checkpoint'),
    ('settings', {'backbone': 'lite', 'widths': [2] * 8, 'features': 2, 'branch_depth': 1},
     'damaged checkpoint'),
    ('box_activation', 'relu', "box_activation is 'relu'; accepted: 'exp'"),
    ('strides', [4, 8, 16, 32, 64], 'strides is'),
    ('weights', {}, 'Missing key'),
    ('weights', 4, 'damaged checkpoint'),
])
def test_a_file_that_does_not_fit_is_refused(path, key, value, message):
    change(path, key, value)
    with pytest.raises(ModelError, match=message):
        Checkpoint.load(path)


@given(position=st.integers(0, 10 ** 6), content=st.binary(min_size=1, max_size=20),
       truncated=st.booleans())
def test_a_damaged_file_raises_no_other_error(checkpoint, tmp_path_factory, position, content,
                                               truncated):
    path = tmp_path_factory.getbasetemp() / 'damaged.pt'
    checkpoint.save(path)
    good = path.read_bytes()
    start = position % len(good)
    damaged = good[:start] + content + good[start + len(content):]
    path.write_bytes(good[:start] if truncated else damaged)
    with contextlib.suppress(ModelError):  # any other error would be a traceback for the user
        Checkpoint.load(path).network()


@given(st.binary(max_size=200))
def test_any_other_file_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / 'other.pt'
    path.write_bytes(content)
    with pytest.raises(ModelError, match='is damaged, or holds more than weights'):
        Checkpoint.load(path)


def test_a_file_with_code_is_refused_and_the_code_does_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'created'),)

    (tmp_path / 'a.pt').write_bytes(pickle.dumps(Harmful()))
    torch.save({'weights': Harmful()}, tmp_path / 'b.pt')
    for name in ('a.pt', 'b.pt'):
        with pytest.raises(ModelError):
            Checkpoint.load(tmp_path / name)
    assert not (tmp_path / 'created').exists()


@pytest.mark.parametrize('name', ['no.pt', '.'])
def test_a_path_without_a_file_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match='cannot be read: '):
        Checkpoint.load(tmp_path / name)


def test_a_full_disk_leaves_the_earlier_file_intact(checkpoint, path, monkeypatch):
    before = path.read_bytes()

    def fill(content, part):
        part.write_bytes(b'half')
        raise RuntimeError('PytorchStreamWriter failed writing file\nmore')

    monkeypatch.setattr(module.torch, 'save', fill)
    with pytest.raises(OSError, match='cannot be written: PytorchStreamWriter failed'):
        checkpoint.save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_reported(checkpoint, tmp_path):
    with pytest.raises(OSError, match='cannot be written'):
        checkpoint.save(tmp_path / 'no' / 'checkpoint.pt')


def test_without_torch_the_error_names_the_command_that_installs_it(tmp_path):
    (tmp_path / 'torch.py').write_text('raise ImportError("no torch")')
    source = ('from fcos_ros.backends.errors import ModelError\n'
              'try:\n    import fcos_ros.deploy.checkpoint\n'
              'except ModelError as error:\n    print(error)\n')
    result = subprocess.run(
        [sys.executable, '-c', source], capture_output=True, text=True, check=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), os.getcwd()])})
    assert 'no torch' in result.stdout
    assert 'python3 -m pip install torch' in result.stdout
