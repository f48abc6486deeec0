# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is done for large images: the profile for Fast DDS, and the allocator."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

from fcos_ros.node.fast_dds import PROFILE, surroundings
from fcos_ros.runtime.model_path import find

OLD, NEW = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'

START_ROS = """
import rclpy, os
rclpy.init()
node = rclpy.create_node('probe')
mapped = {line.split()[-1] for line in open('/proc/self/maps') if '/dev/shm/fast' in line}
print(max((os.path.getsize(file) for file in mapped if os.path.exists(file)), default=0))
"""

MEASURE = """
import os, resource
from fcos_ros.node.allocator import keep_memory
objection = keep_memory(os.environ)
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    images = [np.ones(6_000_000, np.uint8) for _ in range(5)]
    del images
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(objection or "kept", sum(faults() for _ in range(9)) < 1000)
"""


def python(program, **environment):
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    inherited = {name: value for name, value in os.environ.items()
                 if 'PROFILES_FILE' not in name and not name.startswith(('MALLOC_', 'FCOS_'))}
    return subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True,
        env={**inherited, 'PYTHONPATH': folders, **environment})


@pytest.mark.parametrize(('environment', 'added'), [
    pytest.param({'ROS_DISTRO': 'humble'}, {OLD: '/p.xml'}, id='Humble'),
    pytest.param({'ROS_DISTRO': 'jazzy'}, {OLD: '/p.xml'}, id='Jazzy'),
    pytest.param({'ROS_DISTRO': 'kilted'}, {NEW: '/p.xml'}, id='Kilted'),
    pytest.param({}, {NEW: '/p.xml'}, id='the wheels'),
    pytest.param({'ROS_DISTRO': 'kilted', OLD: '/mine.xml'}, {}, id="the user's, old name"),
    pytest.param({'ROS_DISTRO': 'humble', NEW: '/mine.xml'}, {}, id="the user's, new name"),
    pytest.param({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}, {}, id="the user's transports"),
    pytest.param({OLD: '', NEW: ''}, {NEW: '/p.xml'}, id='set to nothing'),
])
def test_a_process_gets_the_profile_unless_it_has_one(environment, added):
    assert surroundings(environment, Path('/p.xml')) == added


def test_fast_dds_takes_the_profile_without_complaint():
    free = os.statvfs('/dev/shm')
    if free.f_bavail * free.f_frsize < 64 << 20:
        pytest.skip('less than 64 MiB of shared memory are left on this machine')
    default = python(START_ROS)
    ours = python(START_ROS, **surroundings(os.environ, find(PROFILE)))
    assert 'Error' not in ours.stdout + ours.stderr
    assert int(default.stdout.split()[-1]) < 1 << 20 < 16 << 20 <= int(ours.stdout.split()[-1])


@pytest.mark.parametrize(('environment', 'said'), [
    pytest.param({}, 'kept', id='by default'),
    pytest.param({'FCOS_KEEP_MEMORY': '1'}, 'kept', id='switched on'),
    pytest.param({'MALLOC_ARENA_MAX': '2'}, 'kept', id='few arenas, as in containers'),
    pytest.param({'GLIBC_TUNABLES': 'glibc.malloc.check=0'}, 'kept', id='other tunables'),
    pytest.param({'FCOS_KEEP_MEMORY': '0'}, 'FCOS_KEEP_MEMORY is 0', id='switched off'),
    pytest.param({'MALLOC_TRIM_THRESHOLD_': '1000000'}, 'MALLOC_TRIM_THRESHOLD_ is set',
                 id="the user's own"),
    pytest.param({'GLIBC_TUNABLES': 'glibc.malloc.check=0:glibc.malloc.mmap_max=9'},
                 'GLIBC_TUNABLES sets glibc.malloc.mmap_max', id="the user's tunables"),
])
def test_memory_of_large_images_is_kept_unless_the_user_says_otherwise(environment, said):
    kept = said == 'kept'
    assert python(MEASURE, **environment).stdout.strip() == f'{said} {kept}'
