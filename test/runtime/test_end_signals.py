# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An interrupted command may finish its result; the next signal ends it."""

import os
import signal
import subprocess
import sys

import pytest
from waiting import TIMEOUT

from fcos_ros.runtime.end_signals import CLEAN_UP_TIME, INTERRUPTED

PROGRAM = f"""
import sys, time
from fcos_ros.runtime.end_signals import EndSignals, exit_as_interrupted, finish_result
EndSignals(exit_as_interrupted).interrupt_main_thread()
try:
    print('ready', flush=True)
    time.sleep({TIMEOUT})
except KeyboardInterrupt:
    if 'finish' in sys.argv:
        finish_result()
    print('interrupted', flush=True)
    time.sleep({2 * CLEAN_UP_TIME} if 'soon' in sys.argv else {TIMEOUT})
    print('result', flush=True)
"""


@pytest.fixture
def start():
    """Return a function that starts the program and waits until it is ready."""
    started = []

    def run(*arguments):
        process = subprocess.Popen([sys.executable, '-c', PROGRAM, *arguments], text=True,
                                   stdout=subprocess.PIPE, env=dict(os.environ))
        started.append(process)
        assert process.stdout.readline() == 'ready\n'
        return process
    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def interrupt(process, count=1):
    for _ in range(count):
        process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == 'interrupted\n'


@pytest.mark.parametrize('signals', [1, 3])
def test_a_command_that_finishes_its_result_may_take_its_time(start, signals):
    process = start('finish', 'soon')
    interrupt(process, signals)
    assert process.communicate(timeout=TIMEOUT)[0] == 'result\n'
    assert process.returncode == 0


def test_the_next_signal_ends_a_command_that_finishes_its_result(start):
    process = start('finish')
    interrupt(process)
    # Signals within the time for the clean-up count as one; later ones end the process.
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(CLEAN_UP_TIME / 2)
        except subprocess.TimeoutExpired:
            continue
    assert process.communicate()[0] == ''
    assert process.returncode == INTERRUPTED


def test_any_other_command_ends_after_its_clean_up(start):
    process = start()
    interrupt(process)
    assert process.communicate(timeout=TIMEOUT)[0] == ''
    assert process.returncode == INTERRUPTED
