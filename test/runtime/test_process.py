# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of our own begin undisturbed and end with their parent, if not before."""

from operator import methodcaller
import os
import signal
import socket
import subprocess
from threading import Thread

from child_processes import children, is_alive, open_files
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.runtime import process
from fcos_ros.runtime.process import Process
from fcos_ros.runtime.protocol import Line

LISTEN = methodcaller('recv', 1)
"""Ends when the line does."""
SPEAK = methodcaller('sendall', b'here')


def test_a_process_that_is_hung_up_on_ends_by_itself():
    assert Process(LISTEN).end(TIMEOUT) == 'exit code 0'


def test_a_process_that_does_not_end_is_killed():
    stuck = Process(LISTEN)
    os.kill(stuck.pid, signal.SIGSTOP)
    assert stuck.end(0.0) == 'SIGKILL'


def test_several_threads_may_end_it():
    before = children()
    shared = Process(LISTEN)
    threads = [Thread(target=shared.end, args=(TIMEOUT,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert children() == before


def test_a_process_that_sigkill_does_not_end_is_left_alone_and_reaped_later(monkeypatch):
    monkeypatch.setattr(process, 'KILLING', 0.1)
    before = children()
    stuck = Process(LISTEN)
    victim, = children() - before
    os.kill(victim, signal.SIGSTOP)
    with monkeypatch.context() as driver:
        driver.setattr(subprocess.Popen, 'kill', lambda process: None)
        assert 'not even SIGKILL' in stuck.end(0.1)
        assert is_alive(victim), 'it was not waited for'
    del stuck
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: Process(LISTEN).end(TIMEOUT) and victim not in children())


def test_the_working_folder_hides_no_module(monkeypatch, tmp_path):
    (tmp_path / 'select.py').write_text('raise SystemExit("the one of the user")\n')
    monkeypatch.chdir(tmp_path)
    speaker = Process(SPEAK)
    assert speaker.socket.recv(4) == b'here'
    speaker.end(TIMEOUT)


def test_what_this_process_finds_is_found(monkeypatch, tmp_path):
    (tmp_path / 'only_here.py').write_text('def answer(end):\n    end.sendall(b"here")\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    from only_here import answer
    speaker = Process(answer)
    assert speaker.socket.recv(4) == b'here'
    speaker.end(TIMEOUT)


def test_a_process_whose_parent_has_ended_before_does_not_begin():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        read, write = os.pipe()
        os.close(write)  # as the end of the parent does
        orphan = process._start(theirs.fileno(), read, ())
        os.close(read)
        Line(ours).send((LISTEN, ()))
        assert orphan.wait(TIMEOUT) == 1


@pytest.mark.parametrize(('where', 'what'), [(subprocess, 'Popen'), (os, 'pipe')])
def test_a_process_that_cannot_be_started_leaves_nothing_open(monkeypatch, where, what):
    def fail(*_, **__):
        raise OSError(24, 'Too many open files')
    opened = open_files()
    monkeypatch.setattr(where, what, fail)
    with pytest.raises(OSError, match='Too many'):
        Process(LISTEN)
    assert open_files() - opened == set()
