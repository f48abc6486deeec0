# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes that run one function each; none outlives its parent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from threading import Lock
from typing import Any

from fcos_ros.runtime.channel import Channel
from fcos_ros.runtime.image_warnings import STDERR_LOCK
from fcos_ros.runtime.model_path import PACKAGE_ROOT

KILL_TIMEOUT = 1.0
"""Seconds to wait for a killed process; a process that waits in a driver may take longer."""

BOOT = ('import sys; sys.path[:] = dict.fromkeys([*sys.argv[3:], *filter(None, sys.path)]); '
        'from fcos_ros.runtime.child_process import main; main()')
"""
The start-up code of a child. It searches the parent's import paths first, then its own.

It does not search the working folder, as `python -m` would: a user's `select.py` there would hide
that of Python.
"""


class ChildProcess:
    """
    A child process that runs one function, with a socket connected to it.

    The child ends when this process ends, for any reason. Several threads may call `end`.

    :ivar socket: one end of the connection; the function gets the other.

    :param function: a function of a module; it is called with its socket and the arguments.
    :param arguments: values that can be pickled.
    :param shared: file descriptors that the child inherits under the same numbers.
    :raises OSError: the system has no more processes, files or memory.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any,
                 shared: Sequence[int] = ()) -> None:
        self._ending = Lock()
        with ExitStack() as undo:
            self.socket, child_socket = socket.socketpair()
            undo.callback(self.socket.close)
            with child_socket:
                read, write = os.pipe()
                self._life = undo.enter_context(open(write, 'wb', buffering=0))
                with open(read, 'rb', buffering=0):
                    self._process = _start(child_socket.fileno(), read, shared)
            undo.pop_all()
        with suppress(OSError):  # the child has died; the next read of the socket reports it
            Channel(self.socket).send((function, arguments))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def end(self, timeout: float) -> str:
        """
        Close the connection and wait for the child to end; kill it after `timeout` seconds.

        A child that waits in a driver cannot be killed. It ends when the driver returns, and is
        reaped when the next child starts.

        :returns: how it ended, in words.
        """
        with self._ending:
            Channel(self.socket).close()
            code = self._exit_code(timeout)
            if code is None:
                self._process.kill()
                code = self._exit_code(KILL_TIMEOUT)
            self._life.close()
        if code is None:
            return 'it hangs in a driver, where not even SIGKILL ends it'
        return signal.Signals(-code).name if code < 0 else f'exit code {code}'

    def _exit_code(self, timeout: float) -> int | None:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None


def _start(connection: int, life: int, shared: Sequence[int]) -> subprocess.Popen[bytes]:
    import_paths = [*filter(None, map(str, sys.path)), str(PACKAGE_ROOT)]
    with STDERR_LOCK:
        return subprocess.Popen(
            [sys.executable, '-c', BOOT, str(connection), str(life), *import_paths],
            stdin=subprocess.DEVNULL, pass_fds=(connection, life, *shared),
            # In a session of its own, the child does not get Ctrl-C; the parent ends it in order.
            start_new_session=True)


def main() -> None:
    """Receive a function from the parent and run it; the entry point of a child process."""
    connection, life = map(int, sys.argv[1:3])
    die_with_parent(life)
    end = socket.socket(fileno=connection)
    try:
        function, arguments = Channel(end).receive()
    except (EOFError, OSError):  # the parent ended before it sent a function
        return
    function(end, *arguments)


def die_with_parent(life: int) -> None:
    """
    Let the kernel end this process when the other end of the pipe `life` closes.

    This needs no Python code, so it works even when a binding holds the GIL forever. The kernel
    sends SIGIO, which has no handler here and ends a process by default.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    # The signal is only sent for later events: check whether the parent has ended already.
    poll = select.poll()
    poll.register(life, 0)
    if poll.poll(0):
        raise SystemExit(1)
