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
from fcos_ros.runtime.lane import Books
from fcos_ros.runtime.pool import Pool

FRAME = Frame.wrap(bytes(3), Size(1, 1), 'bgr8')
RESULT = Result(Detections.empty(), StageTimes(0.001, 0.002, 0.003))


class Ready:
    """A worker that can always take a frame."""

    def prepare(self, patience):
        return True


class Napper(Ready):
    """A worker that takes as long as it is told."""

    def __init__(self, naps):
        self.naps = naps

    def detect(self, frame, criteria=None):
        time.sleep(self.naps())
        return RESULT


class Gate(Ready):
    """A worker that finishes a frame for each permit, and tells when it has begun one."""

    def __init__(self):
        self.begun = Semaphore(0)
        self.permits = Semaphore(0)

    def detect(self, frame, criteria=None):
        self.begun.release()
        assert self.permits.acquire(timeout=10)
        return RESULT


class Broken(Ready):
    """A worker that fails on every frame."""

    def detect(self, frame, criteria=None):
        raise RuntimeError('the engine is on fire')


class Lame(Ready):
    """A worker that gets ready when it is let, unless it is given a reason why it cannot."""

    def __init__(self):
        self.let = Event()
        self.looked = Semaphore(0)
        self.reason = None

    def prepare(self, patience):
        self.looked.release()
        if self.reason:
            raise OSError(self.reason)
        return self.let.wait(patience)

    def detect(self, frame, criteria=None):
        assert self.let.is_set()
        return RESULT

    def wait(self):
        """Wait until the pool has looked once, written down what it saw, and looks again."""
        for _ in range(2):
            assert self.looked.acquire(timeout=10)


class Source:
    """A lane of a pool with its books, and the tickets that were delivered, in that order."""

    def __init__(self, pool, deliver=None, weight=1.0):
        self.pool = pool
        self.books = Books()
        self.outcomes = []
        self.lane = pool.lane(deliver or self.outcomes.append, self.books)
        self.lane.weight = weight

    def submit(self, *tickets, **kind):
        for ticket in tickets:
            self.books.ledger.enter()
            self.pool.submit(self.lane, FRAME, ticket, **kind)

    @property
    def account(self):
        return self.books.ledger.account()

    @property
    def tickets(self):
        return [outcome.job.ticket for outcome in self.outcomes]

    def settle(self):
        """Wait until nothing is in flight."""
        deadline = time.monotonic() + 10
        while self.account.in_flight:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def alone(*workers, deliver=None):
    """Give a pool one source."""
    return Source(Pool(workers), deliver)


@pytest.mark.parametrize('seed', range(5))
def test_whatever_the_timing_order_holds_and_every_frame_is_accounted_for(seed):
    random = Random(seed)
    run = alone(*(Napper(lambda: random.uniform(0, 0.004)) for _ in range(3)))
    for ticket in range(200):
        run.submit(ticket)
        time.sleep(random.uniform(0, 0.002))
    assert run.pool.stop()
    account = run.account
    assert run.tickets == sorted(run.tickets)
    assert account.received == 200
    assert account.published == len(run.tickets) > 0
    assert account.in_flight == 0
    assert run.tickets[-1] == 199


def test_a_waiting_frame_gives_way_to_a_newer_one():
    gate = Gate()
    run = alone(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    run.submit(1, 2, 3, 4)
    gate.permits.release(2)
    assert run.pool.stop()
    assert run.tickets == [0, 4]
    assert run.account.superseded == 3


def test_a_burst_is_not_superseded_while_workers_are_idle():
    gates = [Gate(), Gate(), Gate()]
    run = alone(*gates)
    run.submit(0, 1, 2)
    for gate in gates:
        gate.permits.release(3)
    assert run.pool.stop()
    assert run.tickets == [0, 1, 2]


def test_a_later_frame_that_is_done_first_waits_for_its_elders():
    slow, quick = Gate(), Napper(lambda: 0)
    run = alone(slow, quick)
    run.submit(0)
    while not slow.begun.acquire(timeout=0.01):  # until the slow worker has got one
        run.submit(run.account.received)
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
    run = alone(slow, quick)
    run.submit(0)
    while not slow.begun.acquire(timeout=0.01):
        run.submit(0)
    for ticket in range(100):
        run.submit(ticket)
        time.sleep(0.001)
    account = run.account
    assert account.in_flight <= 6
    slow.permits.release(1000)
    assert run.pool.stop()


def test_a_failing_worker_loses_its_frames_and_nothing_else():
    run = alone(Broken())
    for ticket in range(3):
        run.submit(ticket)
        run.settle()
    assert run.pool.stop()
    account = run.account
    assert (account.published, account.failed) == (0, 3)
    assert account.errors == {'RuntimeError': 3}
    assert account.last_error == 'the engine is on fire'
    assert [str(outcome.error) for outcome in run.outcomes] == ['the engine is on fire'] * 3
    assert all(outcome.result is None for outcome in run.outcomes)


def test_a_frame_that_cannot_be_delivered_counts_as_failed():
    def deliver(outcome):
        raise OSError('no route')
    run = alone(Napper(lambda: 0), deliver=deliver)
    run.submit(0)
    assert run.pool.stop()
    account = run.account
    assert (account.published, account.failed, account.last_error) == (0, 1, 'no route')
    assert run.books.latencies.percentiles() == {}


def test_stop_finishes_what_came_in_and_takes_no_more():
    gate = Gate()
    run = alone(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    run.submit(1)
    gate.permits.release(2)
    assert run.pool.stop()
    assert run.tickets == [0, 1]
    with pytest.raises(RuntimeError, match='stopped'):
        run.submit(2)


def test_stop_tells_when_a_worker_hangs():
    gate = Gate()
    run = alone(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    run.submit(1)
    assert not run.pool.stop(timeout=0.05)
    assert (run.account.failed, run.account.in_flight) == (1, 1), 'nobody will take the second'
    assert 'before the pool stopped' in run.account.last_error
    gate.permits.release()
    assert run.pool.stop()
    assert run.tickets == [0]
    assert run.account.in_flight == 0


def test_criteria_reach_the_frames_to_come():
    seen, done = [], Event()

    class Listener(Ready):
        def detect(self, frame, criteria=None):
            seen.append(criteria)
            done.set()
            return RESULT

    run = alone(Listener())
    run.lane.criteria = criteria = object()
    run.submit(0)
    assert done.wait(10)
    run.pool.stop()
    assert seen == [criteria]


def test_each_stage_of_a_published_frame_is_timed():
    run = alone(Napper(lambda: 0.002))
    run.submit(0)
    run.pool.stop()
    spread = run.books.latencies.percentiles()
    assert list(spread) == ['wait', 'preprocess', 'infer', 'decode', 'publish', 'total']
    assert spread['infer'].p50 == RESULT.times.infer
    assert spread['total'].p99 >= 0.002


def test_a_pool_needs_a_worker():
    with pytest.raises(ValueError, match='at least one worker'):
        alone()


def serve_all(gate, sources, turns, halfway=lambda: None):
    """Let one worker do so many frames, with all sources having one more whenever it is free."""
    order = []
    for source in sources:
        source.lane.deliver = lambda outcome: order.append(outcome.job.ticket)
    for number in range(turns):
        if number == turns // 2:
            halfway()
        for name, source in enumerate(sources):
            source.submit(name)
        gate.permits.release()
        deadline = time.monotonic() + 10
        while len(order) <= number:
            assert time.monotonic() < deadline
            time.sleep(0.0005)
    gate.permits.release(len(sources))
    assert sources[0].pool.stop()
    return order[:turns]


@pytest.mark.parametrize('weights', [
    pytest.param((1, 1), id='two'),
    pytest.param((1, 1, 1, 1), id='four'),
    pytest.param((2, 1), id='one counts twice'),
    pytest.param((3, 1, 0.5), id='all different'),
])
def test_sources_get_their_shares_of_a_pool_that_is_too_small(weights):
    gate = Gate()
    pool = Pool([gate])
    sources = [Source(pool, weight=weight) for weight in weights]
    order = serve_all(gate, sources, turns=90)
    for name, weight in enumerate(weights):
        share = 90 * weight / sum(weights)
        assert abs(order.count(name) - share) <= 2
    assert all(source.account.in_flight == 0 for source in sources)


def test_a_source_that_was_silent_saves_up_no_turns():
    gate = Gate()
    pool = Pool([gate])
    steady, late = Source(pool), Source(pool)
    for _ in range(20):
        steady.submit('steady')
        gate.permits.release()
        steady.settle()
    order = serve_all(gate, [steady, late], turns=12)
    assert order[:4].count(0) >= 1, 'the steady source starves'
    assert abs(order.count(0) - 6) <= 1


def test_a_source_that_is_given_more_weight_has_its_share_at_once():
    gate = Gate()
    pool = Pool([gate])
    steady, slight = Source(pool), Source(pool, weight=0.01)
    order = serve_all(gate, [steady, slight], turns=24,
                      halfway=lambda: setattr(slight.lane, 'weight', 1.0))
    assert order[:12].count(1) <= 1
    assert abs(order[12:].count(1) - 6) <= 1


def test_a_flood_from_one_source_supersedes_no_frame_of_another():
    gate = Gate()
    pool = Pool([gate])
    quiet, flood = Source(pool), Source(pool)
    quiet.submit(0)
    assert gate.begun.acquire(timeout=10)
    quiet.submit(1)
    flood.submit(*range(50))
    gate.permits.release(60)
    assert pool.stop()
    assert quiet.tickets == [0, 1]
    assert flood.tickets[-1] == 49
    assert flood.account.superseded == 49


def test_a_slow_frame_holds_up_its_own_source_only():
    slow, quick = Gate(), Napper(lambda: 0)
    pool = Pool([slow, quick])
    stuck, other = Source(pool), Source(pool)
    stuck.submit(0)
    while not slow.begun.acquire(timeout=0.01):
        stuck.submit(stuck.account.received)
    for ticket in range(20):
        other.submit(ticket)
        other.settle()
    assert other.tickets == list(range(20))
    slow.permits.release(1000)
    assert pool.stop()
    assert stuck.tickets == sorted(stuck.tickets)


def test_a_frame_that_expired_while_it_waited_is_dropped_and_said_so():
    gate = Gate()
    run = alone(gate)
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    old = Event()
    run.submit(1, expired=old.is_set)
    old.set()
    gate.permits.release(2)
    assert run.pool.stop()
    account = run.account
    assert run.tickets == [0]
    assert (account.received, account.published, account.expired) == (2, 1, 1)
    assert account.in_flight == 0


@pytest.mark.parametrize('seed', range(3))
def test_several_sources_keep_their_orders_and_their_accounts(seed):
    random = Random(seed)
    pool = Pool([Napper(lambda: random.uniform(0, 0.004)) for _ in range(3)])
    sources = [Source(pool) for _ in range(4)]
    for ticket in range(150):
        for source in sources:
            source.submit(ticket, expired=lambda: random.random() < 0.1)
        time.sleep(random.uniform(0, 0.004))
    assert pool.stop()
    for source in sources:
        account = source.account
        assert source.tickets == sorted(source.tickets)
        assert account.received == 150
        assert account.published == len(source.tickets) > 0
        assert account.in_flight == 0


def test_a_worker_that_is_not_ready_takes_no_frame_and_holds_up_nobody():
    lame = Lame()
    run = alone(lame, Napper(lambda: 0), Napper(lambda: 0))
    for ticket in range(30):
        run.submit(ticket)
        run.settle()
    assert run.tickets == list(range(30))
    assert run.account.published == 30
    lame.let.set()
    assert run.pool.stop()


def test_a_frame_waits_for_the_only_worker_to_get_ready():
    lame = Lame()
    run = alone(lame)
    lame.wait()
    run.submit(0)
    lame.let.set()
    run.settle()
    assert run.account.published == 1
    assert run.pool.stop()


def test_a_worker_that_cannot_get_ready_fails_no_frame_that_others_can_take():
    broken, gate = Lame(), Gate()
    broken.reason = 'no memory'
    run = alone(broken, gate)
    broken.wait()
    for ticket in range(5):
        run.submit(ticket)
        assert gate.begun.acquire(timeout=10)
        gate.permits.release()
        run.settle()
    assert (run.account.published, run.account.failed) == (5, 0)
    assert run.pool.stop()


def test_frames_fail_with_the_reason_while_no_worker_can_get_ready():
    lames = [Lame(), Lame()]
    for lame in lames:
        lame.reason = 'no memory'
    run = alone(*lames)
    for lame in lames:
        lame.wait()
    for ticket in range(5):
        run.submit(ticket)
        run.settle()
    assert run.tickets == list(range(5))
    assert run.account.errors == {'OSError': 5}
    assert run.account.last_error == 'no memory'
    for lame in lames:
        lame.let.set()
        lame.reason = None
    deadline = time.monotonic() + 10
    while not run.account.published:
        assert time.monotonic() < deadline
        run.submit(run.account.received)
        run.settle()
    assert run.pool.stop()


@pytest.mark.parametrize('count', [1, 2])
def test_frames_fail_at_once_also_while_those_that_failed_are_made_ready_again(count):
    lames = [Lame() for _ in range(count)]
    for lame in lames:
        lame.reason = 'no memory'
    run = alone(*lames)
    for lame in lames:
        lame.wait()
    for lame in lames:
        lame.reason = None  # from now on they only take long
    for ticket in range(5):
        run.submit(ticket)
        run.settle()
    assert run.account.failed == 5
    assert run.account.last_error == 'no memory'
    assert run.pool.stop()


def test_workers_that_are_not_ready_do_not_count_as_idle():
    gate, lames = Gate(), [Lame(), Lame()]
    run = alone(gate, *lames)
    for lame in lames:
        lame.wait()
    run.submit(0)
    assert gate.begun.acquire(timeout=10)
    run.submit(1, 2)
    assert run.account.superseded == 1
    gate.permits.release(2)
    assert run.pool.stop()
    assert run.tickets == [0, 2]


def test_stop_waits_for_no_worker_that_is_not_needed():
    lame, quick = Lame(), Napper(lambda: 0)
    run = alone(lame, quick)
    lame.wait()
    run.submit(0)
    assert run.pool.stop()
    assert run.tickets == [0]


def test_stop_gives_up_frames_for_which_no_worker_gets_ready():
    lame = Lame()
    run = alone(lame)
    lame.wait()
    run.submit(0)
    assert not run.pool.stop(timeout=0.05)
    assert 'before the pool stopped' in run.account.last_error
    assert run.pool.stop()
