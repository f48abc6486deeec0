# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each fault of a simulated board is found, with the command that mends it."""

from dataclasses import replace
import os
import sys

from inspection.machine_tree import MachineTree
import pytest

from fcos_ros.inspection import board
from fcos_ros.inspection.board import BoardFacts
from fcos_ros.inspection.board_checks import board_findings
from fcos_ros.inspection.finding import Severity


@pytest.fixture
def tree(tmp_path, monkeypatch):
    made = MachineTree(tmp_path)
    made.make_board()
    return made


def assert_found(facts, words, cure, severity=Severity.WARNING):
    finding, = board_findings(facts)
    assert (finding.severity, finding.area) == (severity, 'board')
    for word in words:
        assert word in finding.text
    assert cure in finding.cure


def test_a_healthy_board_has_no_findings(tree):
    facts = BoardFacts.read(tree.root)
    assert (facts.name, facts.devices, facts.temperature) == ('RDK X5', ('/dev/bpu_core0',), 55.0)
    assert facts.library
    assert list(board_findings(facts, detector_runs=False)) == []


def test_a_machine_that_is_no_board_has_no_findings(tmp_path):
    facts = BoardFacts.read(tmp_path)
    assert facts == BoardFacts()
    assert list(board_findings(facts)) == []


def test_a_board_without_its_device_is_found(tree):
    (tree.root / 'dev/bpu_core0').unlink()
    assert_found(BoardFacts.read(tree.root), ['RDK X5 has no device file'], 'docker run',
                 Severity.ERROR)


def test_a_device_that_the_user_may_not_use_is_found(tree, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # root may always
    assert_found(BoardFacts.read(tree.root), ['may not use /dev/bpu_core0'],
                 'sudo chmod a+rw /dev/bpu_core0', Severity.ERROR)


def test_missing_libraries_of_the_vendor_are_found(tree):
    (tree.root / 'usr/hobot/lib/libdnn.so').unlink()
    assert_found(BoardFacts.read(tree.root), ['neither hobot_dnn, hbm_runtime nor libdnn.so'],
                 'sudo apt install --reinstall', Severity.ERROR)


@pytest.mark.parametrize('folder', ['usr/lib/python3', 'usr/local/lib/python3.10'])
def test_libraries_that_a_virtual_environment_hides_are_found(tree, folder, monkeypatch):
    monkeypatch.setattr(sys, 'base_prefix', '/usr')
    (tree.root / 'usr/hobot/lib/libdnn.so').unlink()
    tree.write(f'{folder}/dist-packages/hobot_dnn/__init__.py', '')
    assert_found(BoardFacts.read(tree.root), ['hobot_dnn', 'virtual environment does not see it'],
                 '--system-site-packages', Severity.ERROR)


def test_numpy_2_beside_the_binding_is_found(tree, tmp_path, monkeypatch):
    (tmp_path / 'modules/hobot_dnn').mkdir(parents=True)
    (tmp_path / 'modules/hobot_dnn/__init__.py').write_text('')
    monkeypatch.syspath_prepend(str(tmp_path / 'modules'))
    facts = BoardFacts.read(tree.root)
    assert facts.modules == ('hobot_dnn',)
    assert_found(replace(facts, numpy='2.1.0'), ['numpy is 2.1.0'],
                 "python3 -m pip install 'numpy<2'", Severity.ERROR)
    assert list(board_findings(replace(facts, numpy='1.26.4'))) == []


def test_little_memory_for_devices_is_found(tree):
    tree.write_memory(cma=400_000, cma_free=40_000)
    assert_found(BoardFacts.read(tree.root), ['only 39 of 391 MiB', 'CMA'], 'srpi-config')


def test_a_slow_governor_is_found(tree):
    tree.write('sys/devices/system/cpu/cpu1/cpufreq/scaling_governor', 'powersave\n')
    assert_found(BoardFacts.read(tree.root), ['governor of the CPU is powersave'],
                 'echo performance | sudo tee')


@pytest.mark.parametrize(('heat', 'severity'), [(86_000, Severity.WARNING),
                                                (97_000, Severity.ERROR)])
def test_heat_is_found(tree, heat, severity):
    tree.write('sys/class/thermal/thermal_zone0/temp', f'{heat}\n')
    assert_found(BoardFacts.read(tree.root), [f'{heat // 1000} degrees'], 'hrut_somstatus',
                 severity)


def test_a_bpu_that_another_program_uses_is_found(tree):
    tree.write('sys/devices/system/bpu/bpu0/ratio', '97\n')
    facts = BoardFacts.read(tree.root)
    assert list(board_findings(facts, detector_runs=True)) == []
    finding, = board_findings(facts, detector_runs=False)
    assert 'the BPU is 97 % busy' in finding.text


def test_the_environment_may_name_the_library(tree, monkeypatch):
    (tree.root / 'usr/hobot/lib/libdnn.so').unlink()
    monkeypatch.setattr(board.ctypes.util, 'find_library', lambda name: None)
    assert not BoardFacts.read(tree.root).library
    monkeypatch.setenv('FCOS_LIBDNN', '/somewhere/libdnn.so')
    assert BoardFacts.read(tree.root).library
