# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of our own, each for one function; none outlives the process that started it."""

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

from fcos_ros.runtime.model_path import CHECKOUT
from fcos_ros.runtime.protocol import Line

KILLING = 1.0
"""Seconds that a killed process gets to vanish; what waits in a driver may need far longer."""

BOOT = ('import sys; sys.path[:] = dict.fromkeys([*sys.argv[3:], *filter(None, sys.path)]); '
        'from fcos_ros.runtime.process import main; main()')
"""
Find what the parent finds, then what the environment adds, and nothing in the working folder.

`python -m` would look there first, where a `select.py` of the user's may lie.
"""


class Process:
    """
    A process for one function, and the line to it; more than one thread may end it.

    It ends with this process, however that ends.

    :ivar socket: what the function gets the other end of.

    :param function: of a module; called with its end of the line and then the arguments.
    :param arguments: whatever can be pickled.
    :param shared: file descriptors that mean the same there.
    :raises OSError: when the system has no more processes, files or memory.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any,
                 shared: Sequence[int] = ()) -> None:
        self._ending = Lock()
        with ExitStack() as undo:
            self.socket, theirs = socket.socketpair()
            undo.callback(self.socket.close)
            with theirs:
                read, write = os.pipe()
                self._life = undo.enter_context(open(write, 'wb', buffering=0))
                with open(read, 'rb', buffering=0):
                    self._process = _start(theirs.fileno(), read, shared)
            undo.pop_all()
        with suppress(OSError):  # it has died; who listens to it will know
            Line(self.socket).send((function, arguments))

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def end(self, patience: float) -> str:
        """
        Hang up, and have it end: by force after `patience` seconds; tell how it ended.

        Even force may fail as long as it waits in a driver. Then it is left alone: it ends when
        the driver lets it, and is buried when the next process is started.
        """
        with self._ending:
            Line(self.socket).close()
            code = self._ended(patience)
            if code is None:
                self._process.kill()
                code = self._ended(KILLING)
            self._life.close()
        if code is None:
            return 'it hangs in the system, where not even SIGKILL ends it'
        return signal.Signals(-code).name if code < 0 else f'exit code {code}'

    def _ended(self, patience: float) -> int | None:
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None


def _start(line: int, life: int, shared: Sequence[int]) -> subprocess.Popen[bytes]:
    places = [*filter(None, map(str, sys.path)), str(CHECKOUT)]
    return subprocess.Popen(
        [sys.executable, '-c', BOOT, str(line), str(life), *places],
        stdin=subprocess.DEVNULL, pass_fds=(line, life, *shared),
        # A session of its own: Ctrl-C is for the parent, which ends its children in order.
        start_new_session=True)


def main() -> None:
    """Be the process: do what the parent says first, unless it has ended meanwhile."""
    line, life = map(int, sys.argv[1:3])
    die_with_parent(life)
    end = socket.socket(fileno=line)
    try:
        function, arguments = Line(end).receive()
    except (EOFError, OSError):  # the parent has ended before it could say
        return
    function(end, *arguments)


def die_with_parent(life: int) -> None:
    """
    Have the kernel end this process when the other end of the pipe `life` closes.

    It does so whatever Python is doing; a binding that holds the GIL for ever included. The signal
    is SIGIO, which nobody handles here and whose default is to terminate.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    # The signal tells of what happens from now on, not that the parent has ended before.
    poll = select.poll()
    poll.register(life, 0)
    if poll.poll(0):
        raise SystemExit(1)
