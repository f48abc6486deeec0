# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is noted of a machine is what its kernel says; what it does not say is left out."""

from fcos_ros.cli.machine import Machine, rows

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


def file_system(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_board_tells_its_name_clocks_and_governors(tmp_path):
    machine = Machine.look(file_system(tmp_path, X5))
    said = dict(rows(machine))
    assert said['board'] == 'D-Robotics RDK X5 V1.0'
    assert said['CPU clock'] == '1 x 1800 MHz, 1 x 1500 MHz, performance, boosted'
    assert said['BPU clock'] == '1000 MHz, performance'
    assert said['BPU load before'] == '12 %'


def test_a_machine_without_any_of_it_is_described_all_the_same(tmp_path):
    said = dict(rows(Machine.look(tmp_path)))
    assert said['CPU clock'] == 'cannot be read'
    assert not {'board', 'BPU clock', 'BPU load before'} & set(said)


def test_cores_that_differ_are_counted(tmp_path):
    slow = 'sys/devices/system/cpu/cpu1/cpufreq/scaling_governor'
    machine = Machine.look(file_system(tmp_path, {**X5, slow: 'schedutil'}))
    assert machine.governor == '1 x performance, 1 x schedutil'


def test_what_may_not_be_switched_off_is_no_boost(tmp_path):
    machine = Machine.look(file_system(
        tmp_path, {**X5, 'sys/devices/system/cpu/cpufreq/boost': '0'}))
    assert machine.boost is False
    assert dict(rows(machine))['CPU clock'].endswith('not boosted')


def test_some_images_tell_the_load_of_the_whole_bpu_only(tmp_path):
    files = {name: text for name, text in X5.items() if not name.endswith('/bpu0/ratio')}
    files['sys/devices/system/bpu/ratio'] = '34\n'
    machine = Machine.look(file_system(tmp_path, files))
    assert dict(rows(machine))['BPU load before'] == '34 %'
