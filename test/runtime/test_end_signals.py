# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A signal interrupts a command, which may finish its result; the next signal ends it."""

from concurrent.futures import ThreadPoolExecutor
import os
import signal
import subprocess
import sys

import pytest
from waiting import TIMEOUT

from fcos_ros.runtime.end_signals import CLEAN_UP_TIME, INTERRUPTED, delayed_interrupts

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


@pytest.fixture
def sigterm_interrupts():
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures('sigterm_interrupts')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_comes_at_the_end_of_a_block_that_delays_it(number):
    done = []

    def run():
        with delayed_interrupts():
            for _ in range(2):
                signal.raise_signal(number)
                done.append('work')
        done.append('work after the block')
    with pytest.raises(KeyboardInterrupt):
        run()
    assert done == ['work', 'work']
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_without_a_signal_a_block_that_delays_interrupts_keeps_the_handlers_and_raises_nothing():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with delayed_interrupts():
        pass
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: delayed_interrupts().__enter__()).result() is None
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_a_signal_without_a_handler_of_python_is_not_delayed():
    program = ('import signal, sys\n'
               'from fcos_ros.runtime.end_signals import delayed_interrupts\n'
               'with delayed_interrupts():\n'
               '    signal.raise_signal(signal.SIGTERM)\n')
    done = subprocess.run([sys.executable, '-c', program], check=False)
    assert done.returncode == -signal.SIGTERM
