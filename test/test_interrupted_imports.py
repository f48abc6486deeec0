# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A signal ends each program in order while it still imports its modules."""

import signal
import subprocess
import sys

import pytest
from waiting import TIMEOUT

PROGRAM = """
import importlib, sys

class ReportImport:
    def find_spec(self, name, *_):
        if name == 'numpy':
            print('importing', flush=True)

sys.meta_path.insert(0, ReportImport())
sys.exit(importlib.import_module(sys.argv.pop(1)).main())
"""
"""Run a program; it prints a line when it begins to import numpy."""

PROGRAMS = {'fcos_ros.node.__main__': 0, 'fcos_ros.demo.camera_program': 0,
            'fcos_ros.demo.__main__': 130, 'fcos_ros.cli.__main__': 130}
"""The module of each program, and its exit code after a signal."""


@pytest.mark.parametrize('signals', [
    [signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM],
], ids=['Ctrl-C', 'Ctrl-C twice', 'SIGTERM'])
@pytest.mark.parametrize(('module', 'code'), PROGRAMS.items(), ids=PROGRAMS)
def test_a_signal_during_the_imports_ends_a_program_without_a_traceback(module, code, signals):
    process = subprocess.Popen([sys.executable, '-c', PROGRAM, module], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == 'importing\n'
    for number in signals:
        process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code
    assert errors.split() == ['Interrupted.'] * (code != 0)
