# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fast DDS gets shared memory for large images, unless the user has settings for it."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

from fcos_ros.runtime.model_path import find_shared_file
from fcos_ros.settings.fast_dds import PROFILE, fast_dds_environment

OLD, NEW = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'

PRINT_LARGEST_SEGMENT = """
import rclpy, os
rclpy.init()
node = rclpy.create_node('node')
mapped = {line.split()[-1] for line in open('/proc/self/maps') if '/dev/shm/fast' in line}
print(max((os.path.getsize(file) for file in mapped if os.path.exists(file)), default=0))
"""

def run_python(program, **environment):
    """Run a program without the settings of Fast DDS of this process."""
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    inherited = {name: value for name, value in os.environ.items() if 'PROFILES_FILE' not in name}
    return subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True,
        env={**inherited, 'PYTHONPATH': folders, **environment})


@pytest.mark.parametrize(('environment', 'added'), [
    pytest.param({'ROS_DISTRO': 'humble'}, {OLD: '/p.xml'}, id='Humble'),
    pytest.param({'ROS_DISTRO': 'jazzy'}, {OLD: '/p.xml'}, id='Jazzy'),
    pytest.param({'ROS_DISTRO': 'kilted'}, {NEW: '/p.xml'}, id='Kilted'),
    pytest.param({}, {NEW: '/p.xml'}, id='pip packages'),
    pytest.param({'ROS_DISTRO': 'kilted', OLD: '/mine.xml'}, {}, id='old profile variable'),
    pytest.param({'ROS_DISTRO': 'humble', NEW: '/mine.xml'}, {}, id='new profile variable'),
    pytest.param({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}, {}, id='transports of the user'),
    pytest.param({OLD: '', NEW: ''}, {NEW: '/p.xml'}, id='empty variables'),
])
def test_processes_get_the_profile_unless_the_user_has_settings(environment, added):
    assert fast_dds_environment(environment, Path('/p.xml')) == added


@pytest.mark.usefixtures('no_fast_dds_profile')
def test_fast_dds_reads_the_profile_and_creates_larger_shared_memory():
    shared_memory = os.statvfs('/dev/shm')
    if shared_memory.f_bavail * shared_memory.f_frsize < 64 << 20:
        pytest.skip('this machine has less than 64 MiB of free shared memory')
    default = run_python(PRINT_LARGEST_SEGMENT)
    added = fast_dds_environment(os.environ, find_shared_file(PROFILE))
    with_profile = run_python(PRINT_LARGEST_SEGMENT, **added)
    assert 'Error' not in with_profile.stdout + with_profile.stderr
    assert int(default.stdout.split()[-1]) < 1 << 20
    assert int(with_profile.stdout.split()[-1]) >= 16 << 20
