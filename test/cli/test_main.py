# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos` as a whole: help for everything, and errors in one line with an exit code."""

from onnx_models import write_fcos
import pytest

VERBS = ('info', 'bench')


def test_help_names_every_verb(fcos):
    said = fcos('--help')
    assert said.code == 0
    assert all(verb in said.out for verb in VERBS)


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(fcos, verb):
    said = fcos(verb, '--help')
    assert said.code == 0
    assert 'MODEL' in said.out
    assert '--json' in said.out


@pytest.mark.parametrize('arguments', [
    (), ('fly',), ('info',), ('info', 'a.onnx', '--backend', 'magic'),
    ('bench', '--size', 'large'), ('bench', '--workers', '0'), ('bench', '--frames', 'many'),
    ('bench', '--encoding', 'jpeg'), ('bench', '--json', '--markdown'),
])
def test_a_command_that_makes_no_sense_ends_with_2_and_the_usage(fcos, arguments):
    said = fcos(*arguments)
    assert (said.code, said.out) == (2, '')
    assert said.err.startswith('usage: fcos')


@pytest.mark.parametrize('verb', VERBS)
def test_a_missing_file_ends_with_2_and_one_line(fcos, verb, tmp_path):
    said = fcos(verb, tmp_path / 'nowhere.onnx')
    assert (said.code, said.out) == (2, '')
    assert said.err.count('\n') == 1
    assert said.err.startswith(f'fcos {verb}: ')
    assert 'nowhere.onnx' in said.err


@pytest.mark.parametrize('verb', VERBS)
def test_a_package_that_is_not_there_ends_with_2_and_one_line(fcos, verb):
    said = fcos(verb, 'package://nobodys_package/model.onnx')
    assert (said.code, said.err.count('\n')) == (2, 1)
    assert 'nobodys_package' in said.err


def test_a_path_needs_no_ros(fcos, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'ament_index_python.packages', None)
    write_fcos(tmp_path / 'model.onnx')
    monkeypatch.chdir(tmp_path)
    assert fcos('info', 'model.onnx').code == 0
    said = fcos('info', 'nowhere.onnx')
    assert (said.code, said.err.count('\n')) == (2, 1)
    assert 'tried: ' in said.err
