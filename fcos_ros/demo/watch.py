# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wait for a running graph, and let the user see that something goes on."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TextIO

from rclpy.executors import SingleThreadedExecutor

from fcos_ros.demo.listener import Listener
from fcos_ros.demo.processes import Processes

WIDTH = 78
"""Columns of the progress line: it must not wrap, or it cannot be rewritten."""


class DemoFailed(RuntimeError):
    """The graph did not do what the demo waits for."""


class Watch:
    """
    Keeps a listener listening while the demo waits.

    :param title: begins each line of progress.
    :param out: where progress is shown; one line that is rewritten on a terminal, else one line
        a phase.
    """

    def __init__(self, title: str, listener: Listener, processes: Processes, out: TextIO) -> None:
        self._title = title
        self._listener = listener
        self._processes = processes
        self._out = out
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(listener)

    def pause(self, phase: str, seconds: float) -> None:
        """
        Listen for some time.

        :raises DemoFailed: when the detector reports an error meanwhile.
        :raises ProcessEnded: when a process ends meanwhile.
        """
        self.settle(phase, seconds, lambda: False)

    def expect(self, phase: str, seconds: float, condition: Callable[[], bool]) -> None:
        """
        Listen until something is so.

        :param phase: what is waited for, as a noun.
        :raises DemoFailed: when it is not so in time, or the detector reports an error.
        :raises ProcessEnded: when a process ends meanwhile.
        """
        if not self.settle(phase, seconds, condition):
            raise DemoFailed(f'waited {seconds:g} s in vain for {phase}')

    def settle(self, phase: str, seconds: float, condition: Callable[[], bool]) -> bool:
        """Listen until something is so, or for the time given; tell whether it came to be so."""
        start = monotonic()
        self._begin(phase)
        while not condition():
            passed = monotonic() - start
            if passed >= seconds:
                return False
            self._executor.spin_once(timeout_sec=min(0.1, seconds - passed))
            self._processes.check()
            if self._listener.fault:
                raise DemoFailed(f'the detector reports: {self._listener.fault}')
            self._show(phase, passed)
        return True

    def close(self) -> None:
        """Stop listening and leave the line of progress."""
        self._executor.shutdown()
        if self._out.isatty():
            self._out.write('\r' + ' ' * WIDTH + '\r')
            self._out.flush()

    def _begin(self, phase: str) -> None:
        if not self._out.isatty():
            self._out.write(f'{self._title}: {phase}\n')
            self._out.flush()

    def _show(self, phase: str, passed: float) -> None:
        if self._out.isatty():
            answers = len(self._listener.record.answers)
            line = f'{self._title}: {phase}, {passed:.0f} s, {answers} images answered'
            self._out.write('\r' + line[:WIDTH].ljust(WIDTH))
            self._out.flush()
