# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thread for optional work, which skips all but the newest work."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, TypeVar

Work = TypeVar('Work')


class LatestOnlyWorker(Generic[Work]):
    """
    A thread that takes the newest piece of work whenever it is free; older pieces are dropped.

    The thread starts with the first piece of work and ends with `stop`.

    :param do: called with a piece of work.
    :param fail: called with the error when `do` raises; the thread continues.
    """

    def __init__(self, do: Callable[[Work], None], fail: Callable[[Exception], None]) -> None:
        self._do = do
        self._fail = fail
        self._changed = Condition()
        self._waiting: list[Work] = []
        self._stopped = False
        self._thread: Thread | None = None

    def put(self, work: Work) -> None:
        """Replace the waiting piece of work; return at once."""
        with self._changed:
            if self._stopped:
                return
            self._waiting = [work]
            if self._thread is None:
                self._thread = Thread(target=self._run, name='fcos-latest-only', daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self, timeout: float = 5.0) -> bool:
        """
        Drop the waiting piece, finish the current one, and end the thread.

        :param timeout: seconds to wait.
        :returns: whether the thread ended in time.
        """
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                work = self._waiting.pop()
            self._attempt(work)
            # Drop our reference before waiting again: a frame holds megabytes of message.
            del work

    def _attempt(self, work: Work) -> None:
        try:
            self._do(work)
        except Exception as error:  # noqa: BLE001 - one bad piece must not end the thread
            self._fail(error)
