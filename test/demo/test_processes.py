# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo promises of its processes: none is left behind, and none dies in silence."""

import os
import re
import signal

import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.demo import processes as module
from fcos_ros.demo.processes import ProcessEnded, Processes

SLEEPER = 'import os, signal\nprint("awake", os.getpid(), flush=True)\nsignal.pause()\n'
STUBBORN = 'import signal\nfor s in (2, 15):\n    signal.signal(s, signal.SIG_IGN)\n' + SLEEPER
BROKEN = 'import sys\nprint("arguments:", *sys.argv[1:])\nsys.exit("no camera here")\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder, and make modules findable: sleeper, stubborn and broken."""
    for name, source in {'sleeper': SLEEPER, 'stubborn': STUBBORN, 'broken': BROKEN}.items():
        (tmp_path / f'{name}.py').write_text(source)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get('PYTHONPATH')]))
    monkeypatch.setenv('PYTHONPATH', path)
    return tmp_path


def wait_for_output(processes, text):
    wait_until(lambda: text in processes.outputs())


@pytest.mark.parametrize(('name', 'code', 'timeout'), [
    pytest.param('sleeper', -signal.SIGINT, TIMEOUT, id='Ctrl-C is enough'),
    pytest.param('stubborn', -signal.SIGKILL, 0.1, id='by force'),
])
def test_a_process_is_ended_whatever_it_does(folder, monkeypatch, name, code, timeout):
    monkeypatch.setattr(module, 'PATIENCE', timeout)
    with Processes(folder) as processes:
        processes.start(name, name, {})
        wait_for_output(processes, 'awake')
        assert processes.stop(name) == code


def interrupt(processes):
    """Raise an error in the block in which two processes run."""
    with processes:
        for name in ('sleeper', 'stubborn'):
            processes.start(name, name, {})
            wait_for_output(processes, f'--- {name} ---\nawake')
        raise KeyboardInterrupt


def test_leaving_the_block_by_an_error_ends_all(folder, monkeypatch):
    monkeypatch.setattr(module, 'PATIENCE', 0.1)
    processes = Processes(folder)
    with pytest.raises(KeyboardInterrupt):
        interrupt(processes)
    ids = [int(number) for number in re.findall(r'awake (\d+)', processes.outputs())]
    assert len(ids) == 2
    for process_id in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


def test_a_process_that_ends_by_itself_is_named_and_quoted(folder):
    with Processes(folder) as processes:
        processes.start('camera', 'broken', {'rate': 5.0, 'encoding': 'nv12'})
        wait_for_output(processes, 'no camera here')
        with pytest.raises(ProcessEnded, match='the camera ended by itself, exit code 1'):
            wait_until(processes.check)
        assert '--- camera ---' in processes.outputs()
        assert 'arguments: --ros-args -p rate:=5.0 -p encoding:=nv12' in processes.outputs()


def test_running_processes_pass_the_check(folder):
    with Processes(folder) as processes:
        processes.start('sleeper', 'sleeper', {})
        wait_for_output(processes, 'awake')
        processes.check()
