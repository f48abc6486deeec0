# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `python -m training.train`: messages, exit codes, Ctrl-C."""

import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from waiting import TIMEOUT

from fcos_ros.backends import load
from fcos_ros.core.frame import Frame
from fcos_ros.evaluation.datasets import open_dataset, split
from fcos_ros.runtime.detector import Detector
from training import train as command
from training.command import FAILED, INTERRUPTED

ROOT = Path(__file__).resolve().parents[2]
WHOLE = 10 * TIMEOUT
"""Timeout for a whole training, whose processes import torch."""

QUICK = ('--size=64', '--batch=2', '--workers=0', '--threads=1', '--device=cpu')


@pytest.fixture(name='train')
def make_train(coloured_data, tmp_path, capsys):
    """Return a function that runs the command; it returns the exit code and both outputs."""
    def train(*options, data=coloured_data):
        code = command.main([str(data), '--output', str(tmp_path / 'run'), *QUICK, *options])
        return code, *capsys.readouterr()
    return train


@pytest.fixture(name='data')
def copy_data(coloured_data, tmp_path):
    return Path(shutil.copytree(coloured_data, tmp_path / 'data'))


def test_the_data_are_described_and_the_result_is_named(train, tmp_path):
    code, out, _ = train('--epochs=1')
    assert code == 0
    assert 'COCO, 12 images; objects: ball 12, cube 12' in out
    assert '8 images for training, 4 for validation' in out
    assert '4 steps of 2 images on cpu' in out
    assert str(tmp_path / 'run' / 'checkpoint.pt') in out
    assert json.loads((tmp_path / 'run' / 'run.json').read_text())['steps'] == 4


def test_the_onnx_file_detects_what_the_report_states(train, tmp_path, coloured_data):
    train('--epochs=20', '--rate=4e-3', '--mosaic=0')
    facts = json.loads((tmp_path / 'run' / 'run.json').read_text())
    detector = Detector(load(tmp_path / 'run' / 'model.onnx'))
    assert detector.info.labels.names == ('ball', 'cube')
    assert detector.info.criteria.score_threshold == facts['validation']['score_threshold']
    _, val = split(open_dataset(coloured_data))
    found = [detector.detect(Frame.from_bgr(image.read())).detections for image in val.images]
    detector.close()
    count = sum(map(len, found))
    recalled = facts['validation']['recall'] * facts['validation']['objects']
    assert count * facts['validation']['precision'] == pytest.approx(recalled, abs=0.01)


def test_check_only_reports(train, tmp_path):
    code, out, _ = train('--check')
    assert code == 0
    assert 'warning: rare class' in out
    assert not (tmp_path / 'run').exists()


def test_errors_of_the_data_stop_before_anything_is_trained(train, data, tmp_path):
    next((data / 'images').iterdir()).write_bytes(b'no image')
    code, out, error = train(data=data)
    assert code == FAILED
    assert 'error: unreadable image (1); the image is left out' in out
    assert 'has 1 errors, see above' in error
    assert 'LEAVE_OUT=1' in error
    assert not (tmp_path / 'run').exists()
    code, out, _ = train('--leave-out', '--epochs=1', data=data)
    assert code == 0


@pytest.mark.parametrize(('options', 'message'), [
    (['--batch=0'], 'batch is 0; accepted: 1 or more'),
    (['--epochs=0'], 'steps is 0; accepted: 1 or more'),
    (['--size=70'], 'size is 70x70; accepted: multiples of 32'),
    (['--crop=96'], 'crop is 96x96; accepted: at most 64x64'),
    (['--device=abacus'], "device is 'abacus', which cannot be used"),
    (['--threads=0'], 'threads is 0'),
    (['--weights=no.pt'], 'no.pt cannot be read: No such file'),
    (['--resume'], 'holds no run to continue'),
    (['--val-fraction=2'], 'val_fraction is 2.0; accepted: between 0 and 1'),
])
def test_what_cannot_be_done_is_said_in_one_line(train, options, message):
    code, _, error = train(*options)
    assert code == FAILED
    assert message in error
    assert 'Traceback' not in error


@pytest.mark.parametrize('text', ['small', '64x', '-64', '0x64x3', '999999'])
def test_a_size_that_is_none_is_refused(train, text):
    with pytest.raises(SystemExit):
        train(f'--size={text}')


def test_data_that_do_not_exist_are_refused(train, tmp_path):
    code, _, error = train(data=tmp_path / 'no')
    assert code == FAILED
    assert 'no does not exist; accepted:' in error


def test_a_full_disk_is_reported_with_what_to_do(train, monkeypatch):
    def fill(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('training.run.write', fill)
    code, _, error = train('--epochs=1')
    assert code == FAILED
    assert 'No space left on device; correct it and run the same command with RESUME=1' in error


def test_ctrl_c_ends_after_a_step_and_resume_gives_the_same_network(coloured_data, tmp_path):
    def start(name, *options):
        return subprocess.Popen(
            [sys.executable, '-u', '-m', 'training.train', str(coloured_data), '--output',
             str(tmp_path / name), *QUICK, '--workers=1', '--epochs=5', *options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)

    with start('interrupted') as process:
        for line in process.stdout:
            if line.startswith('step 2 of 20'):
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does: also the workers
                break
        out, error = process.communicate(timeout=WHOLE)
    assert process.returncode == INTERRUPTED, error
    assert 'The training ends after this step' in out
    assert 'RESUME=1' in out
    assert 'Traceback' not in error
    assert not (tmp_path / 'interrupted' / 'run.json').exists()
    for arguments in (('interrupted', '--resume'), ('whole',)):
        with start(*arguments) as process:
            _, error = process.communicate(timeout=WHOLE)
        assert process.returncode == 0, error
    one, other = (torch.load(tmp_path / name / 'state.pt', weights_only=True)['average']
                  for name in ('interrupted', 'whole'))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert np.isfinite([value.sum() for value in one.values()]).all()
