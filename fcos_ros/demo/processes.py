# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes of the demo: started together, watched, and ended whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import signal
import subprocess
import sys
from types import TracebackType

PATIENCE = 5.0
"""Seconds a process gets to end by itself; a detector finishes its frame first."""

TAIL = 30
"""Lines of a process' output that are worth showing when something fails."""


class ProcessEnded(RuntimeError):
    """A process ended although it should still run."""


class Processes:
    """
    ROS nodes in processes of their own; leaving the `with` block ends them all.

    :param folder: an existing folder for their outputs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        # A second Ctrl-C must not leave a process behind.
        handlers = {number: signal.signal(number, signal.SIG_IGN)
                    for number in (signal.SIGINT, signal.SIGTERM)}
        for name in list(self._running):
            self.stop(name)
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def start(self, name: str, module: str, parameters: Mapping[str, object]) -> None:
        """
        Run a module as a ROS node.

        :param name: names its output.
        :param parameters: values as in YAML.
        """
        settings = (f'{parameter}:={value}' for parameter, value in parameters.items())
        command = [sys.executable, '-m', module, '--ros-args']
        command += [word for setting in settings for word in ('-p', setting)]
        with self._log(name).open('wb') as log:
            # A session of its own: Ctrl-C comes from here only, once, in the right order.
            self._running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)

    def check(self) -> None:
        """
        Make sure that all still run.

        :raises ProcessEnded: naming the first that does not.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEnded(f'the {name} ended by itself, exit code {process.returncode}')

    def stop(self, name: str) -> int:
        """End a process, by force if it must be, and return its exit code."""
        process = self._running.pop(name)
        for stopper in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(stopper)
            try:
                return process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        return process.wait()

    def outputs(self) -> str:
        """Quote the end of what each process said, for a report of failure."""
        logs = sorted(self._folder.glob('*.log'))
        return '\n'.join(f'--- {log.stem} ---\n{_tail(log)}' for log in logs)

    def _log(self, name: str) -> Path:
        return self._folder / f'{name}.log'


def _tail(log: Path) -> str:
    lines = log.read_text(errors='replace').splitlines()
    return '\n'.join(lines[-TAIL:]) or '(no output)'
