# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The helpers that wait for events."""

from threading import Event, Thread

import pytest
from waiting import functions_of, wait_until


def test_wait_until_returns_the_first_true_value():
    values = iter([0, [], None, 'here', 'later'])
    assert wait_until(lambda: next(values)) == 'here'


def test_wait_until_tries_a_condition_at_least_twice():
    tries = []
    with pytest.raises(AssertionError):
        wait_until(lambda: tries.append(1), timeout=0.01)
    assert len(tries) >= 2


@pytest.mark.parametrize(('condition', 'name'), [
    (lambda: 1 > 2, r'lambda: 1 > 2'), (Event().is_set, r'Event\.is_set'),
    ([].__len__, r'list\.__len__')], ids=['lambda', 'method', 'method in C'])
def test_a_failure_of_wait_until_names_the_condition(condition, name):
    with pytest.raises(AssertionError, match=f'waited 0.01 s for: .*{name}'):
        wait_until(condition, timeout=0.01)


def test_functions_of_returns_the_functions_that_a_thread_is_in():
    event = Event()
    thread = Thread(target=event.wait)
    assert functions_of(thread) == set(), 'it has not been started'
    thread.start()
    wait_until(lambda: 'wait' in functions_of(thread))
    event.set()
    thread.join()
    assert functions_of(thread) == set()
