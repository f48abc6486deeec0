# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user starts it: what it shows, and how it ends when a promise is broken."""

import json
import os
import re
import signal
import subprocess
import sys
import time

from child_processes import children
import cv2
from onnx_models import write_fcos
import pytest

from fcos_ros.demo.scenes import CLASS_NAMES

QUICK = ('--seconds', '1', '--warm-up', '0.2', '--scenes', '3', '--size', '128', '96')


def demo(*arguments):
    return subprocess.Popen(
        [sys.executable, '-m', 'fcos_ros.demo', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(*arguments):
    process = demo(*arguments)
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


@pytest.fixture
def blind_model(tmp_path):
    """Write a network that sees nothing that the demo shows."""
    return str(write_fcos(tmp_path / 'blind.onnx', classes=len(CLASS_NAMES), metadata={
        'labels': json.dumps(CLASS_NAMES), 'score_threshold': '0.9999'}))


@pytest.fixture
def seer_model(tmp_path):
    """Write a network that sees a cube wherever it is bright, that is, mostly wrongly."""
    return str(write_fcos(tmp_path / 'seer.onnx', classes=len(CLASS_NAMES), metadata={
        'labels': json.dumps(CLASS_NAMES), 'score_threshold': '0.001'}))


def test_the_shipped_network_keeps_all_promises(tmp_path):
    code, output, errors = outcome(
        '--seconds', '2', '--warm-up', '0.5', '--scenes', '12', '--output', str(tmp_path))
    assert (code, 'FAILED' in errors) == (0, False), errors
    assert output.split()[:2] == ['bgr8', 'nv12']
    recalls = [float(word) for word in re.search(r'\n  recall +(.*)', output)[1].split()]
    assert min(recalls) >= 0.8
    for encoding in ('bgr8', 'nv12'):
        assert cv2.imread(str(tmp_path / f'{encoding}.png')).shape == (480, 640, 3)


def test_a_network_that_sees_nothing_fails_with_the_reason(blind_model, tmp_path):
    code, output, errors = outcome(
        *QUICK, '--encodings', 'nv12', '--model', blind_model, '--output', str(tmp_path))
    assert code == 1
    assert re.search(r'FAILED nv12: nothing was detected: \d+ images sent, \d+ answered', errors)
    assert 'end to end' in output
    assert cv2.imread(str(tmp_path / 'nv12.png')).shape == (96, 128, 3)


def test_a_network_that_sees_wrongly_fails_on_its_recall_alone(seer_model, tmp_path):
    code, output, errors = outcome(
        *QUICK, '--encodings', 'bgr8', '--model', seer_model, '--output', str(tmp_path))
    assert code == 1
    failures = [line for line in errors.splitlines() if line.startswith('FAILED')]
    assert len(failures) == 1
    assert re.match(r'FAILED bgr8: recall is 0\.\d+: expected at least 0\.8', failures[0])
    assert re.search(r'\n  failed +0\n', output)


def test_a_missing_model_fails_at_once_with_the_words_of_the_node(tmp_path):
    code, output, errors = outcome(*QUICK, '--model', '/no/such.onnx', '--output', str(tmp_path))
    assert code == 1
    assert 'The demo failed: the detector reports' in errors
    assert "model '/no/such.onnx' was not found" in errors
    assert 'Traceback' not in errors
    assert output == ''


def test_a_camera_that_cannot_start_is_quoted(blind_model, tmp_path):
    code, _, errors = outcome('--size', '127', '96', '--model', blind_model, '--output',
                              str(tmp_path))
    assert code == 1
    assert 'The demo failed: the camera ended by itself, exit code 1' in errors
    assert 'width' in errors


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_an_interrupted_demo_leaves_no_process_behind(blind_model, tmp_path, how):
    process = demo(*QUICK, '--seconds', '60', '--model', blind_model, '--output', str(tmp_path))
    assert any('measurement' in line for line in process.stderr)
    started = children(process.pid)
    assert len(started) == 2
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert 'Interrupted.' in errors
    time.sleep(0.2)
    assert not any(os.path.exists(f'/proc/{child}') for child in started)
