# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How long what keeps failing is left alone."""

from manual_clock import ManualClock

from fcos_ros.runtime.back_off import BackOff


def test_what_never_failed_waits_for_nothing():
    assert BackOff(ManualClock()).remaining == 0


def test_pauses_grow_with_each_failure_up_to_a_longest():
    back_off = BackOff(ManualClock())
    pauses = []
    for _ in range(9):
        back_off.fail('no ink')
        pauses.append(back_off.remaining)
    assert pauses == [0, 0.5, 1, 2, 4, 8, 8, 8, 8]
    assert (back_off.failures, back_off.reason) == (9, 'no ink')


def test_a_pause_passes():
    clock = ManualClock()
    back_off = BackOff(clock)
    back_off.fail('no ink')
    back_off.fail('no ink')
    clock.advance(0.25)
    assert back_off.remaining == 0.25
    clock.advance(60)
    assert back_off.remaining == 0


def test_a_success_makes_up_for_all_failures():
    back_off = BackOff(ManualClock())
    for _ in range(5):
        back_off.fail('no ink')
    back_off.succeed()
    assert (back_off.failures, back_off.remaining) == (0, 0)
    back_off.fail('no ink')
    assert back_off.remaining == 0
