# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work on a sequence is lazy, in order, parallel and bounded."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from random import Random
from threading import Barrier, Event
import time

import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.offline.ordered import ordered_map, read_ahead


@pytest.mark.parametrize(('threads', 'ahead'), [(1, 1), (3, 3), (4, 16), (8, 2)])
def test_the_results_have_the_order_of_the_items_at_random_speeds(threads, ahead):
    random = Random(0)

    def square(number):
        time.sleep(random.uniform(0, 0.003))
        return number * number
    assert list(ordered_map(square, range(100), threads, ahead)) == [n * n for n in range(100)]


def test_the_calls_run_at_the_same_time():
    meeting = Barrier(3)
    assert list(ordered_map(lambda _: meeting.wait(TIMEOUT) >= 0, range(3), 3, 3)) == [True] * 3


def test_an_endless_sequence_is_taken_only_as_far_as_it_is_needed():
    taken = []

    def items():
        for number in count():
            taken.append(number)
            yield number
    with closing(ordered_map(lambda number: -number, items(), 2, 5)) as results:
        assert [next(results) for _ in range(3)] == [0, -1, -2]
    assert len(taken) <= 3 + 5


def test_a_finished_result_does_not_wait_for_later_items():
    """A live source may have no later item for a while."""
    taken = []

    def items():
        for number in range(16):
            taken.append(number)
            yield number
            time.sleep(0.1)
    with closing(ordered_map(lambda number: number, items(), 2, 16)) as results:
        assert next(results) == 0
    assert len(taken) < 16


def test_an_error_is_raised_in_its_place():
    def invert(number):
        return 1 / number
    results = ordered_map(invert, [1, 2, 0, 4], 2, 4)
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_read_ahead_yields_all_items_and_the_error_of_the_source():
    def items():
        yield from range(10)
        raise OSError('the camera was unplugged')
    results = read_ahead(items(), 3)
    assert [next(results) for _ in range(10)] == list(range(10))
    with pytest.raises(OSError, match='unplugged'):
        next(results)


def test_read_ahead_reads_a_bounded_number_of_items_and_closes_the_source():
    taken, closed = [], Event()

    def items():
        try:
            for number in count():
                taken.append(number)
                yield number
        finally:
            closed.set()
    with closing(read_ahead(items(), 4)) as results:
        assert next(results) == 0
        wait_until(lambda: len(taken) >= 5)
        time.sleep(0.05)
        assert len(taken) <= 1 + 4 + 1
    assert closed.wait(TIMEOUT)
