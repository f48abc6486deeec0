# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the ROS nodes of the demo as child processes, check that they run, and stop them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
import signal
import subprocess
import sys
from time import monotonic, sleep
from types import TracebackType

STOP_TIMEOUT = 5.0
"""Seconds to wait after each signal; a detector finishes its frame first."""

POLL_PERIOD = 0.01
"""Seconds between two checks whether the processes have ended."""

MAX_LOG_LINES = 30
"""Lines of a process's output that are shown after a failure."""


class ProcessEnded(RuntimeError):
    """A process ended without being stopped."""


class Processes:
    """
    ROS nodes in child processes; the end of the `with` block stops all of them.

    :param folder: an existing folder for their output.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        _stop(list(self._running.values()))
        self._running.clear()

    def start(self, name: str, module: str, parameters: Mapping[str, object]) -> None:
        """
        Run a module as a ROS node.

        :param name: name of the process, for `stop` and for messages.
        :param parameters: the ROS parameters, with values as in YAML.
        """
        settings = (f'{parameter}:={value}' for parameter, value in parameters.items())
        command = [sys.executable, '-m', module, '--ros-args']
        command += [word for setting in settings for word in ('-p', setting)]
        with self._log(name).open('wb') as log:
            # In its own session it gets no Ctrl-C of the terminal: `stop` sends each signal once
            # and in the right order.
            self._running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)

    def check(self) -> None:
        """
        Check that all processes run.

        :raises ProcessEnded: a process has ended; the message names the first one.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEnded(f'the {name} ended by itself, exit code {process.returncode}')

    def stop(self, name: str) -> int:
        """Stop a process with SIGINT, then SIGTERM, then SIGKILL; return its exit code."""
        process = self._running.pop(name)
        _stop([process])
        return process.wait()

    def output(self, name: str) -> str:
        """Return what a process has printed."""
        return self._log(name).read_text(errors='replace')

    def outputs(self) -> str:
        """Return the last lines that each process printed."""
        logs = sorted(self._folder.glob('*.log'))
        return '\n'.join(f'--- {log.stem} ---\n{_last_lines(log)}' for log in logs)

    def _log(self, name: str) -> Path:
        return self._folder / f'{name}.log'


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop processes at the same time."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.send_signal(number)  # without effect on a process that has ended
        end = monotonic() + STOP_TIMEOUT
        while any(process.poll() is None for process in processes) and monotonic() < end:
            sleep(POLL_PERIOD)


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors='replace').splitlines()
    return '\n'.join(lines[-MAX_LOG_LINES:]) or '(no output)'
