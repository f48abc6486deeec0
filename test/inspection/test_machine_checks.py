# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each fault of a machine is found, with the command that mends it."""

from dataclasses import replace
import fcntl
import os
from pathlib import Path

from inspection.machine_tree import MachineTree
import pytest

from fcos_ros.inspection.finding import Severity
from fcos_ros.inspection.machine import DetectorProcess, MachineFacts, Profile
from fcos_ros.inspection.machine_checks import MIN_SHARED_MEMORY, machine_findings

PROFILE = Path(__file__).parents[2] / 'config/fastdds_images.xml'
MIB = 2**20


@pytest.fixture
def tree(tmp_path):
    return MachineTree(tmp_path / 'root')


def read(tree, **environment):
    # The space of the file system below the tests is unknown.
    return replace(MachineFacts.read(environment, tree.root), cores=2, shm_free=512 * MIB)


def findings(facts, by_network=False):
    return list(machine_findings(facts, by_network))


def assert_found(facts, words, cure, severity=Severity.WARNING, by_network=False):
    finding, = findings(facts, by_network)
    assert finding.severity == severity
    assert finding.area == 'machine'
    for word in words:
        assert word in finding.text
    assert cure in finding.cure


def test_a_healthy_machine_has_no_findings(tree):
    assert findings(read(tree, FASTDDS_DEFAULT_PROFILES_FILE=str(PROFILE), ROS_DOMAIN_ID='7'),
                    by_network=True) == []


def test_a_machine_that_tells_nothing_has_no_findings(tmp_path):
    facts = MachineFacts.read({}, tmp_path)
    assert (facts.rmem_max, facts.memory, facts.load, facts.detectors) == (None, None, None, ())
    assert findings(facts, by_network=True) == []


def test_discovery_that_is_off_is_found(tree):
    assert_found(read(tree, ROS_AUTOMATIC_DISCOVERY_RANGE='OFF'), ['its nodes find no other node'],
                 'export ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET')


def test_a_profile_that_is_missing_is_found(tree):
    assert_found(read(tree, FASTRTPS_DEFAULT_PROFILES_FILE='/none.xml'),
                 ['FASTRTPS_DEFAULT_PROFILES_FILE is /none.xml', 'No such file'],
                 'export FASTRTPS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share fcos_ros)')


def test_a_profile_that_is_no_xml_is_found(tree):
    path = tree.write('profile.xml', '<profiles>')
    assert_found(read(tree, FASTDDS_DEFAULT_PROFILES_FILE=str(path)), ['no XML'],
                 'config/fastdds_images.xml')


def test_a_profile_that_is_named_twice_is_found(tree):
    facts = read(tree, FASTDDS_DEFAULT_PROFILES_FILE=str(PROFILE),
                 FASTRTPS_DEFAULT_PROFILES_FILE=str(PROFILE))
    assert_found(facts, ['name the same file'], 'unset FASTRTPS_DEFAULT_PROFILES_FILE')
    other = replace(facts, profiles=(facts.profiles[0], Profile('FASTDDS_x', '/other.xml')))
    assert findings(other) == []


def test_little_shared_memory_is_found(tree):
    facts = replace(read(tree), shm_size=16 * MIB, shm_free=9 * MIB)
    assert_found(facts, ['/dev/shm has 9 MiB free'], 'docker run --shm-size=256m')
    large = replace(facts, shm_size=4096 * MIB)
    assert_found(large, ['9 MiB free'], '/dev/shm')
    assert findings(replace(facts, shm_free=MIN_SHARED_MEMORY)) == []


def test_the_free_shared_memory_is_that_of_its_file_system(tree):
    space = os.statvfs(tree.root)
    assert MachineFacts.read({}, tree.root).shm_size == space.f_blocks * space.f_frsize


def test_shared_memory_of_dead_processes_is_found_and_that_of_living_ones_is_not(tree):
    for number in range(3):
        segment = tree.write(f'dev/shm/fastdds_{number:016x}', 'x' * (30 * MIB))
        tree.write(f'dev/shm/{segment.name}_el', '')
    tree.write('dev/shm/other', 'x' * (30 * MIB))
    assert_found(read(tree), ['90 MiB of /dev/shm', 'have ended'], 'fastdds shm clean')
    with (tree.root / 'dev/shm/fastdds_0000000000000000_el').open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree.write('proc/locks', Path('/proc/locks').read_text())
        assert findings(read(tree)) == []


def test_memory_that_is_used_up_is_found(tree):
    tree.write_memory(available=200_000, swap_free=300_000)
    assert_found(read(tree), ['only 195 MiB of 7812 MiB memory are free',
                              '684 MiB are swapped out'], 'ps -eo pid,rss,cmd')


def test_a_high_load_is_found(tree):
    tree.write('proc/loadavg', '9.00 8.50 3.00 1/100 99\n')
    assert_found(read(tree), ['load average is 8.5 on 2 cores'], 'ps -eo pid,pcpu,cmd')


def test_small_receive_buffers_matter_only_for_images_from_the_network(tree):
    tree.write('proc/sys/net/core/rmem_max', '212992\n')
    assert findings(read(tree)) == []
    assert_found(read(tree), ['another machine', 'net.core.rmem_max is 212992'],
                 'sudo sysctl -w net.core.rmem_max=8388608', by_network=True)


def test_processes_of_detectors_are_found_with_their_environment(tree):
    tree.add_process(10, 'python3', '/ws/lib/fcos_ros/fcos_node', '--ros-args', state='T',
                     ROS_DOMAIN_ID='7', RMW_IMPLEMENTATION='rmw_cyclonedds_cpp')
    tree.add_process(11, 'python3', '-m', 'fcos_ros.node')
    tree.add_process(12, 'bash', '-c', 'ros2 run fcos_ros fcos_node')
    tree.add_process(13, 'python3', '-m', 'fcos_ros.node.other')
    (tree.root / 'proc/14').mkdir()
    found = {process.pid: process for process in read(tree).detectors}
    user = read(tree).user
    assert found == {10: DetectorProcess(10, user, '7', 'rmw_cyclonedds_cpp', True),
                     11: DetectorProcess(11, user, '0')}


def test_a_process_of_another_user_has_no_known_domain(tree):
    tree.add_process(10, 'fcos_node')
    (tree.root / 'proc/10/environ').unlink()
    process, = read(tree).detectors
    assert process.domain is None


def test_this_machine_can_be_read():
    facts = MachineFacts.read(os.environ)
    assert facts.memory > facts.memory_free > 0
    assert facts.shm_size >= facts.shm_free
    assert facts.load >= 0
    assert facts.environment['ROS_DOMAIN_ID'] == os.environ['ROS_DOMAIN_ID']
