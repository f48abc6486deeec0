# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `fcos` has help for each verb, and reports errors in one line with an exit code."""

import os
import subprocess
import sys

from onnx_models import write_fcos
import pytest

VERBS = ('info', 'bench')


def test_help_names_every_verb(fcos):
    result = fcos('--help')
    assert result.code == 0
    assert all(verb in result.out for verb in VERBS)


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(fcos, verb):
    result = fcos(verb, '--help')
    assert result.code == 0
    assert 'MODEL' in result.out
    assert '--json' in result.out


@pytest.mark.parametrize('arguments', [
    (), ('fly',), ('info',), ('info', 'a.onnx', '--backend', 'magic'),
    ('bench', '--size', 'large'), ('bench', '--workers', '0'), ('bench', '--frames', 'many'),
    ('bench', '--encoding', 'jpeg'), ('bench', '--json', '--markdown'),
])
def test_a_wrong_command_exits_with_2_and_the_usage(fcos, arguments):
    result = fcos(*arguments)
    assert (result.code, result.out) == (2, '')
    assert result.err.startswith('usage: fcos')


@pytest.mark.parametrize('verb', VERBS)
def test_a_missing_file_exits_with_2_and_one_line(fcos, verb, tmp_path):
    result = fcos(verb, tmp_path / 'nowhere.onnx')
    assert (result.code, result.out) == (2, '')
    assert result.err.count('\n') == 1
    assert result.err.startswith(f'fcos {verb}: ')
    assert 'nowhere.onnx' in result.err


@pytest.mark.parametrize('verb', VERBS)
def test_a_package_that_is_not_installed_exits_with_2_and_one_line(fcos, verb):
    result = fcos(verb, 'package://no_such_package/model.onnx')
    assert (result.code, result.err.count('\n')) == (2, 1)
    assert 'no_such_package' in result.err


def test_a_path_is_found_without_ros(fcos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ament_index_python.packages', None)
    write_fcos(tmp_path / 'model.onnx')
    monkeypatch.chdir(tmp_path)
    assert fcos('info', 'model.onnx').code == 0
    result = fcos('info', 'nowhere.onnx')
    assert (result.code, result.err.count('\n')) == (2, 1)
    assert 'tried: ' in result.err


@pytest.mark.parametrize('model', ['~nobody_here/x.onnx', 'x' * 300, f'{"x/" * 3000}y.onnx'])
@pytest.mark.parametrize('verb', VERBS)
def test_a_path_that_cannot_exist_exits_with_2_and_one_line(fcos, verb, model):
    result = fcos(verb, model)
    assert (result.code, result.out, result.err.count('\n')) == (2, '', 1)
    assert result.err.startswith(f'fcos {verb}: model {model!r}'[:80])


def run_in_shell(command, tmp_path):
    """Return exit code and stderr of a shell command; `$fcos` runs the command."""
    model = write_fcos(tmp_path / 'model.onnx')
    # argparse ignores that its help cannot be written, but not if stdout has a buffer.
    environment = {**os.environ, 'PYTHONUNBUFFERED': '', 'model': str(model),
                   'fcos': f'{sys.executable} -m fcos_ros.cli'}
    done = subprocess.run(['bash', '-c', f'set -o pipefail; {command}'], stderr=subprocess.PIPE,
                          text=True, check=False, env=environment)
    return done.returncode, done.stderr


@pytest.mark.parametrize('arguments', ['--help', 'info $model', 'info $model --json'])
def test_a_reader_that_ends_early_ends_the_command_without_a_word(tmp_path, arguments):
    assert run_in_shell(f'$fcos {arguments} | true', tmp_path) == (141, '')


@pytest.mark.parametrize('arguments', ['--help', 'info $model', 'info $model --json'])
@pytest.mark.parametrize(('stdout', 'complaint'), [
    ('>&-', 'fcos: stdout is closed; to discard the output, add > /dev/null\n'),
    ('> /dev/full', 'fcos: [Errno 28] No space left on device\n'),
])
def test_an_output_that_cannot_be_written_exits_with_2_and_one_line(
        tmp_path, arguments, stdout, complaint):
    assert run_in_shell(f'$fcos {arguments} {stdout}', tmp_path) == (2, complaint)


def test_errors_are_not_printed_elsewhere_if_stderr_is_closed(tmp_path):
    assert run_in_shell('[ -z "$($fcos info nowhere.onnx 2>&-)" ]', tmp_path) == (0, '')
    assert run_in_shell('[ -n "$($fcos info $model --json <&- 2>&-)" ]', tmp_path) == (0, '')
