# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Aside` promises: the newest work is done, and nobody waits for it."""

from threading import Event, enumerate as threads

import pytest

from fcos_ros.runtime.aside import Aside

PATIENCE = 15.0


class Desk:
    """Does pieces of work one at a time, each when it is let."""

    def __init__(self):
        self.begun, self.done, self.faults = [], [], []
        self.changed, self.let, self.idle = Event(), Event(), Event()
        self.aside = Aside(self._do, self._fail)

    def _do(self, work):
        self.begun.append(work)
        self.changed.set()
        assert self.let.wait(PATIENCE)
        if isinstance(work, Exception):
            raise work
        self.done.append(work)
        if work == 'last':
            self.idle.set()

    def _fail(self, error):
        self.faults.append(error)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.let.set()
    assert desk.aside.stop()


def test_the_newest_of_what_waits_is_done_next(desk):
    desk.aside.put('first')
    assert desk.changed.wait(PATIENCE)
    for work in ('second', 'third', 'last'):
        desk.aside.put(work)
    desk.let.set()
    assert desk.idle.wait(PATIENCE)
    assert desk.done == ['first', 'last']


def test_work_that_fails_is_reported_and_the_next_is_done(desk):
    trouble = ValueError('no ink')
    desk.let.set()
    desk.aside.put(trouble)
    assert desk.changed.wait(PATIENCE)
    desk.aside.put('last')
    assert desk.idle.wait(PATIENCE)
    assert desk.faults == [trouble]


def test_stop_finishes_what_is_at_hand_and_drops_what_waits(desk):
    desk.aside.put('first')
    assert desk.changed.wait(PATIENCE)
    desk.aside.put('second')
    assert not desk.aside.stop(timeout=0.0), 'it is still at work'
    desk.let.set()
    assert desk.aside.stop()
    desk.aside.put('third')
    assert desk.done == ['first']


def test_without_work_there_is_no_thread():
    before = set(threads())
    aside = Aside(print, print)
    assert not set(threads()) - before
    assert aside.stop()
