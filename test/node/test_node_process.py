# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process: signals end it cleanly, and it logs why it cannot start."""

import signal

from diagnostic_msgs.msg import DiagnosticArray
from onnx_models import write_fcos
from programs import read_output, require_clean_end, start_node
import pytest

SIGNAL_IN_A_CALLBACK = """
import os, signal, sys
from fcos_ros.node.__main__ import main
from fcos_ros.node.input.discovery import PublisherDiscovery

def find(discovery, find=PublisherDiscovery.find, calls=[]):
    calls.append(discovery)
    if len(calls) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)
    return find(discovery)

PublisherDiscovery.find = find
main()
"""
"""Run the node; it receives SIGTERM while it searches for publishers for the n-th time."""

NODE = ('-m', 'fcos_ros.node')


@pytest.fixture
def model(tmp_path):
    return f'model:={write_fcos(tmp_path / "model.onnx")}'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_a_signal_ends_the_node_without_a_traceback(model, number):
    node = start_node(*NODE, parameters=(model,))
    require_clean_end(node, number, DiagnosticArray, '/diagnostics')


@pytest.mark.parametrize('search', ['1', '3'], ids=['while it starts', 'while it runs'])
def test_a_signal_during_a_callback_ends_the_node_without_a_traceback(model, search):
    process = start_node('-c', SIGNAL_IN_A_CALLBACK, search, parameters=(model,))
    read_output(process)
    assert process.returncode == 0


@pytest.mark.parametrize(('parameter', 'complaint'), [
    ('score_threshold:=7.0', 'score_threshold'),
    ('score_threshold:=high', 'high'),
    ('workers:=two', 'workers'),
    ('fit:=tile', 'accepted: letterbox, stretch'),
])
def test_a_wrong_parameter_ends_the_node_with_the_reason(parameter, complaint):
    assert complaint in read_output(start_node(*NODE, parameters=(parameter,)))


def test_the_node_logs_why_the_memory_of_large_images_is_not_kept():
    output = read_output(start_node(*NODE, parameters=('fit:=tile',), MALLOC_TOP_PAD_='9'))
    assert 'memory of large images is not kept: MALLOC_TOP_PAD_ is set' in output


@pytest.mark.parametrize(('arguments', 'environment', 'words'), [
    pytest.param((), {'ROS_LOG_DIR': '/proc/none'},
                 ['Failed to create log directory', '/proc/none', 'set ROS_LOG_DIR'], id='log'),
    pytest.param(('a',), {}, ["Couldn't parse parameter override rule: '-p a'"], id='argument'),
])
def test_a_start_of_ros_that_fails_is_reported_in_one_line(arguments, environment, words):
    node = start_node(*NODE, parameters=arguments, **environment)
    lines = [line for line in read_output(node).splitlines() if '[rcl]' not in line]
    assert node.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith('fcos: ROS 2 cannot start: ')
    assert all(word in lines[0] for word in words)
    assert '.cpp' not in lines[0]
