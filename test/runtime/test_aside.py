# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Aside` promises: the newest work is done, and nobody waits for it."""

from threading import Event, enumerate as threads

import pytest
from waiting import TIMEOUT

from fcos_ros.runtime.aside import Aside


class GatedWork:
    """
    Pieces of work, done one at a time once they are permitted; exceptions are raised.

    :ivar begun: set when any was begun.
    :ivar ended: set when the piece 'last' was done.
    """

    def __init__(self):
        self.done, self.errors = [], []
        self.begun, self.permitted, self.ended = Event(), Event(), Event()
        self.aside = Aside(self._do, self.errors.append)

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
    assert work.aside.stop(TIMEOUT)


def test_the_newest_of_what_waits_is_done_next(work):
    work.aside.put('first')
    assert work.begun.wait(TIMEOUT)
    for piece in ('second', 'third', 'last'):
        work.aside.put(piece)
    work.permitted.set()
    assert work.ended.wait(TIMEOUT)
    assert work.done == ['first', 'last']


def test_work_that_fails_is_reported_and_the_next_is_done(work):
    trouble = ValueError('no ink')
    work.permitted.set()
    work.aside.put(trouble)
    assert work.begun.wait(TIMEOUT)
    work.aside.put('last')
    assert work.ended.wait(TIMEOUT)
    assert work.errors == [trouble]


def test_stop_finishes_what_is_at_hand_and_drops_what_waits(work):
    work.aside.put('first')
    assert work.begun.wait(TIMEOUT)
    work.aside.put('second')
    assert not work.aside.stop(timeout=0.0), 'it is still at work'
    work.permitted.set()
    assert work.aside.stop(TIMEOUT)
    work.aside.put('third')
    assert work.done == ['first']


def test_without_work_there_is_no_thread():
    before = set(threads())
    aside = Aside(print, print)
    assert not set(threads()) - before
    assert aside.stop(TIMEOUT)
