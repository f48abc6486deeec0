# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Take SIGINT and SIGTERM on a thread of its own, so that they interrupt no code.

Python would raise KeyboardInterrupt at any line of the main thread: in an import, in the clean-up,
or in `Thread.join`, which then loses the thread in Python 3.9 to 3.12. It would also wait until
the main thread returns from native code.

A program does this before its slow imports, so this module imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import ctypes
import fcntl
import os
import signal
import socket
import sys
from threading import (
    Event,
    Lock,
    Thread,
    current_thread,
    enumerate as enumerate_threads,
    main_thread,
)
from time import sleep
from types import FrameType
from typing import Any, NoReturn

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and the request of a process manager. `ros2 launch` may send both, and twice."""

INTERRUPTED = 130
"""The exit code of a command that was interrupted, as shells give it for Ctrl-C."""

INTERRUPTED_MESSAGE = '\nInterrupted.\n'
"""It begins on a new line, after the `^C` of a terminal."""

THREAD_NAME = 'fcos-signals'

CLEAN_UP_TIME = 1.5
"""Seconds in which an interrupted command may remove its temporary files."""

MANY = 4096
"""More signals than a user sends at once."""

_FINISHING = Event()
"""Set when an interrupted command writes the result of the work that is done."""


class EndSignals:
    """
    Call an action for each SIGINT and SIGTERM that this process gets from now on.

    Create it in the main thread.

    :param action: called on the thread of the signals.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._lock = Lock()
        self._has_waited = False
        self._received, self._sent = map(_above_streams, socket.socketpair())
        self._sent.setblocking(False)  # a signal handler must not wait
        signal.set_wakeup_fd(self._sent.fileno(), warn_on_full_buffer=False)
        for number in END_SIGNALS:
            signal.signal(number, _do_nothing)
            signal.siginterrupt(number, False)
        Thread(target=self._run, name=THREAD_NAME, daemon=True).start()

    def call(self, action: Callable[[], None]) -> None:
        """Call another action from now on; return once the former one is not running."""
        with self._lock:
            self._action = action

    def interrupt_main_thread(self) -> None:
        """
        Let the first signal raise KeyboardInterrupt in the main thread, for a command.

        The process ends `CLEAN_UP_TIME` seconds later at the latest, also if the main thread is
        in native code. Further signals change nothing. A command that calls `finish_result` may
        take longer, until the next signal.
        """
        self.call(self._exit_later)
        for number in END_SIGNALS:
            signal.signal(number, _interrupt)

    def _exit_later(self) -> None:
        if not self._has_waited:
            self._has_waited = True
            sleep(CLEAN_UP_TIME)
            if _FINISHING.is_set():
                # Signals that came with the first one, as `ros2 launch` sends them, are the same.
                with suppress(BlockingIOError):
                    self._received.recv(MANY, socket.MSG_DONTWAIT)
                return
        exit_as_interrupted()

    def _run(self) -> None:
        while self._received.recv(1):
            with self._lock:
                self._action()


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """
    Let a signal raise KeyboardInterrupt at the end of the block, not inside it.

    Native code that calls Python may turn the KeyboardInterrupt into an error of its own: rclpy
    raises RuntimeError instead. The block must end soon after a signal.
    """
    received: list[int] = []
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    if current_thread() is main_thread():  # Python calls handlers in no other
        handlers = {number: handler for number in END_SIGNALS
                    if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            handlers[received[0]](received[0], None)


def finish_result() -> None:
    """
    Let an interrupted command write the result of the work that is done.

    A command calls it when it has caught KeyboardInterrupt. The next signal ends it at once.
    """
    _FINISHING.set()


def exit_without_error() -> NoReturn:
    """End the process at once; for a program that has nothing to clean up yet."""
    os._exit(0)


def exit_as_interrupted() -> NoReturn:
    """End the process at once, with the message and the exit code of an interrupted command."""
    os.write(2, INTERRUPTED_MESSAGE.encode())
    os._exit(INTERRUPTED)


def exit_process(code: int) -> NoReturn:
    """
    End the process with an exit code, without the finalisation of Python.

    Finalisation would crash under a thread in native code, such as an inference that hangs. A
    signal during finalisation would end the process with another exit code. Without such a thread,
    the exit functions of libraries run: Fast DDS then removes its shared memory.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None if it was closed at the start
        with suppress(OSError, ValueError):  # the other end of the pipe was closed
            stream.flush()
    if {thread.name for thread in enumerate_threads()} <= {main_thread().name, THREAD_NAME}:
        # In contrast to CDLL, PyDLL holds the GIL, so that no other thread runs any more.
        ctypes.PyDLL(None).exit(code)
    os._exit(code)


def _above_streams(end: socket.socket) -> socket.socket:
    """Move a socket away from the number of a standard stream, which may be closed."""
    with end:
        return socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3))


def _interrupt(number: int, frame: object) -> NoReturn:
    for other in END_SIGNALS:
        signal.signal(other, _do_nothing)
    raise KeyboardInterrupt


def _do_nothing(number: int, frame: object) -> None:
    """Handle a signal in Python: its thread was informed by the wake-up file."""
