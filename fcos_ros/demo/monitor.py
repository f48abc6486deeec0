# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wait for the graph of the demo, check it meanwhile, and show the progress."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TextIO

from rclpy.executors import SingleThreadedExecutor

from fcos_ros.demo.listener import Listener
from fcos_ros.demo.processes import Processes
from fcos_ros.runtime.stop_request import StopRequest

LINE_WIDTH = 78
"""Columns of the progress line; a line that wraps cannot be overwritten."""


class DemoFailed(RuntimeError):
    """The graph failed, or it did not do in time what the demo waits for."""


class Monitor:
    """
    Spins the listener while the demo waits.

    :param title: start of each progress line.
    :param stop_request: ends every wait.
    :param out: where the progress is shown. On a terminal one line is overwritten; elsewhere each
        phase gets a line.
    """

    def __init__(self, title: str, listener: Listener, processes: Processes,
                 stop_request: StopRequest, out: TextIO) -> None:
        self._title = title
        self._listener = listener
        self._processes = processes
        self._stop_request = stop_request
        self._out = out
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(listener)

    def spin_for(self, phase: str, seconds: float) -> None:
        """
        Spin for some time.

        :raises DemoFailed: the detector reports an error.
        :raises ProcessEnded: a process has ended.
        :raises StopRequested: the demo shall end.
        """
        self.spin_until(phase, seconds, lambda: False)

    def require(self, phase: str, timeout: float, condition: Callable[[], bool]) -> None:
        """
        Spin until a condition holds.

        :param phase: the awaited event, as a noun.
        :param timeout: in seconds.
        :raises DemoFailed: the timeout has passed, or the detector reports an error.
        :raises ProcessEnded: a process has ended.
        :raises StopRequested: the demo shall end.
        """
        if not self.spin_until(phase, timeout, condition):
            raise DemoFailed(f'timed out after {timeout:g} s while waiting for {phase}')

    def spin_until(self, phase: str, timeout: float, condition: Callable[[], bool]) -> bool:
        """
        Spin until a condition holds or the timeout has passed.

        :returns: whether the condition holds.
        :raises DemoFailed: the detector reports an error.
        :raises ProcessEnded: a process has ended.
        :raises StopRequested: the demo shall end.
        """
        start = monotonic()
        self._begin(phase)
        while not condition():
            passed = monotonic() - start
            if passed >= timeout:
                return False
            self._executor.spin_once(timeout_sec=min(0.1, timeout - passed))
            self._stop_request.check()
            self._processes.check()
            if self._listener.error:
                raise DemoFailed(f'the detector reports: {self._listener.error}')
            self._show(phase, passed)
        return True

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._out.write(f'{text}\n')
        self._out.flush()

    def close(self) -> None:
        """Shut down the executor and clear the progress line."""
        self._executor.shutdown()
        self._clear()

    def _clear(self) -> None:
        if self._out.isatty():
            self._out.write('\r' + ' ' * LINE_WIDTH + '\r')
            self._out.flush()

    def _begin(self, phase: str) -> None:
        if not self._out.isatty():
            self._out.write(f'{self._title}: {phase}\n')
            self._out.flush()

    def _show(self, phase: str, passed: float) -> None:
        if self._out.isatty():
            processed = len(self._listener.recording.received)
            line = f'{self._title}: {phase}, {passed:.0f} s, {processed} images processed'
            self._out.write('\r' + line[:LINE_WIDTH].ljust(LINE_WIDTH))
            self._out.flush()
