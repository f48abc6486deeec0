# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What set-up installs, and when it does nothing."""

from importlib.metadata import version
from importlib.util import find_spec
import os
from pathlib import Path
import re
import sys

from ament_index_python.packages import get_package_share_directory
from hypothesis import given, strategies as st
import pytest

from tools.setup import REQUIREMENTS, ROOT, SHARED, Step, perform, provided, read_pins

TRAINING = ROOT / 'training' / 'requirements.txt'
LISTS = sorted([*REQUIREMENTS.glob('*.txt'), TRAINING])
USED_TOGETHER = [('ros.txt', 'floor.txt', 'test.txt', 'check.txt'),
                 ('ros.txt', 'newest.txt', 'test.txt', 'check.txt')]


@pytest.mark.parametrize('file', LISTS, ids=lambda file: f'{file.parent.name}/{file.name}')
def test_every_requirement_is_pinned(file):
    for pin in read_pins(file):
        assert re.fullmatch(r"[\w-]+==[\w.]+(; python_version (<|>=) '3.11')?", pin)


@pytest.mark.parametrize('lists', USED_TOGETHER, ids=lambda lists: lists[1])
def test_lists_that_are_used_together_agree(lists):
    other = "; python_version >= '3.11'" if 'floor.txt' in lists else "; python_version < '3.11'"
    pins = {pin.partition(';')[0] for name in lists for pin in read_pins(REQUIREMENTS / name)
            if not pin.endswith(other)}
    names = [pin.partition('==')[0].lower() for pin in pins]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(('library', 'newest'), [('numpy', (2, 2)), ('onnxruntime', (1, 23))])
def test_training_takes_what_python_3_10_still_has(library, newest):
    """Newer ones need Python 3.11."""
    pin, = (pin for pin in read_pins(TRAINING)
            if pin.startswith(f'{library}==') and not pin.endswith(">= '3.11'"))
    assert tuple(map(int, re.findall(r'\d+', pin)[:2])) <= newest


def test_a_comment_is_no_requirement(tmp_path):
    (tmp_path / 'list').write_text('# numbers\n\nnumpy==2.0.0  # the best\n')
    assert read_pins(tmp_path / 'list') == ['numpy==2.0.0']


@pytest.mark.parametrize(('pin', 'there'), [
    ('numpy==1.21.6', True),
    ('typing_extensions==4.16.0', True),
    ("tomli==2.5.0; python_version < '3.11'", False),
    ('numpy-stl==3.1', False),
])
def test_what_a_sourced_ros_has_is_not_installed_again(pin, there):
    assert provided(pin, {'numpy', 'typing-extensions'}) is there


@given(st.lists(st.text('abc', max_size=3), max_size=8))
def test_a_step_is_done_again_only_when_its_key_changes(tmp_path_factory, keys):
    folder, done = tmp_path_factory.mktemp('environment'), []
    for key in keys:
        perform([Step('some step', key, lambda key=key: done.append(key))], folder)
    changes = [key for before, key in zip([None, *keys], keys) if key != before]
    assert done == changes


def test_a_step_that_fails_is_done_again(tmp_path):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        perform([Step('some step', 'key', fail)], tmp_path)
    done = []
    perform([Step('some step', 'key', lambda: done.append(1))], tmp_path)
    assert done


def test_progress_is_shown(tmp_path, capsys):
    perform([Step('message packages', 'key', lambda: None)], tmp_path)
    assert re.search(r'message packages: done in \d+ s', capsys.readouterr().out)


@pytest.mark.skipif('ROS_DISTRO' in os.environ, reason='a sourced ROS 2 has libraries of its own')
def test_this_environment_has_the_libraries_of_its_python():
    libraries = 'floor.txt' if sys.version_info < (3, 11) else 'newest.txt'
    for pin in read_pins(REQUIREMENTS / libraries):
        name, _, wanted = pin.partition('==')
        assert version(name) == wanted


@pytest.mark.skipif(not Path(sys.prefix, '.setup').is_dir(), reason='not made by set-up')
def test_this_environment_leaves_no_test_out_for_want_of_onnx():
    assert find_spec('onnx')


@pytest.mark.parametrize('name', SHARED)
def test_an_edit_of_the_checkout_is_seen_at_once(name):
    share = Path(get_package_share_directory('fcos_ros'))
    assert (share / name).exists() == (ROOT / name).exists()
    if share.is_relative_to(sys.prefix):
        assert (share / name).resolve() == ROOT / name
