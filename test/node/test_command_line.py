# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's own command line: help, arguments and parameter files without effect."""

from pathlib import Path
import subprocess
import sys

from onnx_models import write_fcos
from programs import read_output, start_node
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.node.command_line import answer_help, parameter_files
from fcos_ros.runtime.boards import this_board
from fcos_ros.settings.schema import Settings

NODE = ('-m', 'fcos_ros.node')


@pytest.mark.parametrize('option', ['--help', '-h'])
def test_the_help_names_the_way_to_set_parameters_and_every_parameter(option):
    process = subprocess.run([sys.executable, *NODE, option], capture_output=True, text=True,
                             timeout=TIMEOUT, check=False)
    assert (process.returncode, process.stderr) == (0, '')
    assert '--ros-args [-p NAME:=VALUE] [--params-file FILE]' in process.stdout
    for name, setting in Settings.options().items():
        assert f'\n  {name}\n' in process.stdout
        assert setting.accepted in ' '.join(process.stdout.split())


@pytest.mark.parametrize(('arguments', 'ignored'), [
    (['workers:=2'], 'workers:=2'),
    (['--workers', '2', '--ros-args', '-p', 'workers:=3'], '--workers 2'),
    (['--ros-args', '-p', 'workers:=3', '--', 'left'], 'left'),
])
def test_arguments_without_effect_are_reported(capsys, arguments, ignored):
    answer_help(['fcos_node', *arguments])
    assert f'arguments without effect: {ignored}; ' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [
    [], ['--ros-args'], ['--ros-args', '-p', 'workers:=2', '--log-level', 'info'],
    ['--ros-args', '-r', '__node:=det', '--', '--ros-args', '--params-file', 'a.yaml'],
    ['--ros-args', '--help'],
])
def test_arguments_of_ros_are_left_to_ros(capsys, arguments):
    answer_help(['fcos_node', *arguments])
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize(('arguments', 'files'), [
    ([], []),
    (['--ros-args', '--params-file', '/a/b.yaml'], ['/a/b.yaml']),
    (['--ros-args', '--params-file', 'b.yaml', '-p', 'x:=1', '--params-file', '/a/c.yaml'],
     ['b.yaml', '/a/c.yaml']),
    # The copies of `ros2 launch`; it checks the file itself, and looks beside it.
    (['--ros-args', '--params-file', '/tmp/launch_params_x1'], []),
    (['--params-file', '/a/b.yaml'], []),
    (['--ros-args', '--params-file'], []),
])
def test_the_parameter_files_of_users_are_found(arguments, files):
    assert parameter_files(['fcos_node', *arguments]) == tuple(
        Path(file).absolute() for file in files)


def test_a_parameter_file_for_another_node_is_reported(tmp_path):
    file = tmp_path / 'node.yaml'
    file.write_text('fcso:\n  ros__parameters:\n    workers: 2\n', encoding='utf-8')
    process = start_node(*NODE, '--ros-args', '--params-file', str(file), '-r', '__ns:=/r1', '--',
                         parameters=('model:=none.onnx',))
    expected = f'nothing in {file} is for /r1/fcos: its keys are fcso; accepted: /** or /r1/fcos'
    lines = []
    wait_until(lambda: lines.append(process.stdout.readline()) or expected in lines[-1])
    process.terminate()
    read_output(process)


def test_a_relative_model_is_found_beside_the_parameter_file(tmp_path):
    model = write_fcos(tmp_path / 'beside.onnx')
    file = tmp_path / 'node.yaml'
    file.write_text('/**:\n  ros__parameters:\n    model: beside.onnx\n', encoding='utf-8')
    process = start_node(*NODE, '--ros-args', '--params-file', str(file), '--')
    lines = []
    wait_until(lambda: lines.append(process.stdout.readline()) or f'loaded {model}' in lines[-1])
    process.terminate()
    read_output(process)


@pytest.mark.skipif(this_board() is not None, reason='this machine is a board')
def test_auto_warns_that_a_machine_that_is_no_board_runs_the_demo_network():
    process = start_node(*NODE, parameters=('model:=auto',))
    lines = []
    wait_until(lambda: lines.append(process.stdout.readline()) or 'loaded' in lines[-1])
    process.terminate()
    read_output(process)
    assert any('WARN' in line and 'the demo network runs on the CPU' in line for line in lines)
