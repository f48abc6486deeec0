# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory and CPU time include the children; sensors are read where there are some."""

import os
import subprocess
import sys

import pytest
from waiting import wait_until

from fcos_ros.runtime.process_usage import MachineMeter, UsageMeter, bpu_load, temperature

HOLD = 'memory = bytearray(64 << 20); print(flush=True); input()'
"""A child that holds 64 MiB until its input ends."""


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.skipif(not os.path.exists(f'/proc/self/task/{os.getpid()}/children'),
                    reason='the kernel does not list children')
def test_the_memory_of_children_counts_while_they_run():
    meter = UsageMeter()
    alone = meter.read().memory
    with subprocess.Popen([sys.executable, '-c', HOLD], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert meter.read().memory > alone + (64 << 20)
        child.stdin.close()
    wait_until(lambda: meter.read().memory < alone + (64 << 20))


def test_cpu_time_is_measured_between_two_readings():
    meter = UsageMeter()
    assert meter.read().cpu is None
    # One tick of the kernel is 10 ms; a busy loop takes some of them.
    assert wait_until(lambda: sum(range(10**6)) and meter.read().cpu) > 0


def test_the_load_of_a_machine_is_the_share_of_ticks_with_work(tmp_path):
    # user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
    write(tmp_path, 'proc/stat', 'cpu  10 0 10 100 0 0 0 0 5 0\ncpu0 1 2 3 4\n')
    meter = MachineMeter(tmp_path)
    assert meter.read() == 0
    write(tmp_path, 'proc/stat', 'cpu  30 0 15 160 10 0 5 0 25 0\ncpu0 1 2 3 4\n')
    assert meter.read() == 30.0


def test_the_load_of_this_machine_is_a_percentage():
    meter = MachineMeter()
    assert wait_until(lambda: sum(range(10**6)) and meter.read()) <= 100


def test_the_highest_temperature_counts_and_sensors_that_fail_do_not(tmp_path):
    assert temperature(tmp_path) is None
    for number, text in enumerate(['45000', '61500\n', '-274000', 'x', '']):
        write(tmp_path, f'sys/class/thermal/thermal_zone{number}/temp', text)
    assert temperature(tmp_path) == 61.5


@pytest.mark.parametrize(('files', 'load'), [
    ({}, None), ({'bpu0/ratio': '80\n'}, 80.0), ({'bpu0/ratio': '80', 'bpu1/ratio': '40'}, 60.0),
    ({'ratio': '7'}, 7.0)], ids=['no BPU', 'X5', 'X3', 'one file for all'])
def test_the_load_of_the_bpu_is_the_mean_of_its_cores(tmp_path, files, load):
    for path, text in files.items():
        write(tmp_path, f'sys/devices/system/bpu/{path}', text)
    assert bpu_load(tmp_path) == load
