# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of set-up, and the packages that it installs."""

from importlib.metadata import version
from importlib.util import find_spec
import os
from pathlib import Path
import re
import sys

from ament_index_python.packages import get_package_share_directory
from hypothesis import given, strategies as st
import pytest

from tools.setup import REQUIREMENTS, ROOT, SHARED, Step, is_provided, read_pins, run_steps

TRAINING = ROOT / 'training' / 'requirements.txt'
LISTS = sorted([*REQUIREMENTS.glob('*.txt'), TRAINING])
USED_TOGETHER = [('ros.txt', 'services.txt', 'floor.txt', 'test.txt', 'check.txt'),
                 ('ros.txt', 'services.txt', 'newest.txt', 'test.txt', 'check.txt')]


@pytest.mark.parametrize('file', LISTS, ids=lambda file: f'{file.parent.name}/{file.name}')
def test_every_requirement_is_pinned(file):
    for pin in read_pins(file):
        assert re.fullmatch(r"[\w-]+==[\w.]+(; (python_version (<|>=) '3.11'"
                            r"|platform_machine == '\w+'))?", pin)


@pytest.mark.parametrize('lists', USED_TOGETHER, ids=lambda lists: lists[1])
def test_lists_that_are_used_together_have_no_requirement_twice(lists):
    other = "; python_version >= '3.11'" if 'floor.txt' in lists else "; python_version < '3.11'"
    pins = {pin.partition(';')[0] for name in lists for pin in read_pins(REQUIREMENTS / name)
            if not pin.endswith(other)}
    names = [pin.partition('==')[0].lower() for pin in pins]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(('library', 'newest_version'), [
    ('numpy', (2, 2)), ('onnxruntime', (1, 23))], ids=['numpy', 'onnxruntime'])
def test_the_libraries_of_training_have_a_version_for_python_3_10(library, newest_version):
    pin, = (pin for pin in read_pins(TRAINING)
            if pin.startswith(f'{library}==') and not pin.endswith(">= '3.11'"))
    assert tuple(map(int, re.findall(r'\d+', pin)[:2])) <= newest_version


def test_comments_are_not_requirements(tmp_path):
    (tmp_path / 'list').write_text('# numbers\n\nnumpy==2.0.0  # the best\n')
    assert read_pins(tmp_path / 'list') == ['numpy==2.0.0']


@pytest.mark.parametrize(('pin', 'expected'), [
    ('numpy==1.21.6', True),
    ('typing_extensions==4.16.0', True),
    ("tomli==2.5.0; python_version < '3.11'", False),
    ('numpy-stl==3.1', False),
])
def test_a_requirement_is_provided_by_any_version_of_its_distribution(pin, expected):
    assert is_provided(pin, {'numpy', 'typing-extensions'}) is expected


@given(st.lists(st.text('abc', max_size=3), max_size=8))
def test_a_step_is_repeated_only_when_its_key_changes(tmp_path_factory, keys):
    folder, done = tmp_path_factory.mktemp('environment'), []
    for key in keys:
        run_steps([Step('some step', key, lambda key=key: done.append(key))], folder)
    changes = [key for before, key in zip([None, *keys], keys) if key != before]
    assert done == changes


def test_a_failed_step_is_repeated(tmp_path):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_steps([Step('some step', 'key', fail)], tmp_path)
    done = []
    run_steps([Step('some step', 'key', lambda: done.append(1))], tmp_path)
    assert done


def test_progress_is_printed(tmp_path, capsys):
    run_steps([Step('message packages', 'key', lambda: None)], tmp_path)
    assert re.search(r'message packages: done in \d+ s', capsys.readouterr().out)


@pytest.mark.skipif('ROS_DISTRO' in os.environ, reason='a sourced ROS 2 has its own libraries')
def test_this_environment_has_the_libraries_of_its_python():
    libraries = 'floor.txt' if sys.version_info < (3, 11) else 'newest.txt'
    for pin in read_pins(REQUIREMENTS / libraries):
        name, _, wanted = pin.partition('==')
        assert version(name) == wanted


@pytest.mark.skipif(not Path(sys.prefix, '.setup').is_dir(), reason='not created by set-up')
def test_onnx_is_installed_for_the_tests_that_need_it():
    assert find_spec('onnx')


@pytest.mark.parametrize('name', SHARED)
def test_the_share_files_of_the_environment_are_links_to_the_checkout(name):
    share = Path(get_package_share_directory('fcos_ros'))
    assert (share / name).exists() == (ROOT / name).exists()
    if share.is_relative_to(sys.prefix):
        assert (share / name).resolve() == ROOT / name
