# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pool processes the newest frames, delivers in order, and counts every frame."""

from random import Random
from threading import Event
import time

import pytest
from runtime.fake_workers import (
    RESULT,
    FailingWorker,
    GatedWorker,
    ReadyWorker,
    RecordingWorker,
    SleepingWorker,
    StartedWorker,
    UnreadyWorker,
)
from runtime.frame_source import FrameSource
from waiting import TIMEOUT, wait_until

from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import FrameStatistics


@pytest.mark.parametrize('seed', range(5))
def test_outcomes_are_in_order_and_every_frame_is_counted_at_random_speeds(seed):
    random = Random(seed)
    source = FrameSource.of(*(SleepingWorker(lambda: random.uniform(0, 0.004)) for _ in range(3)))
    for context in range(200):
        source.submit(context)
        time.sleep(random.uniform(0, 0.002))
    source.stop()
    counts = source.counts
    assert source.contexts == sorted(source.contexts)
    assert counts.received == 200
    assert counts.published == len(source.contexts) > 0
    assert counts.in_flight == 0
    assert source.contexts[-1] == 199


def test_a_newer_frame_supersedes_a_waiting_one():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1, 2, 3, 4)
    worker.permit(2)
    source.stop()
    assert source.contexts == [0, 4]
    assert source.counts.superseded == 3


def test_a_burst_is_not_superseded_while_workers_are_idle():
    workers = [GatedWorker(), GatedWorker(), GatedWorker()]
    source = FrameSource.of(*workers)
    source.submit(0, 1, 2)
    for worker in workers:
        worker.permit(3)
    source.stop()
    assert source.contexts == [0, 1, 2]


def test_a_frame_that_is_finished_early_is_delivered_after_the_frames_before_it():
    workers = [GatedWorker(), GatedWorker()]
    source = FrameSource.of(*workers)
    source.submit(0)
    slow = wait_until(lambda: next((worker for worker in workers if worker.has_begun()), None))
    quick, = {*workers} - {slow}
    source.submit(1)
    quick.wait_until_begun()
    quick.permit()
    source.submit(2)
    quick.wait_until_begun()  # it has finished the frame before
    assert source.contexts == []
    quick.permit()
    slow.permit()
    source.stop()
    assert source.contexts == [0, 1, 2]


def test_a_slow_frame_limits_how_many_later_frames_are_taken():
    slow = GatedWorker()
    source = FrameSource.of(slow, ReadyWorker())
    source.occupy(slow)
    # A pool of two workers takes four frames ahead, and one waits.
    wait_until(lambda: source.submit(0) or source.counts.in_flight == 5)
    superseded = source.counts.superseded
    source.submit(*range(20))
    assert source.counts.in_flight == 5
    assert source.counts.superseded == superseded + 20
    slow.permit(5)
    source.stop()


def test_a_separate_worker_begins_a_waiting_frame_before_a_result_is_delivered():
    worker, started = StartedWorker(), []
    source = FrameSource.of(worker, deliver=lambda outcome: started.append(worker.started))
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    worker.permit(2)
    source.stop()
    assert started == [2, 2]


def test_a_separate_worker_that_cannot_begin_the_next_frame_fails_it_in_its_turn():
    worker = StartedWorker(fails_at=2)
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    worker.permit(2)
    source.wait_until_done()
    source.submit(2)
    source.stop()
    assert source.contexts == [0, 1, 2]
    assert [str(outcome.error or '') for outcome in source.outcomes] == [
        '', 'the frame cannot be sent', '']


@pytest.mark.parametrize(('kind', 'contexts'), [
    pytest.param(StartedWorker, [0, 1, 2], id='separate'),
    pytest.param(GatedWorker, [0, 2], id='local'),
])
def test_only_a_separate_worker_takes_a_frame_during_a_delivery(kind, contexts):
    """Any other worker could not begin it yet, and would miss a newer frame."""
    worker, found = kind(), []

    def deliver(outcome):
        found.append(outcome.job.context)
        if outcome.job.context == 0:
            source.submit(2)

    source = FrameSource.of(worker, deliver=deliver)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    worker.permit(3)
    source.wait_until_done()
    source.stop()
    assert found == contexts


def test_a_frame_that_counts_as_published_has_its_times(monkeypatch):
    stages = []

    def count_published(statistics, tiles, /, **seconds):
        stages.append(list(seconds))

    monkeypatch.setattr(FrameStatistics, 'count_published', count_published)
    source = FrameSource.of(ReadyWorker())
    source.submit(0)
    source.stop()
    assert stages == [['wait', 'preprocess', 'infer', 'decode', 'publish', 'total']]


def test_frames_of_a_failing_worker_count_as_failed_with_the_reason():
    source = FrameSource.of(FailingWorker())
    for context in range(3):
        source.submit(context)
        source.wait_until_done()
    source.stop()
    counts = source.counts
    assert (counts.published, counts.failed) == (0, 3)
    assert counts.errors == {'RuntimeError': 3}
    assert counts.last_error == 'the engine is on fire'
    assert [str(outcome.error) for outcome in source.outcomes] == ['the engine is on fire'] * 3
    assert all(outcome.result is None for outcome in source.outcomes)


def test_a_frame_that_cannot_be_delivered_counts_as_failed():
    def deliver(outcome):
        raise OSError('no route')
    source = FrameSource.of(ReadyWorker(), deliver=deliver)
    source.submit(0)
    source.stop()
    counts = source.counts
    assert (counts.published, counts.failed, counts.last_error) == (0, 1, 'no route')
    assert source.statistics.percentiles() == {}


def test_stop_finishes_submitted_frames_and_refuses_new_ones():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    worker.permit(2)
    source.stop()
    assert source.contexts == [0, 1]
    with pytest.raises(RuntimeError, match='stopped'):
        source.submit(2)


def test_stop_returns_false_when_a_worker_hangs():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    source.submit(1)
    assert not source.pool.stop(timeout=0.05)
    counts = source.counts
    assert (counts.failed, counts.in_flight) == (1, 1), 'the second frame is dropped'
    assert 'before the pool stopped' in counts.last_error
    worker.permit()
    source.stop()
    assert source.contexts == [0]
    assert source.counts.in_flight == 0


def test_the_criteria_of_a_stream_are_passed_to_the_worker():
    worker = RecordingWorker()
    source = FrameSource.of(worker)
    source.stream.criteria = criteria = object()
    source.submit(0)
    source.stop()
    assert worker.criteria == [criteria]


def test_each_stage_of_a_published_frame_is_timed():
    source = FrameSource.of(SleepingWorker(lambda: 0.002))
    source.submit(0)
    source.stop()
    times = source.statistics.percentiles()
    assert list(times) == ['wait', 'preprocess', 'infer', 'decode', 'publish', 'total']
    assert times['infer'].p50 == RESULT.times.infer
    assert times['total'].p99 >= 0.002


def test_a_pool_without_workers_is_refused():
    with pytest.raises(ValueError, match='a pool of 0 workers; accepted: at least one'):
        FrameSource.of()


def take_turns(worker, sources, turns, halfway=lambda: None):
    """
    Return the indices of the sources whose frames a worker takes, while each source has a frame.

    :param halfway: called after half of the turns.
    """
    order = []

    def submit_all():
        for name, source in enumerate(sources):
            source.submit(name)

    for source in sources:
        source.stream.deliver = lambda outcome: order.append(outcome.job.context)
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
    pytest.param((2, 1), id='one of double weight'),
    pytest.param((3, 1, 0.5), id='all different'),
])
def test_streams_share_the_workers_by_weight(weights):
    worker = GatedWorker()
    pool = Pool([worker])
    sources = [FrameSource(pool, weight=weight) for weight in weights]
    order = take_turns(worker, sources, turns=90)
    for name, weight in enumerate(weights):
        share = 90 * weight / sum(weights)
        assert abs(order.count(name) - share) <= 2
    assert all(source.counts.in_flight == 0 for source in sources)


def test_a_stream_that_had_no_frames_does_not_save_up_turns():
    worker = GatedWorker()
    pool = Pool([worker])
    steady, late = FrameSource(pool), FrameSource(pool)
    for _ in range(20):
        steady.submit('steady')
        worker.wait_until_begun()
        worker.permit()
        steady.wait_until_done()
    order = take_turns(worker, [steady, late], turns=12)
    assert order[:4].count(0) >= 1, 'the steady source starves'
    assert abs(order.count(0) - 6) <= 1


def test_a_changed_weight_takes_effect_at_once():
    worker = GatedWorker()
    pool = Pool([worker])
    steady, light = FrameSource(pool), FrameSource(pool, weight=0.01)
    order = take_turns(worker, [steady, light], turns=24,
                       halfway=lambda: setattr(light.stream, 'weight', 1.0))
    assert order[:12].count(1) <= 1
    assert abs(order[12:].count(1) - 6) <= 1


def test_many_frames_of_one_stream_supersede_no_frame_of_another():
    worker = GatedWorker()
    pool = Pool([worker])
    quiet, flood = FrameSource(pool), FrameSource(pool)
    quiet.submit(0)
    worker.wait_until_begun()
    quiet.submit(1)
    flood.submit(*range(50))
    worker.permit(60)
    assert pool.stop(TIMEOUT)
    assert quiet.contexts == [0, 1]
    assert flood.contexts[-1] == 49
    assert flood.counts.superseded == 49


def test_a_slow_frame_delays_only_its_own_stream():
    slow = GatedWorker()
    pool = Pool([slow, ReadyWorker()])
    stuck, other = FrameSource(pool), FrameSource(pool)
    stuck.occupy(slow)
    for context in range(20):
        other.submit(context)
        other.wait_until_done()
    assert other.contexts == list(range(20))
    slow.permit()
    assert pool.stop(TIMEOUT)
    assert stuck.contexts == sorted(stuck.contexts)


def test_a_frame_that_expires_while_it_waits_is_dropped_and_counted():
    worker = GatedWorker()
    source = FrameSource.of(worker)
    source.submit(0)
    worker.wait_until_begun()
    old = Event()
    source.submit(1, expired=old.is_set)
    old.set()
    worker.permit(2)
    source.stop()
    counts = source.counts
    assert source.contexts == [0]
    assert (counts.received, counts.published, counts.expired) == (2, 1, 1)
    assert counts.in_flight == 0


@pytest.mark.parametrize('seed', range(3))
def test_each_of_several_streams_is_in_order_and_fully_counted(seed):
    random = Random(seed)
    pool = Pool([SleepingWorker(lambda: random.uniform(0, 0.004)) for _ in range(3)])
    sources = [FrameSource(pool) for _ in range(4)]
    for context in range(150):
        for source in sources:
            source.submit(context, expired=lambda: random.random() < 0.1)
        time.sleep(random.uniform(0, 0.004))
    assert pool.stop(TIMEOUT)
    for source in sources:
        counts = source.counts
        assert source.contexts == sorted(source.contexts)
        assert counts.received == 150
        assert counts.published == len(source.contexts) > 0
        assert counts.in_flight == 0


def test_a_worker_that_is_not_ready_takes_no_frame_and_delays_no_other_worker():
    unready = UnreadyWorker()
    source = FrameSource.of(unready, ReadyWorker(), ReadyWorker())
    for context in range(30):
        source.submit(context)
        source.wait_until_done()
    assert source.contexts == list(range(30))
    assert source.counts.published == 30
    unready.ready.set()
    source.stop()


def test_a_frame_waits_until_the_only_worker_is_ready():
    unready = UnreadyWorker()
    source = FrameSource.of(unready)
    unready.wait_until_noted()
    source.submit(0)
    unready.ready.set()
    source.wait_until_done()
    assert source.counts.published == 1
    source.stop()


def test_no_frame_fails_while_another_worker_is_ready():
    broken, worker = UnreadyWorker('no memory'), GatedWorker()
    source = FrameSource.of(broken, worker)
    broken.wait_until_noted()
    for context in range(5):
        source.submit(context)
        worker.wait_until_begun()
        worker.permit()
        source.wait_until_done()
    assert (source.counts.published, source.counts.failed) == (5, 0)
    source.stop()


def test_frames_fail_with_the_reason_while_all_workers_have_failed():
    workers = [UnreadyWorker('no memory'), UnreadyWorker('no memory')]
    source = FrameSource.of(*workers)
    for worker in workers:
        worker.wait_until_noted()
    for context in range(5):
        source.submit(context)
        source.wait_until_done()
    assert source.contexts == list(range(5))
    assert source.counts.errors == {'OSError': 5}
    assert source.counts.last_error == 'no memory'
    for worker in workers:
        worker.ready.set()
        worker.failure = ''
    wait_until(lambda: source.submit(5) or source.counts.published)
    source.stop()


@pytest.mark.parametrize('count', [1, 2])
def test_frames_fail_at_once_while_all_failed_workers_are_prepared_again(count):
    workers = [UnreadyWorker('no memory') for _ in range(count)]
    source = FrameSource.of(*workers)
    for worker in workers:
        worker.wait_until_noted()
    for worker in workers:
        worker.failure = ''  # from now on, preparing only takes long
    for context in range(5):
        source.submit(context)
        source.wait_until_done()
    assert source.counts.failed == 5
    assert source.counts.last_error == 'no memory'
    source.stop()


def test_workers_that_are_not_ready_do_not_count_as_idle():
    gated, unready = GatedWorker(), [UnreadyWorker(), UnreadyWorker()]
    source = FrameSource.of(gated, *unready)
    for worker in unready:
        worker.wait_until_noted()
    source.submit(0)
    gated.wait_until_begun()
    source.submit(1, 2)
    assert source.counts.superseded == 1
    gated.permit(2)
    source.stop()
    assert source.contexts == [0, 2]


def test_stop_does_not_wait_for_a_worker_that_is_not_ready():
    unready = UnreadyWorker()
    source = FrameSource.of(unready, ReadyWorker())
    unready.wait_until_noted()
    source.submit(0)
    source.stop()
    assert source.contexts == [0]


def test_stop_fails_the_frames_for_which_no_worker_is_ready():
    unready = UnreadyWorker()
    source = FrameSource.of(unready)
    unready.wait_until_noted()
    source.submit(0)
    assert not source.pool.stop(timeout=0.05)
    assert 'before the pool stopped' in source.counts.last_error
    source.stop()
