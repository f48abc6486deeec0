# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The books: nothing is lost, whoever writes."""

from threading import Thread

import numpy as np
import pytest

from fcos_ros.runtime.statistics import MOST_LETTERS, WINDOW, Latencies, Ledger


def test_threads_lose_no_entry():
    ledger = Ledger()

    def write():
        for _ in range(1000):
            ledger.enter()
            ledger.publish()

    threads = [Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account = ledger.account()
    assert (account.received, account.published, account.in_flight) == (4000, 4000, 0)


def test_the_account_adds_up():
    ledger = Ledger()
    for _ in range(6):
        ledger.enter()
    ledger.publish()
    ledger.supersede()
    ledger.expire()
    ledger.fail(ValueError('too small'))
    account = ledger.account()
    assert (account.received, account.in_flight) == (6, 2)
    assert (account.published, account.superseded) == (1, 1)
    assert (account.expired, account.failed) == (1, 1)
    assert account.errors == {'ValueError': 1}
    assert account.last_error == 'too small'


def test_an_error_without_text_is_named_by_its_kind():
    ledger = Ledger()
    ledger.fail(KeyError())
    assert ledger.account().last_error == 'KeyError()'


def test_of_a_long_error_the_beginning_is_kept():
    ledger = Ledger()
    ledger.fail(ValueError('wrong: ' + 'x' * 2_000_000))
    last = ledger.account().last_error
    assert last.startswith('wrong: x')
    assert len(last) == MOST_LETTERS


def test_percentiles_are_those_of_the_newest_samples():
    latencies = Latencies()
    for sample in (*np.full(WINDOW, 1000.0), *np.arange(WINDOW)):
        latencies.add(infer=float(sample))
    spread = latencies.percentiles()['infer']
    assert spread.p50 == pytest.approx((WINDOW - 1) / 2)
    assert spread.p50 < spread.p95 < spread.p99 < WINDOW
