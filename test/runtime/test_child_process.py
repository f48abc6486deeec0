# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes import what their parent imports, and none outlives its parent."""

from operator import methodcaller
import os
import signal
import socket
import subprocess
from threading import Thread

from child_processes import children, is_alive, open_files
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.runtime import child_process
from fcos_ros.runtime.channel import Channel
from fcos_ros.runtime.child_process import ChildProcess

RECEIVE = methodcaller('recv', 1)
"""Waits until the connection is closed."""
SEND = methodcaller('sendall', b'here')


def test_a_child_ends_by_itself_when_the_connection_is_closed():
    assert ChildProcess(RECEIVE).end(TIMEOUT) == 'exit code 0'


def test_a_child_that_does_not_end_in_time_is_killed():
    stuck = ChildProcess(RECEIVE)
    os.kill(stuck.pid, signal.SIGSTOP)
    assert stuck.end(0.0) == 'SIGKILL'


def test_several_threads_may_end_a_child():
    before = children()
    shared = ChildProcess(RECEIVE)
    threads = [Thread(target=shared.end, args=(TIMEOUT,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert children() == before


def test_a_child_that_sigkill_does_not_end_is_reaped_later(monkeypatch):
    monkeypatch.setattr(child_process, 'KILL_TIMEOUT', 0.1)
    before = children()
    stuck = ChildProcess(RECEIVE)
    victim, = children() - before
    os.kill(victim, signal.SIGSTOP)
    with monkeypatch.context() as driver:
        driver.setattr(subprocess.Popen, 'kill', lambda process: None)
        assert 'not even SIGKILL' in stuck.end(0.1)
        assert is_alive(victim), '`end` returned without waiting for it'
    del stuck
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: ChildProcess(RECEIVE).end(TIMEOUT) and victim not in children())


def test_a_module_in_the_working_folder_does_not_hide_that_of_python(monkeypatch, tmp_path):
    (tmp_path / 'select.py').write_text('raise SystemExit("the module of the user")\n')
    monkeypatch.chdir(tmp_path)
    sender = ChildProcess(SEND)
    assert sender.socket.recv(4) == b'here'
    sender.end(TIMEOUT)


def test_a_child_searches_the_import_paths_of_its_parent(monkeypatch, tmp_path):
    (tmp_path / 'only_here.py').write_text('def answer(end):\n    end.sendall(b"here")\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    from only_here import answer
    sender = ChildProcess(answer)
    assert sender.socket.recv(4) == b'here'
    sender.end(TIMEOUT)


def test_a_child_whose_parent_has_already_ended_exits_before_it_runs_its_function():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        read, write = os.pipe()
        os.close(write)  # as the end of the parent does
        orphan = child_process._start(theirs.fileno(), read, ())
        os.close(read)
        Channel(ours).send((RECEIVE, ()))
        assert orphan.wait(TIMEOUT) == 1


@pytest.mark.parametrize(('module', 'function'), [(subprocess, 'Popen'), (os, 'pipe')])
def test_a_child_that_cannot_be_started_leaves_no_open_file(monkeypatch, module, function):
    def fail(*_, **__):
        raise OSError(24, 'Too many open files')
    opened = open_files()
    monkeypatch.setattr(module, function, fail)
    with pytest.raises(OSError, match='Too many'):
        ChildProcess(RECEIVE)
    assert open_files() - opened == set()
