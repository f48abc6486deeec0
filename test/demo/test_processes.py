# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of the demo: all are ended, and an unexpected end is reported."""

import os
import re
import signal

import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.demo import processes as module
from fcos_ros.demo.processes import ProcessEnded, Processes

SLEEPING = 'import os, signal\nprint("started", os.getpid(), flush=True)\nsignal.pause()\n'
IGNORING = 'import signal\nfor s in (2, 15):\n    signal.signal(s, signal.SIG_IGN)\n' + SLEEPING
FAILING = 'import sys\nprint("arguments:", *sys.argv[1:])\nsys.exit("no camera here")\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder, and make the modules sleeping, ignoring and failing importable."""
    for name, source in {'sleeping': SLEEPING, 'ignoring': IGNORING, 'failing': FAILING}.items():
        (tmp_path / f'{name}.py').write_text(source)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get('PYTHONPATH')]))
    monkeypatch.setenv('PYTHONPATH', path)
    return tmp_path


def wait_for_output(processes, text):
    wait_until(lambda: text in processes.outputs())


@pytest.mark.parametrize(('name', 'code', 'timeout'), [
    pytest.param('sleeping', -signal.SIGINT, TIMEOUT, id='ends at SIGINT'),
    pytest.param('ignoring', -signal.SIGKILL, 0.1, id='ignores signals'),
])
def test_stop_ends_a_process_also_if_it_ignores_signals(folder, monkeypatch, name, code, timeout):
    monkeypatch.setattr(module, 'STOP_TIMEOUT', timeout)
    with Processes(folder) as processes:
        processes.start(name, name, {})
        wait_for_output(processes, 'started')
        assert processes.stop(name) == code


def interrupt(processes):
    """Raise KeyboardInterrupt in the `with` block while two processes run."""
    with processes:
        for name in ('sleeping', 'ignoring'):
            processes.start(name, name, {})
            wait_for_output(processes, f'--- {name} ---\nstarted')
        raise KeyboardInterrupt


def test_an_error_in_the_with_block_ends_all_processes(folder, monkeypatch):
    monkeypatch.setattr(module, 'STOP_TIMEOUT', 0.1)
    processes = Processes(folder)
    with pytest.raises(KeyboardInterrupt):
        interrupt(processes)
    ids = [int(number) for number in re.findall(r'started (\d+)', processes.outputs())]
    assert len(ids) == 2
    for process_id in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


def test_a_process_that_ends_by_itself_is_reported_with_its_output(folder):
    with Processes(folder) as processes:
        processes.start('camera', 'failing', {'rate': 5.0, 'encoding': 'nv12'})
        wait_for_output(processes, 'no camera here')
        with pytest.raises(ProcessEnded, match='the camera ended by itself, exit code 1'):
            wait_until(processes.check)
        assert '--- camera ---' in processes.outputs()
        assert 'arguments: --ros-args -p rate:=5.0 -p encoding:=nv12' in processes.outputs()


def test_running_processes_pass_the_check(folder):
    with Processes(folder) as processes:
        processes.start('sleeping', 'sleeping', {})
        wait_for_output(processes, 'started')
        processes.check()
