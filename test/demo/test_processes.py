# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo promises of its processes: none is left behind, and none dies in silence."""

import os
import re
import signal
import time

import pytest

from fcos_ros.demo import processes as module
from fcos_ros.demo.processes import ProcessEnded, Processes

SLEEPER = 'import os, time\nprint("awake", os.getpid(), flush=True)\ntime.sleep(60)\n'
STUBBORN = 'import signal\nfor s in (2, 15):\n    signal.signal(s, signal.SIG_IGN)\n' + SLEEPER
BROKEN = 'import sys\nprint("arguments:", *sys.argv[1:])\nsys.exit("no camera here")\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make modules that can be started: sleeper, stubborn and broken."""
    for name, source in {'sleeper': SLEEPER, 'stubborn': STUBBORN, 'broken': BROKEN}.items():
        (tmp_path / f'{name}.py').write_text(source)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get('PYTHONPATH')]))
    monkeypatch.setenv('PYTHONPATH', path)
    monkeypatch.setattr(module, 'PATIENCE', 0.5)
    return tmp_path


def wait_for(processes, text):
    deadline = time.monotonic() + 15
    while text not in processes.outputs():
        assert time.monotonic() < deadline, processes.outputs()
        time.sleep(0.05)


@pytest.mark.parametrize(('name', 'code'), [
    pytest.param('sleeper', -signal.SIGINT, id='Ctrl-C is enough'),
    pytest.param('stubborn', -signal.SIGKILL, id='by force'),
])
def test_a_process_is_ended_whatever_it_does(folder, name, code):
    with Processes(folder) as processes:
        processes.start(name, name, {})
        wait_for(processes, 'awake')
        assert processes.stop(name) == code


def interrupted(processes):
    """Be interrupted with two processes running."""
    with processes:
        for name in ('sleeper', 'stubborn'):
            processes.start(name, name, {})
            wait_for(processes, f'--- {name} ---\nawake')
        raise KeyboardInterrupt


def test_leaving_the_block_by_an_error_ends_all(folder):
    processes = Processes(folder)
    with pytest.raises(KeyboardInterrupt):
        interrupted(processes)
    ids = [int(number) for number in re.findall(r'awake (\d+)', processes.outputs())]
    assert len(ids) == 2
    for process_id in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


def test_a_process_that_ends_by_itself_is_named_and_quoted(folder):
    with Processes(folder) as processes:
        processes.start('camera', 'broken', {'rate': 5.0, 'encoding': 'nv12'})
        wait_for(processes, 'no camera here')
        time.sleep(0.5)
        with pytest.raises(ProcessEnded, match='the camera ended by itself, exit code 1'):
            processes.check()
        assert '--- camera ---' in processes.outputs()
        assert 'arguments: --ros-args -p rate:=5.0 -p encoding:=nv12' in processes.outputs()


def test_running_processes_pass_the_check(folder):
    with Processes(folder) as processes:
        processes.start('sleeper', 'sleeper', {})
        wait_for(processes, 'awake')
        processes.check()
