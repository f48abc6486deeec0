# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process: it ends tidily, and says in one line why it cannot start."""

import signal
import subprocess
import sys
import time

from onnx_models import write_fcos
import pytest


def run(*parameters):
    arguments = [part for name_value in parameters for part in ('-p', name_value)]
    return subprocess.Popen(
        [sys.executable, '-m', 'fcos_ros.node.fcos_node', '--ros-args', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_a_signal_ends_it_without_a_traceback(tmp_path, how):
    process = run(f'model:={write_fcos(tmp_path / "model.onnx")}')
    assert any('loaded' in line for line in process.stdout)
    time.sleep(0.5)
    process.send_signal(how)
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    assert 'Traceback' not in output
    assert process.returncode == 0


@pytest.mark.parametrize(('parameter', 'complaint'), [
    ('score_threshold:=7.0', 'score_threshold'),
    ('score_threshold:=high', 'high'),
    ('workers:=two', 'workers'),
    ('fit:=tile', 'accepted: letterbox, stretch'),
])
def test_a_wrong_parameter_ends_it_with_the_reason(parameter, complaint):
    output, _ = run(parameter).communicate(timeout=60)
    assert complaint in output
    assert 'Traceback' not in output
