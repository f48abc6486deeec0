# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the pool promises: the newest frame, in order, and every frame accounted for."""

from random import Random
from threading import Event, Semaphore
import time

import pytest

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.runtime.detector import Result, StageTimes
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import Latencies, Ledger

FRAME = Frame.wrap(bytes(3), Size(1, 1), 'bgr8')
RESULT = Result(Detections.empty(), StageTimes(0.001, 0.002, 0.003))


class Napper:
    """A worker that takes as long as it is told."""

    def __init__(self, naps):
        self.naps = naps

    def detect(self, frame, criteria=None):
        time.sleep(self.naps())
        return RESULT


class Gate:
    """A worker that finishes a frame for each permit, and tells when it has begun one."""

    def __init__(self):
        self.begun = Semaphore(0)
        self.permits = Semaphore(0)

    def detect(self, frame, criteria=None):
        self.begun.release()
        assert self.permits.acquire(timeout=10)
        return RESULT


class Broken:
    """A worker that fails on every frame."""

    def detect(self, frame, criteria=None):
        raise RuntimeError('the engine is on fire')


class Run:
    """A pool with its books, and the tickets it delivered in the order it did."""

    def __init__(self, *workers, deliver=None):
        self.ledger, self.latencies = Ledger(), Latencies()
        self.outcomes = []
        self.pool = Pool(workers, deliver or self.outcomes.append, self.ledger, self.latencies)

    def submit(self, *tickets):
        for ticket in tickets:
            self.ledger.enter()
            self.pool.submit(FRAME, ticket)

    @property
    def tickets(self):
        return [outcome.job.ticket for outcome in self.outcomes]


@pytest.mark.parametrize('seed', range(5))
def test_whatever_the_timing_order_holds_and_every_frame_is_accounted_for(seed):
    random = Random(seed)
    run = Run(*(Napper(lambda: random.uniform(0, 0.004)) for _ in range(3)))
    for ticket in range(200):
        run.submit(ticket)
        time.sleep(random.uniform(0, 0.002))
    assert run.pool.stop()
    account = run.ledger.account()
    assert run.tickets == sorted(run.tickets)
    assert account.received == 200
    assert account.published == len(run.tickets) > 0
    assert account.in_flight == 0
    assert run.tickets[-1] == 199


def test_a_waiting_frame_gives_way_to_a_newer_one():
    gate = Gate()
    run = Run(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    run.submit(1, 2, 3, 4)
    gate.permits.release(2)
    assert run.pool.stop()
    assert run.tickets == [0, 4]
    assert run.ledger.account().superseded == 3


def test_a_burst_is_not_superseded_while_workers_are_idle():
    gates = [Gate(), Gate(), Gate()]
    run = Run(*gates)
    run.submit(0, 1, 2)
    for gate in gates:
        gate.permits.release(3)
    assert run.pool.stop()
    assert run.tickets == [0, 1, 2]


def test_a_later_frame_that_is_done_first_waits_for_its_elders():
    slow, quick = Gate(), Napper(lambda: 0)
    run = Run(slow, quick)
    run.submit(0)
    while not slow.begun.acquire(timeout=0.01):  # until the slow worker has got one
        run.submit(run.ledger.account().received)
    time.sleep(0.05)
    held = len(run.tickets)
    run.submit(1000)
    time.sleep(0.05)
    assert len(run.tickets) == held
    slow.permits.release(1000)
    assert run.pool.stop()
    assert run.tickets == sorted(run.tickets)
    assert run.tickets[-1] == 1000


def test_the_others_run_only_so_far_ahead_of_a_slow_frame():
    slow, quick = Gate(), Napper(lambda: 0)
    run = Run(slow, quick)
    run.submit(0)
    while not slow.begun.acquire(timeout=0.01):
        run.submit(0)
    for ticket in range(100):
        run.submit(ticket)
        time.sleep(0.001)
    account = run.ledger.account()
    assert account.in_flight <= 6
    slow.permits.release(1000)
    assert run.pool.stop()


def test_a_failing_worker_loses_its_frames_and_nothing_else():
    run = Run(Broken())
    for ticket in range(3):
        run.submit(ticket)
        time.sleep(0.02)
    assert run.pool.stop()
    account = run.ledger.account()
    assert (account.published, account.failed) == (0, 3)
    assert account.errors == {'RuntimeError': 3}
    assert account.last_error == 'the engine is on fire'
    assert [str(outcome.error) for outcome in run.outcomes] == ['the engine is on fire'] * 3
    assert all(outcome.result is None for outcome in run.outcomes)


def test_a_frame_that_cannot_be_delivered_counts_as_failed():
    def deliver(outcome):
        raise OSError('no route')
    run = Run(Napper(lambda: 0), deliver=deliver)
    run.submit(0)
    assert run.pool.stop()
    account = run.ledger.account()
    assert (account.published, account.failed, account.last_error) == (0, 1, 'no route')
    assert run.latencies.percentiles() == {}


def test_stop_finishes_what_came_in_and_takes_no_more():
    gate = Gate()
    run = Run(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    run.submit(1)
    gate.permits.release(2)
    assert run.pool.stop()
    assert run.tickets == [0, 1]
    with pytest.raises(RuntimeError, match='stopped'):
        run.pool.submit(FRAME, 2)


def test_stop_tells_when_a_worker_hangs():
    gate = Gate()
    run = Run(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    assert not run.pool.stop(timeout=0.05)
    gate.permits.release()


def test_criteria_reach_the_frames_to_come():
    seen, done = [], Event()

    class Listener:
        def detect(self, frame, criteria=None):
            seen.append(criteria)
            done.set()
            return RESULT

    run = Run(Listener())
    run.pool.criteria = criteria = object()
    run.submit(0)
    assert done.wait(10)
    run.pool.stop()
    assert seen == [criteria]


def test_each_stage_of_a_published_frame_is_timed():
    run = Run(Napper(lambda: 0.002))
    run.submit(0)
    run.pool.stop()
    spread = run.latencies.percentiles()
    assert list(spread) == ['wait', 'preprocess', 'infer', 'decode', 'publish', 'total']
    assert spread['infer'].p50 == RESULT.times.infer
    assert spread['total'].p99 >= 0.002


def test_a_pool_needs_a_worker():
    with pytest.raises(ValueError, match='at least one worker'):
        Run()
