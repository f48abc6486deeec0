# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `fcos` has help for each verb, and reports errors in one line with an exit code."""

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
