# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of environments for a machine, and the errors if something is missing."""

from dataclasses import replace
import os
import sys

import pytest

from tools.machine import (
    FLOOR,
    NEWEST,
    ROS_MODULES,
    Environment,
    Host,
    Python,
    SetupError,
    environments,
    probe,
)

PY39, PY310, PY311, PY312, PY314 = (
    Python(f'/usr/bin/python3.{minor}', (3, minor)) for minor in (9, 10, 11, 12, 14))
HUMBLE = replace(PY310, rclpy=True, modules=frozenset(ROS_MODULES))


def test_the_environment_uses_the_preferred_python():
    assert environments(Host((PY312, PY311)), both=False) == (Environment('.venv', PY312),)


def test_a_python_that_is_too_old_or_too_new_is_not_used():
    assert environments(Host((PY39, PY314, PY311)), both=False)[0].python == PY311


@pytest.mark.parametrize(('pythons', 'second'), [
    pytest.param((PY311, PY310), Environment('.venv-3.10', PY310), id='prefer newest'),
    pytest.param((PY310, PY312, PY311), Environment('.venv-3.11', PY311), id='prefer oldest'),
])
def test_two_environments_have_both_sets_of_libraries(pythons, second):
    main, other = environments(Host(pythons), both=True)
    assert main == Environment('.venv', pythons[0])
    assert other == second
    assert {main.python.libraries, other.python.libraries} == {FLOOR, NEWEST}


@pytest.mark.parametrize('pythons', [
    pytest.param((PY312, PY311), id='no Python for the other set'),
    pytest.param((PY311, replace(PY310, headers=False)), id='the other Python has no headers'),
])
def test_without_a_second_python_there_is_one_environment(pythons):
    assert len(environments(Host(pythons), both=True)) == 1


@pytest.mark.parametrize('both', [False, True])
def test_with_a_sourced_ros_there_is_one_environment(both):
    host = Host((PY311, HUMBLE), compilers=frozenset(), processor='aarch64', distro='humble')
    assert environments(host, both) == (Environment('.venv', HUMBLE, sourced=True),)


@pytest.mark.parametrize(('host', 'complaint', 'remedy'), [
    pytest.param(Host((PY311,), compilers=frozenset({'gcc'})),
                 'a C and a C++ compiler', 'sudo apt install g++', id='no compiler'),
    pytest.param(Host((replace(PY311, headers=False),)),
                 "Python's headers", 'sudo apt install python3.11-dev', id='no headers'),
    pytest.param(Host((replace(PY311, venv=False),)),
                 "Python's venv module", 'sudo apt install python3.11-venv', id='no venv'),
    pytest.param(Host((replace(PY310, venv=False, headers=False),), compilers=frozenset()),
                 'compiler', 'install g++ python3.10-venv python3.10-dev',
                 id='no compiler, venv and headers'),
    pytest.param(Host((PY39,)), 'Python 3.9', 'sudo apt install python3.11', id='old Python'),
    pytest.param(Host(()), 'found: none', 'sudo apt install python3.11', id='no Python'),
    pytest.param(Host((PY311,), processor='aarch64'),
                 'Linux on aarch64', 'sudo apt install ros-humble', id='aarch64'),
    pytest.param(Host((PY311,), system='Darwin', processor='arm64', libc=('', '')),
                 'Darwin on arm64', 'Install ROS 2', id='macOS'),
    pytest.param(Host((PY311,), system='Windows', processor='AMD64', libc=('', '')),
                 'Windows on AMD64', 'Install ROS 2', id='Windows'),
    pytest.param(Host((PY311,), libc=('', '')),
                 'not glibc', 'Install ROS 2', id='musl'),
    pytest.param(Host((PY311,), libc=('glibc', '2.27')),
                 'glibc 2.27', 'Install ROS 2', id='old glibc'),
    pytest.param(Host((PY311,), distro='humble'),
                 'none of these can import its rclpy: Python 3.11 (/usr/bin/python3.11)',
                 'make PYTHON=/usr/bin/python3', id='ROS for another Python'),
    pytest.param(Host((replace(HUMBLE, modules=HUMBLE.modules - {'vision_msgs'}),),
                         distro='humble'),
                 'lacks vision_msgs', 'sudo apt install ros-humble-vision-msgs', id='no messages'),
    pytest.param(Host((replace(HUMBLE, venv=False),), distro='humble'),
                 'lacks venv', 'sudo apt install python3-venv', id='ROS without venv'),
])
def test_the_error_has_the_missing_part_and_the_remedy(host, complaint, remedy):
    with pytest.raises(SetupError) as caught:
        environments(host, both=True)
    assert complaint in str(caught.value)
    assert remedy in str(caught.value)


def test_probe_returns_the_properties_of_a_python():
    found = probe(sys.executable)
    assert found.version == sys.version_info[:2]
    assert found.executable == os.path.realpath(sys._base_executable)
    assert found.venv


def test_probe_returns_none_if_the_command_fails():
    assert probe('/nowhere/python3') is None
    assert probe('false') is None
