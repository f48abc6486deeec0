# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What set-up decides for a machine, and what it says about one that lacks something."""

from dataclasses import replace
import os
import sys

import pytest

from tools.machine import (
    FLOOR,
    NEWEST,
    SOURCED_NEEDS,
    Environment,
    Machine,
    Python,
    SetupError,
    environments,
    probe,
)

PY39, PY310, PY311, PY312, PY314 = (
    Python(f'/usr/bin/python3.{minor}', (3, minor)) for minor in (9, 10, 11, 12, 14))
HUMBLE = replace(PY310, rclpy=True, modules=frozenset(SOURCED_NEEDS))


def test_the_python_asked_for_makes_the_environment():
    assert environments(Machine((PY312, PY311)), both=False) == (Environment('.venv', PY312),)


def test_a_python_that_is_too_old_or_too_new_is_passed_over():
    assert environments(Machine((PY39, PY314, PY311)), both=False)[0].python == PY311


@pytest.mark.parametrize(('pythons', 'second'), [
    pytest.param((PY311, PY310), Environment('.venv-3.10', PY310), id='newest first'),
    pytest.param((PY310, PY312, PY311), Environment('.venv-3.11', PY311), id='floor first'),
])
def test_tests_run_with_both_sets_of_libraries(pythons, second):
    main, other = environments(Machine(pythons), both=True)
    assert main == Environment('.venv', pythons[0])
    assert other == second
    assert {main.python.libraries, other.python.libraries} == {FLOOR, NEWEST}


@pytest.mark.parametrize('pythons', [
    pytest.param((PY312, PY311), id='none for the other set'),
    pytest.param((PY311, replace(PY310, headers=False)), id='the other one is incomplete'),
])
def test_without_a_second_python_one_set_is_tested(pythons):
    assert len(environments(Machine(pythons), both=True)) == 1


@pytest.mark.parametrize('both', [False, True])
def test_a_sourced_ros_is_used_alone(both):
    machine = Machine((PY311, HUMBLE), compilers=frozenset(), processor='aarch64', distro='humble')
    assert environments(machine, both) == (Environment('.venv', HUMBLE, sourced=True),)


@pytest.mark.parametrize(('machine', 'complaint', 'cure'), [
    pytest.param(Machine((PY311,), compilers=frozenset({'gcc'})),
                 'a C and a C++ compiler', 'sudo apt install g++', id='no compiler'),
    pytest.param(Machine((replace(PY311, headers=False),)),
                 "Python's headers", 'sudo apt install python3.11-dev', id='no headers'),
    pytest.param(Machine((replace(PY311, venv=False),)),
                 "Python's venv module", 'sudo apt install python3.11-venv', id='no venv'),
    pytest.param(Machine((replace(PY310, venv=False, headers=False),), compilers=frozenset()),
                 'compiler', 'install g++ python3.10-venv python3.10-dev', id='all three'),
    pytest.param(Machine((PY39,)), 'Python 3.9', 'sudo apt install python3.11', id='old Python'),
    pytest.param(Machine(()), 'found: none', 'sudo apt install python3.11', id='no Python'),
    pytest.param(Machine((PY311,), processor='aarch64'),
                 'Linux on aarch64', 'sudo apt install ros-humble', id='aarch64'),
    pytest.param(Machine((PY311,), system='Darwin', processor='arm64', libc=('', '')),
                 'Darwin on arm64', 'Install ROS 2', id='macOS'),
    pytest.param(Machine((PY311,), system='Windows', processor='AMD64', libc=('', '')),
                 'Windows on AMD64', 'Install ROS 2', id='Windows'),
    pytest.param(Machine((PY311,), libc=('', '')),
                 'not glibc', 'Install ROS 2', id='musl'),
    pytest.param(Machine((PY311,), libc=('glibc', '2.27')),
                 'glibc 2.27', 'Install ROS 2', id='old glibc'),
    pytest.param(Machine((PY311,), distro='humble'),
                 'none of these can import its rclpy: Python 3.11 (/usr/bin/python3.11)',
                 'make PYTHON=/usr/bin/python3', id='ROS for another Python'),
    pytest.param(Machine((replace(HUMBLE, modules=HUMBLE.modules - {'vision_msgs'}),),
                         distro='humble'),
                 'lacks vision_msgs', 'sudo apt install ros-humble-vision-msgs', id='no messages'),
    pytest.param(Machine((replace(HUMBLE, venv=False),), distro='humble'),
                 'lacks venv', 'sudo apt install python3-venv', id='ROS without venv'),
])
def test_what_is_missing_is_said_with_its_cure(machine, complaint, cure):
    with pytest.raises(SetupError) as said:
        environments(machine, both=True)
    assert complaint in str(said.value)
    assert cure in str(said.value)


def test_this_python_describes_itself():
    found = probe(sys.executable)
    assert found.version == sys.version_info[:2]
    assert found.executable == os.path.realpath(sys._base_executable)
    assert found.venv


def test_a_command_that_does_not_run_is_no_python():
    assert probe('/nowhere/python3') is None
    assert probe('false') is None
