# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process: it ends tidily, and says in one line why it cannot start."""

import signal

from diagnostic_msgs.msg import DiagnosticArray
from onnx_models import write_fcos
from programs import read_output, require_clean_end, start_node
import pytest

ENDED_IN_A_CALLBACK = """
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
"""The node, ended while it asks ROS 2 for a camera's publishers for the n-th time."""

NODE = ('-m', 'fcos_ros.node.fcos_node')


@pytest.fixture
def model(tmp_path):
    return f'model:={write_fcos(tmp_path / "model.onnx")}'


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_a_signal_ends_it_without_a_traceback(model, how):
    node = start_node(*NODE, parameters=(model,))
    require_clean_end(node, how, DiagnosticArray, '/diagnostics')


@pytest.mark.parametrize('look', ['1', '3'], ids=['while it starts', 'while it runs'])
def test_a_signal_amid_a_callback_ends_it_without_a_traceback(model, look):
    process = start_node('-c', ENDED_IN_A_CALLBACK, look, parameters=(model,))
    read_output(process)
    assert process.returncode == 0


@pytest.mark.parametrize(('parameter', 'complaint'), [
    ('score_threshold:=7.0', 'score_threshold'),
    ('score_threshold:=high', 'high'),
    ('workers:=two', 'workers'),
    ('fit:=tile', 'accepted: letterbox, stretch'),
])
def test_a_wrong_parameter_ends_it_with_the_reason(parameter, complaint):
    assert complaint in read_output(start_node(*NODE, parameters=(parameter,)))


def test_it_says_why_memory_of_large_images_is_not_kept():
    said = read_output(start_node(*NODE, parameters=('fit:=tile',), MALLOC_TOP_PAD_='9'))
    assert 'memory of large images is not kept: MALLOC_TOP_PAD_ is set' in said
