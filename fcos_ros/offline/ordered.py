# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work on a sequence with several threads: lazily, in order, and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

Item = TypeVar('Item')
Answer = TypeVar('Answer')

POLL_PERIOD = 0.1
"""Seconds between two checks whether a thread is still needed."""


def ordered_map(
    function: Callable[[Item], Answer], items: Iterable[Item], threads: int, ahead: int,
) -> Generator[Answer, None, None]:
    """
    Yield the result of a function for each item, in order.

    The items are taken by the thread that takes the results. An error of the function is raised
    in the place of its result.

    :param threads: number of calls at the same time.
    :param ahead: maximum number of items that are taken and whose results are not.
    """
    executor = ThreadPoolExecutor(threads, 'fcos-ordered')
    pending: deque[Future[Answer]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            while pending and (len(pending) >= ahead or pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # A call may hang in native code; the user who interrupts does not wait for it.
        executor.shutdown(wait=False, cancel_futures=True)


def read_ahead(items: Iterable[Item], ahead: int) -> Generator[Item, None, None]:
    """
    Yield the items of an iterator that runs on a thread of its own.

    The caller stays interruptible while the iterator waits in native code.

    :param ahead: maximum number of items that are read and not yet taken.
    """
    reader = _Reader(items, ahead)
    try:
        yield from reader.items()
    finally:
        reader.stop()


class _Reader(Generic[Item]):
    """Reads an iterator into a queue."""

    def __init__(self, items: Iterable[Item], ahead: int) -> None:
        self._source = items
        self._queue: Queue[tuple[Item, ...] | Exception] = Queue(ahead)
        self._stopped = Event()
        Thread(target=self._run, name='fcos-read-ahead', daemon=True).start()

    def items(self) -> Iterator[Item]:
        """Yield the items; raise the error of the iterator."""
        while True:
            entry = self._queue.get()
            if isinstance(entry, Exception):
                raise entry
            if not entry:
                return
            yield entry[0]

    def stop(self) -> None:
        """Let the thread end with its current item."""
        self._stopped.set()

    def _run(self) -> None:
        """Put each item as a tuple of one; an empty tuple ends the queue."""
        last: tuple[Item, ...] | Exception = ()
        try:
            with closing(_generator(self._source)) as source:
                for item in source:
                    if not self._put((item,)):
                        return
        except Exception as error:  # noqa: BLE001 - raised again for the caller
            last = error
        self._put(last)

    def _put(self, entry: tuple[Item, ...] | Exception) -> bool:
        """Wait for room in the queue; return False if the reader was stopped."""
        while not self._stopped.is_set():
            try:
                self._queue.put(entry, timeout=POLL_PERIOD)
            except Full:
                continue
            return True
        return False


def _generator(items: Iterable[Item]) -> Generator[Item, None, None]:
    yield from items
