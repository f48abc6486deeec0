# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts of frames by fate, and percentiles of their times."""

from threading import Thread

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.text import MAX_LENGTH
from fcos_ros.runtime.statistics import (
    MAX_ADDITIONS_WITHOUT,
    MAX_SAMPLES,
    FrameStatistics,
    Percentiles,
)


def test_several_threads_may_count_at_the_same_time():
    statistics = FrameStatistics()

    def count():
        for _ in range(1000):
            statistics.count_received()
            statistics.count_published()

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = statistics.counts()
    assert (counts.received, counts.published, counts.in_flight) == (4000, 4000, 0)


def test_the_counts_of_all_fates_add_up_to_the_received_frames():
    statistics = FrameStatistics()
    for _ in range(6):
        statistics.count_received()
    statistics.count_published()
    statistics.count_superseded()
    statistics.count_expired()
    statistics.count_failed(ValueError('too small'))
    counts = statistics.counts()
    assert (counts.received, counts.in_flight) == (6, 2)
    assert (counts.published, counts.superseded) == (1, 1)
    assert (counts.expired, counts.failed) == (1, 1)
    assert counts.errors == {'ValueError': 1}
    assert counts.last_error == 'too small'


def test_an_error_without_a_text_is_named_by_its_type():
    statistics = FrameStatistics()
    statistics.count_failed(KeyError())
    assert statistics.counts().last_error == 'KeyError()'


def test_wrong_images_are_counted_by_their_kind_and_other_errors_by_their_type():
    statistics = FrameStatistics()
    for error in (FrameError('a'), FrameError('b', 'step'), FrameError('c', 'step'), OSError('d')):
        statistics.count_failed(error)
    assert statistics.counts().errors == {'damaged': 1, 'step': 2, 'OSError': 1}


def test_frames_that_never_came_in_are_counted_beside_those_that_did():
    statistics = FrameStatistics()
    for missed in 0, 3, 1:
        statistics.count_received(missed)
    counts = statistics.counts()
    assert (counts.received, counts.missed, counts.in_flight) == (3, 4, 3)


def test_the_text_of_an_error_is_cut_off():
    statistics = FrameStatistics()
    statistics.count_failed(ValueError('wrong: ' + 'x' * 2_000_000))
    last = statistics.counts().last_error
    assert last.startswith('wrong: x')
    assert len(last) == MAX_LENGTH


def test_percentiles_are_those_of_the_newest_samples():
    statistics = FrameStatistics()
    for sample in (*np.full(MAX_SAMPLES, 1000.0), *np.arange(MAX_SAMPLES)):
        statistics.add_times(infer=float(sample))
    infer = statistics.percentiles()['infer']
    assert infer.p50 == pytest.approx((MAX_SAMPLES - 1) / 2)
    assert infer.p50 < infer.p95 < infer.p99 < MAX_SAMPLES


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_percentiles_are_interpolated_as_numpy_does_it(samples):
    found = Percentiles.of(samples)
    assert (found.p50, found.p95, found.p99) == pytest.approx(
        tuple(np.percentile(samples, (50, 95, 99))))


def test_stages_are_reported_in_the_order_in_which_they_first_occurred():
    statistics = FrameStatistics()
    assert statistics.percentiles() == {}
    statistics.add_times(wait=0.001, infer=0.002)
    statistics.add_times(infer=0.002, age=0.003, wait=0.001)
    assert list(statistics.percentiles()) == ['wait', 'infer', 'age']


def test_a_stage_that_no_longer_occurs_is_left_out_until_it_occurs_again():
    statistics = FrameStatistics()
    statistics.add_times(infer=0.1, tiles=0.2)
    for _ in range(MAX_ADDITIONS_WITHOUT - 1):
        statistics.add_times(infer=0.1)
    assert list(statistics.percentiles()) == ['infer', 'tiles']
    statistics.add_times(infer=0.1)
    assert list(statistics.percentiles()) == ['infer']
    statistics.add_times(infer=0.1, tiles=0.3)
    assert list(statistics.percentiles()) == ['infer', 'tiles']
