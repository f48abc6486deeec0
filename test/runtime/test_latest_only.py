# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`LatestOnlyWorker` does the newest work and drops older work; `put` returns at once."""

from threading import Event, enumerate as threads

import pytest
from waiting import TIMEOUT

from fcos_ros.runtime.latest_only import LatestOnlyWorker


class GatedWork:
    """
    Pieces of work, done one at a time once they are permitted; exceptions are raised.

    :ivar begun: set when a piece was begun.
    :ivar ended: set when the piece 'last' was done.
    """

    def __init__(self):
        self.done, self.errors = [], []
        self.begun, self.permitted, self.ended = Event(), Event(), Event()
        self.worker = LatestOnlyWorker(self._do, self.errors.append)

    def _do(self, piece):
        self.begun.set()
        assert self.permitted.wait(TIMEOUT)
        if isinstance(piece, Exception):
            raise piece
        self.done.append(piece)
        if piece == 'last':
            self.ended.set()


@pytest.fixture
def work():
    work = GatedWork()
    yield work
    work.permitted.set()
    assert work.worker.stop(TIMEOUT)


def test_only_the_newest_waiting_piece_is_done(work):
    work.worker.put('first')
    assert work.begun.wait(TIMEOUT)
    for piece in ('second', 'third', 'last'):
        work.worker.put(piece)
    work.permitted.set()
    assert work.ended.wait(TIMEOUT)
    assert work.done == ['first', 'last']


def test_an_error_is_reported_and_the_next_piece_is_done(work):
    error = ValueError('no ink')
    work.permitted.set()
    work.worker.put(error)
    assert work.begun.wait(TIMEOUT)
    work.worker.put('last')
    assert work.ended.wait(TIMEOUT)
    assert work.errors == [error]


def test_stop_finishes_the_current_piece_and_drops_the_waiting_one(work):
    work.worker.put('first')
    assert work.begun.wait(TIMEOUT)
    work.worker.put('second')
    assert not work.worker.stop(timeout=0.0), 'the first piece is not done'
    work.permitted.set()
    assert work.worker.stop(TIMEOUT)
    work.worker.put('third')
    assert work.done == ['first']


def test_the_thread_starts_with_the_first_piece_of_work():
    before = set(threads())
    worker = LatestOnlyWorker(print, print)
    assert not set(threads()) - before
    assert worker.stop(TIMEOUT)
