# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A request to end this process, which shortens every wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic, sleep
from typing import TypeVar

GRACE = 0.5
"""
Seconds that work may still take after the request. With one second for child processes to end
and the time to leave the ROS graph, the process ends within two seconds.
"""

POLL_PERIOD = 0.01
"""Seconds between two checks of a condition."""

REASON = 'the process shall end'

Answer = TypeVar('Answer')


class StopRequested(RuntimeError):
    """The process shall end; it was waiting for something else."""


class StopRequest:
    """A request to end this process; any thread may make it, and any number may wait."""

    def __init__(self) -> None:
        self._made = float('inf')

    @property
    def made(self) -> bool:
        """Whether the request was made."""
        return self._made < float('inf')

    def make(self) -> None:
        """Make the request; only the first time counts."""
        self._made = min(self._made, monotonic())

    def check(self) -> None:
        """
        Do nothing unless the request was made.

        :raises StopRequested: it was made.
        """
        if self.made:
            raise StopRequested(REASON)

    def wait_for(self, condition: Callable[[], bool], timeout: float = float('inf')) -> bool:
        """
        Wait until a condition holds, but not longer than `GRACE` seconds after the request.

        :param timeout: maximum seconds to wait without a request.
        :returns: whether the condition holds.
        """
        end = monotonic() + timeout
        while not condition():
            if monotonic() >= min(end, self._made + GRACE):
                return False
            sleep(POLL_PERIOD)
        return True

    def run(self, function: Callable[[], Answer]) -> Answer:
        """
        Call a function that may block in native code, on a thread of its own.

        :raises StopRequested: the request was made, and the function still runs.
        """
        answer: Future[Answer] = Future()

        def call() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised again for the caller
                answer.set_exception(error)
        Thread(target=call, name='fcos-load', daemon=True).start()
        if not self.wait_for(answer.done):
            raise StopRequested(REASON)
        return answer.result()
