# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pause before another attempt grows with each failure."""

from manual_clock import ManualClock

from fcos_ros.runtime.back_off import BackOff


def test_without_a_failure_there_is_no_pause():
    assert BackOff(ManualClock()).remaining == 0


def test_the_pause_grows_with_each_failure_up_to_a_maximum():
    back_off = BackOff(ManualClock())
    pauses = []
    for _ in range(9):
        back_off.fail('no ink')
        pauses.append(back_off.remaining)
    assert pauses == [0, 0.5, 1, 2, 4, 8, 8, 8, 8]
    assert (back_off.failures, back_off.reason) == (9, 'no ink')


def test_the_remaining_pause_decreases_with_time():
    clock = ManualClock()
    back_off = BackOff(clock)
    back_off.fail('no ink')
    back_off.fail('no ink')
    clock.advance(0.25)
    assert back_off.remaining == 0.25
    clock.advance(60)
    assert back_off.remaining == 0


def test_a_success_resets_the_pause():
    back_off = BackOff(ManualClock())
    for _ in range(5):
        back_off.fail('no ink')
    back_off.succeed()
    assert (back_off.failures, back_off.remaining) == (0, 0)
    back_off.fail('no ink')
    assert back_off.remaining == 0
