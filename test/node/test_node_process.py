# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process: it ends tidily, and says in one line why it cannot start."""

import os
import signal
import subprocess
import sys
import time

from onnx_models import write_fcos
import pytest

ENDED_AMID_A_LOOK = """
import os, signal, sys
import rclpy
from fcos_ros.node.fcos_node import main
from fcos_ros.node.publishers import Scout

def look(scout, look=Scout.look, looks=[]):
    looks.append(scout)
    if len(looks) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)
        while rclpy.ok():
            pass
    return look(scout)

Scout.look = look
sys.exit(main(sys.argv))
"""
"""The node, told to end while it asks ROS 2 for a camera's publishers for the n-th time."""


def run(*parameters, program=('-m', 'fcos_ros.node.fcos_node'), **environment):
    arguments = [part for name_value in parameters for part in ('-p', name_value)]
    return subprocess.Popen(
        [sys.executable, *program, '--ros-args', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **environment})


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


@pytest.mark.parametrize('look', ['1', '3'], ids=['while it starts', 'while it runs'])
def test_a_signal_amid_a_callback_ends_it_without_a_traceback(tmp_path, look):
    process = run(f'model:={write_fcos(tmp_path / "model.onnx")}',
                  program=('-c', ENDED_AMID_A_LOOK, look))
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


def test_it_says_why_memory_of_large_images_is_not_kept():
    output, _ = run('fit:=tile', MALLOC_TOP_PAD_='9').communicate(timeout=60)
    assert 'memory of large images is not kept: MALLOC_TOP_PAD_ is set' in output
