# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the pool promises: the newest frame, in order, and every frame accounted for."""

from random import Random
from threading import Event
import time

from frame_source import FrameSource
import pytest
from waiting import TIMEOUT, wait_until
from workers import RESULT, FailingWorker, GatedWorker, ReadyWorker, SleepingWorker, UnreadyWorker

from fcos_ros.runtime.pool import Pool


@pytest.mark.parametrize('seed', range(5))
def test_whatever_the_timing_order_holds_and_every_frame_is_accounted_for(seed):
    random = Random(seed)
    source = FrameSource.of(*(SleepingWorker(lambda: random.uniform(0, 0.004)) for _ in range(3)))
    for ticket in range(200):
        source.submit(ticket)
        time.sleep(random.uniform(0, 0.002))
    source.stop()
    account = source.account
    assert source.tickets == sorted(source.tickets)
    assert account.received == 200
    assert account.published == len(source.tickets) > 0
    assert account.in_flight == 0
    assert source.tickets[-1] == 199


def test_a_waiting_frame_gives_way_to_a_newer_one():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1, 2, 3, 4)
    worker.permit(2)
    source.stop()
    assert source.tickets == [0, 4]
    assert source.account.superseded == 3


def test_a_burst_is_not_superseded_while_workers_are_idle():
    workers = [GatedWorker(), GatedWorker(), GatedWorker()]
    source = FrameSource.of(*workers)
    source.submit(0, 1, 2)
    for worker in workers:
        worker.permit(3)
    source.stop()
    assert source.tickets == [0, 1, 2]


def test_a_later_frame_that_is_done_first_waits_for_its_elders():
    workers = [GatedWorker(), GatedWorker()]
    source = FrameSource.of(*workers)
    source.submit(0)
    slow = wait_until(lambda: next((worker for worker in workers if worker.has_begun()), None))
    quick, = {*workers} - {slow}
    source.submit(1)
    quick.wait_until_begun()
    quick.permit()
    source.submit(2)
    quick.wait_until_begun()  # so it has finished the frame before
    assert source.tickets == []
    quick.permit()
    slow.permit()
    source.stop()
    assert source.tickets == [0, 1, 2]


def test_the_others_run_only_so_far_ahead_of_a_slow_frame():
    slow = GatedWorker()
    source = FrameSource.of(slow, ReadyWorker())
    source.occupy(slow)
    # Four of a pool of two workers are begun and not delivered, and one waits.
    wait_until(lambda: source.submit(0) or source.account.in_flight == 5)
    superseded = source.account.superseded
    source.submit(*range(20))
    assert source.account.in_flight == 5
    assert source.account.superseded == superseded + 20
    slow.permit(5)
    source.stop()


def test_a_failing_worker_loses_its_frames_and_nothing_else():
    source = FrameSource.of(FailingWorker())
    for ticket in range(3):
        source.submit(ticket)
        source.settle()
    source.stop()
    account = source.account
    assert (account.published, account.failed) == (0, 3)
    assert account.errors == {'RuntimeError': 3}
    assert account.last_error == 'the engine is on fire'
    assert [str(outcome.error) for outcome in source.outcomes] == ['the engine is on fire'] * 3
    assert all(outcome.result is None for outcome in source.outcomes)


def test_a_frame_that_cannot_be_delivered_counts_as_failed():
    def deliver(outcome):
        raise OSError('no route')
    source = FrameSource.of(ReadyWorker(), deliver=deliver)
    source.submit(0)
    source.stop()
    account = source.account
    assert (account.published, account.failed, account.last_error) == (0, 1, 'no route')
    assert source.books.latencies.percentiles() == {}


def test_stop_finishes_what_came_in_and_takes_no_more():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    worker.permit(2)
    source.stop()
    assert source.tickets == [0, 1]
    with pytest.raises(RuntimeError, match='stopped'):
        source.submit(2)


def test_stop_tells_when_a_worker_hangs():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    assert not source.pool.stop(timeout=0.05)
    account = source.account
    assert (account.failed, account.in_flight) == (1, 1), 'no worker will take the second'
    assert 'before the pool stopped' in account.last_error
    worker.permit()
    source.stop()
    assert source.tickets == [0]
    assert source.account.in_flight == 0


def test_criteria_reach_the_frames_to_come():
    seen = []

    class RecordingWorker(ReadyWorker):
        def detect(self, frame, criteria=None):
            seen.append(criteria)
            return RESULT

    source = FrameSource.of(RecordingWorker())
    source.lane.criteria = criteria = object()
    source.submit(0)
    source.stop()
    assert seen == [criteria]


def test_each_stage_of_a_published_frame_is_timed():
    source = FrameSource.of(SleepingWorker(lambda: 0.002))
    source.submit(0)
    source.stop()
    spread = source.books.latencies.percentiles()
    assert list(spread) == ['wait', 'preprocess', 'infer', 'decode', 'publish', 'total']
    assert spread['infer'].p50 == RESULT.times.infer
    assert spread['total'].p99 >= 0.002


def test_a_pool_needs_a_worker():
    with pytest.raises(ValueError, match='at least one worker'):
        FrameSource.of()


def take_turns(worker, sources, turns, halfway=lambda: None):
    """
    Return which sources a worker takes its frames from, while each of them always has one.

    :param halfway: called after half of the turns.
    """
    order = []

    def submit_all():
        for name, source in enumerate(sources):
            source.submit(name)

    for source in sources:
        source.lane.deliver = lambda outcome: order.append(outcome.job.ticket)
    submit_all()
    worker.wait_until_begun()
    for number in range(turns):
        if number == turns // 2:
            halfway()
        submit_all()
        worker.permit()
        worker.wait_until_begun()
    worker.permit(1 + len(sources))
    sources[0].stop()
    return order[:turns]


@pytest.mark.parametrize('weights', [
    pytest.param((1, 1), id='two'),
    pytest.param((1, 1, 1, 1), id='four'),
    pytest.param((2, 1), id='one counts twice'),
    pytest.param((3, 1, 0.5), id='all different'),
])
def test_sources_get_their_shares_of_a_pool_that_is_too_small(weights):
    worker = GatedWorker()
    pool = Pool([worker])
    sources = [FrameSource(pool, weight=weight) for weight in weights]
    order = take_turns(worker, sources, turns=90)
    for name, weight in enumerate(weights):
        share = 90 * weight / sum(weights)
        assert abs(order.count(name) - share) <= 2
    assert all(source.account.in_flight == 0 for source in sources)


def test_a_source_that_was_silent_saves_up_no_turns():
    worker = GatedWorker()
    pool = Pool([worker])
    steady, late = FrameSource(pool), FrameSource(pool)
    for _ in range(20):
        steady.submit('steady')
        worker.wait_until_begun()
        worker.permit()
        steady.settle()
    order = take_turns(worker, [steady, late], turns=12)
    assert order[:4].count(0) >= 1, 'the steady source starves'
    assert abs(order.count(0) - 6) <= 1


def test_a_source_that_is_given_more_weight_has_its_share_at_once():
    worker = GatedWorker()
    pool = Pool([worker])
    steady, slight = FrameSource(pool), FrameSource(pool, weight=0.01)
    order = take_turns(worker, [steady, slight], turns=24,
                      halfway=lambda: setattr(slight.lane, 'weight', 1.0))
    assert order[:12].count(1) <= 1
    assert abs(order[12:].count(1) - 6) <= 1


def test_a_flood_from_one_source_supersedes_no_frame_of_another():
    worker = GatedWorker()
    pool = Pool([worker])
    quiet, flood = FrameSource(pool), FrameSource(pool)
    quiet.submit(0)
    worker.wait_until_begun()
    quiet.submit(1)
    flood.submit(*range(50))
    worker.permit(60)
    assert pool.stop(TIMEOUT)
    assert quiet.tickets == [0, 1]
    assert flood.tickets[-1] == 49
    assert flood.account.superseded == 49


def test_a_slow_frame_holds_up_its_own_source_only():
    slow = GatedWorker()
    pool = Pool([slow, ReadyWorker()])
    stuck, other = FrameSource(pool), FrameSource(pool)
    stuck.occupy(slow)
    for ticket in range(20):
        other.submit(ticket)
        other.settle()
    assert other.tickets == list(range(20))
    slow.permit()
    assert pool.stop(TIMEOUT)
    assert stuck.tickets == sorted(stuck.tickets)


def test_a_frame_that_expired_while_it_waited_is_dropped_and_said_so():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    old = Event()
    source.submit(1, expired=old.is_set)
    old.set()
    worker.permit(2)
    source.stop()
    account = source.account
    assert source.tickets == [0]
    assert (account.received, account.published, account.expired) == (2, 1, 1)
    assert account.in_flight == 0


@pytest.mark.parametrize('seed', range(3))
def test_several_sources_keep_their_orders_and_their_accounts(seed):
    random = Random(seed)
    pool = Pool([SleepingWorker(lambda: random.uniform(0, 0.004)) for _ in range(3)])
    sources = [FrameSource(pool) for _ in range(4)]
    for ticket in range(150):
        for source in sources:
            source.submit(ticket, expired=lambda: random.random() < 0.1)
        time.sleep(random.uniform(0, 0.004))
    assert pool.stop(TIMEOUT)
    for source in sources:
        account = source.account
        assert source.tickets == sorted(source.tickets)
        assert account.received == 150
        assert account.published == len(source.tickets) > 0
        assert account.in_flight == 0


def test_a_worker_that_is_not_ready_takes_no_frame_and_holds_up_no_other():
    unready = UnreadyWorker()
    source = FrameSource.of(unready, ReadyWorker(), ReadyWorker())
    for ticket in range(30):
        source.submit(ticket)
        source.settle()
    assert source.tickets == list(range(30))
    assert source.account.published == 30
    unready.ready.set()
    source.stop()


def test_a_frame_waits_for_the_only_worker_to_get_ready():
    unready = UnreadyWorker()
    source = FrameSource.of(unready)
    unready.wait_until_noted()
    source.submit(0)
    unready.ready.set()
    source.settle()
    assert source.account.published == 1
    source.stop()


def test_a_worker_that_cannot_get_ready_fails_no_frame_that_others_can_take():
    broken, worker = UnreadyWorker('no memory'), GatedWorker()
    source = FrameSource.of(broken, worker)
    broken.wait_until_noted()
    for ticket in range(5):
        source.submit(ticket)
        worker.wait_until_begun()
        worker.permit()
        source.settle()
    assert (source.account.published, source.account.failed) == (5, 0)
    source.stop()


def test_frames_fail_with_the_reason_while_no_worker_can_get_ready():
    workers = [UnreadyWorker('no memory'), UnreadyWorker('no memory')]
    source = FrameSource.of(*workers)
    for worker in workers:
        worker.wait_until_noted()
    for ticket in range(5):
        source.submit(ticket)
        source.settle()
    assert source.tickets == list(range(5))
    assert source.account.errors == {'OSError': 5}
    assert source.account.last_error == 'no memory'
    for worker in workers:
        worker.ready.set()
        worker.failure = ''
    wait_until(lambda: source.submit(5) or source.account.published)
    source.stop()


@pytest.mark.parametrize('count', [1, 2])
def test_frames_fail_at_once_also_while_those_that_failed_are_made_ready_again(count):
    workers = [UnreadyWorker('no memory') for _ in range(count)]
    source = FrameSource.of(*workers)
    for worker in workers:
        worker.wait_until_noted()
    for worker in workers:
        worker.failure = ''  # from now on they only take long
    for ticket in range(5):
        source.submit(ticket)
        source.settle()
    assert source.account.failed == 5
    assert source.account.last_error == 'no memory'
    source.stop()


def test_workers_that_are_not_ready_do_not_count_as_idle():
    gated, unready = GatedWorker(), [UnreadyWorker(), UnreadyWorker()]
    source = FrameSource.of(gated, *unready)
    for worker in unready:
        worker.wait_until_noted()
    source.submit(0)
    gated.wait_until_begun()
    source.submit(1, 2)
    assert source.account.superseded == 1
    gated.permit(2)
    source.stop()
    assert source.tickets == [0, 2]


def test_stop_waits_for_no_worker_that_is_not_needed():
    unready = UnreadyWorker()
    source = FrameSource.of(unready, ReadyWorker())
    unready.wait_until_noted()
    source.submit(0)
    source.stop()
    assert source.tickets == [0]


def test_stop_gives_up_frames_for_which_no_worker_gets_ready():
    unready = UnreadyWorker()
    source = FrameSource.of(unready)
    unready.wait_until_noted()
    source.submit(0)
    assert not source.pool.stop(timeout=0.05)
    assert 'before the pool stopped' in source.account.last_error
    source.stop()
