# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The description of a machine holds the facts that its kernel reports."""

from fcos_ros.cli.machine import Machine, machine_rows

X5 = {
    'proc/device-tree/model': 'D-Robotics RDK X5 V1.0\0',
    'proc/cpuinfo': 'processor\t: 0\nCPU part\t: 0xd05\n',
    'sys/devices/system/cpu/cpufreq/boost': '1\n',
    'sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'performance\n',
    'sys/devices/system/cpu/cpu1/cpufreq/scaling_governor': 'performance\n',
    'sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq': '1800000\n',
    'sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq': '1500000\n',
    'sys/devices/system/bpu/bpu0/devfreq/3a000000.bpu/cur_freq': '1000000000\n',
    'sys/devices/system/bpu/bpu0/devfreq/3a000000.bpu/governor': 'performance\n',
    'sys/devices/system/bpu/bpu0/ratio': '12\n',
}


def write_files(root, files):
    """Write the files of /proc and /sys below a folder, and return the folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_board_is_described_with_its_name_clocks_and_governors(tmp_path):
    rows = dict(machine_rows(Machine.read(write_files(tmp_path, X5))))
    assert rows['board'] == 'D-Robotics RDK X5 V1.0'
    assert rows['CPU clock'] == '1 x 1800 MHz, 1 x 1500 MHz, performance, boost on'
    assert rows['BPU clock'] == '1000 MHz, performance'
    assert rows['BPU load'] == '12 % before the run'


def test_unknown_facts_are_left_out(tmp_path):
    rows = dict(machine_rows(Machine.read(tmp_path)))
    assert rows['CPU clock'] == 'cannot be read'
    assert not {'board', 'BPU clock', 'BPU load'} & set(rows)


def test_different_governors_are_counted(tmp_path):
    slow = 'sys/devices/system/cpu/cpu1/cpufreq/scaling_governor'
    machine = Machine.read(write_files(tmp_path, {**X5, slow: 'schedutil'}))
    assert machine.governor == '1 x performance, 1 x schedutil'


def test_a_boost_of_0_is_off(tmp_path):
    machine = Machine.read(write_files(
        tmp_path, {**X5, 'sys/devices/system/cpu/cpufreq/boost': '0'}))
    assert machine.boost is False
    assert dict(machine_rows(machine))['CPU clock'].endswith(', boost off')


def test_the_load_of_the_bpu_is_read_where_the_image_reports_only_that_of_all_cores(tmp_path):
    files = {name: text for name, text in X5.items() if not name.endswith('/bpu0/ratio')}
    files['sys/devices/system/bpu/ratio'] = '34\n'
    machine = Machine.read(write_files(tmp_path, files))
    assert dict(machine_rows(machine))['BPU load'] == '34 % before the run'
