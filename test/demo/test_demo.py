# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user starts it: its output, and its exit code after a failure."""

import json
import re
import signal
import subprocess
import sys

from child_processes import children, is_alive
import cv2
from onnx_models import write_fcos
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.demo.browser import find_browser
from fcos_ros.demo.scenes import CLASS_NAMES
from fcos_ros.offline.bags.reader import Bag

pytestmark = pytest.mark.usefixtures('no_fast_dds_profile')

QUICK = ('--seconds', '3', '--warm-up', '0.2', '--scenes', '3', '--size', '128', '96',
         '--no-page')


START_DEMO = f"""
import sys
from fcos_ros.demo import __main__ as demo, processes, run
run.DRAIN_TIMEOUT = run.IMAGE_TIMEOUT = processes.STOP_TIMEOUT = {TIMEOUT}
demo.main()
"""
"""As `python -m fcos_ros.demo`, but with timeouts that a busy machine does not reach."""


def start_demo(*arguments):
    return subprocess.Popen(
        [sys.executable, '-c', START_DEMO, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def message_counts(path):
    with Bag(path) as bag:
        return {topic.name: topic.count for topic in bag.topics}


def run_demo(*arguments):
    """Run the demo; return its exit code, output and errors. It has its own timeouts."""
    process = start_demo(*arguments)
    output, errors = process.communicate()
    return process.returncode, output, errors


@pytest.fixture
def blind_model(tmp_path):
    """Write a network that detects nothing in the images of the demo."""
    return str(write_fcos(tmp_path / 'blind.onnx', classes=len(CLASS_NAMES), metadata={
        'labels': json.dumps(CLASS_NAMES), 'score_threshold': '0.9999'}))


@pytest.fixture
def wrong_model(tmp_path):
    """Write a network that detects a cube at every bright place, which is mostly wrong."""
    return str(write_fcos(tmp_path / 'wrong.onnx', classes=len(CLASS_NAMES), metadata={
        'labels': json.dumps(CLASS_NAMES), 'score_threshold': '0.001'}))


def test_the_demo_network_passes_all_checks(tmp_path):
    code, output, errors = run_demo(
        '--seconds', '4', '--warm-up', '0.5', '--scenes', '12', '--output', str(tmp_path))
    assert (code, 'FAILED' in errors) == (0, False), errors
    assert output.split()[:2] == ['bgr8', 'nv12']
    recalls = [float(word) for word in re.search(r'\n  recall +(.*)', output)[1].split()]
    assert min(recalls) >= 0.8
    command = re.search(r'^\$ (.* bag .*)$', output, re.MULTILINE)[1]
    assert output.endswith(f'results: {tmp_path}/bags_with_detections\n')
    for encoding in ('bgr8', 'nv12'):
        assert cv2.imread(str(tmp_path / f'{encoding}.png')).shape == (480, 640, 3)
        assert f'{tmp_path}/bag_{encoding}' in command
        names = message_counts(tmp_path / 'bags_with_detections' / f'bag_{encoding}')
        assert names['/fcos/detections'] == names['/image'] >= 20
        assert names['/ground_truth'] > 0
    assert 'The page: http://localhost:' in errors
    if find_browser():
        assert f'the page: {tmp_path / "page.png"}' in output
        assert cv2.imread(str(tmp_path / 'page.png')).shape[1] == 1440
    else:
        assert 'the page: no picture; no browser was found' in output


def test_a_network_that_detects_nothing_fails_with_the_reason(blind_model, tmp_path):
    code, output, errors = run_demo(
        *QUICK, '--encodings', 'nv12', '--model', blind_model, '--output', str(tmp_path))
    assert code == 1
    assert re.search(
        r'FAILED nv12: nothing was detected: \d+ images sent, \d+ messages received', errors)
    assert 'end to end' in output
    assert cv2.imread(str(tmp_path / 'nv12.png')).shape == (96, 128, 3)


def test_a_network_with_wrong_detections_fails_only_because_of_its_recall(wrong_model, tmp_path):
    code, output, errors = run_demo(
        *QUICK, '--encodings', 'bgr8', '--model', wrong_model, '--output', str(tmp_path))
    assert code == 1
    failures = [line for line in errors.splitlines() if line.startswith('FAILED')]
    assert len(failures) == 1
    assert re.match(r'FAILED bgr8: recall is 0\.\d+; accepted: at least 0\.8', failures[0])
    assert re.search(r'\n  failed +0\n', output)


def test_a_missing_model_fails_with_the_error_of_the_node(tmp_path):
    code, output, errors = run_demo(*QUICK, '--model', '/no/such.onnx', '--output', str(tmp_path))
    assert code == 1
    assert 'The demo failed: the detector reports' in errors
    assert "model '/no/such.onnx' was not found" in errors
    assert 'Traceback' not in errors
    assert output == ''


def test_a_reader_of_the_output_that_has_ended_is_no_error(blind_model, tmp_path):
    process = start_demo(
        *QUICK, '--encodings', 'nv12', '--model', blind_model, '--output', str(tmp_path))
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(TIMEOUT) == 141
    assert 'Traceback' not in errors


def test_output_that_cannot_be_written_fails_with_the_reason(blind_model):
    code, _, errors = run_demo(
        *QUICK, '--encodings', 'nv12', '--model', blind_model, '--output', '/dev/full/images')
    assert code == 1
    assert 'The demo failed: /dev/full/images/bag_nv12 cannot be written: Not a dir' in errors
    assert 'Traceback' not in errors


def test_the_output_of_a_camera_that_cannot_start_is_printed(blind_model, tmp_path):
    code, _, errors = run_demo(
        '--size', '127', '96', '--model', blind_model, '--output', str(tmp_path))
    assert code == 1
    assert 'The demo failed: the camera ended by itself, exit code 1' in errors
    assert 'width' in errors


@pytest.mark.parametrize(('phase', 'processes', 'scenes'), [
    pytest.param('the detector', 2, '3', id='the detector loads its model'),
    pytest.param('the first detections', 3, '1000', id='the camera renders images'),
    pytest.param('measurement', 3, '3', id='images are measured'),
])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_an_interrupted_demo_ends_its_processes(
        blind_model, tmp_path, number, phase, processes, scenes):
    process = start_demo('--seconds', '1000', '--size', '128', '96', '--scenes', scenes,
                         '--model', blind_model, '--output', str(tmp_path))
    assert any(phase in line for line in process.stderr)
    wait_until(lambda: len(children(process.pid)) == processes)  # one of them serves the page
    started = children(process.pid)
    for _ in range(2):
        process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, errors
    assert 'Interrupted.' in errors
    assert 'Traceback' not in errors
    assert not any(map(is_alive, started))
