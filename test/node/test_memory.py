# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C library keeps the memory of images, unless the user objects, and returns other memory."""

import os
import subprocess
import sys

import pytest

COUNT_PAGE_FAULTS = """
import os, resource
from fcos_ros.node.memory import keep_memory
reason = keep_memory(os.environ)
import numpy as np
def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    images = [np.ones(6_000_000, np.uint8) for _ in range(5)]
    del images
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
count_faults()
print(reason or "kept", sum(count_faults() for _ in range(9)) < 1000)
"""


def run_python(program, **environment):
    """Return the output of a program that runs without the settings of malloc of this process."""
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith(('MALLOC_', 'FCOS_'))}
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True,
        env={**inherited, 'PYTHONPATH': folders, **environment})
    return done.stdout.strip()


@pytest.mark.parametrize(('environment', 'printed'), [
    pytest.param({}, 'kept', id='by default'),
    pytest.param({'FCOS_KEEP_MEMORY': '1'}, 'kept', id='switched on'),
    pytest.param({'MALLOC_ARENA_MAX': '2'}, 'kept', id='few arenas, as in containers'),
    pytest.param({'GLIBC_TUNABLES': 'glibc.malloc.check=0'}, 'kept', id='other tunables'),
    pytest.param({'FCOS_KEEP_MEMORY': '0'}, 'FCOS_KEEP_MEMORY is 0', id='switched off'),
    pytest.param({'MALLOC_TRIM_THRESHOLD_': '1000000'}, 'MALLOC_TRIM_THRESHOLD_ is set',
                 id='variable of the user'),
    pytest.param({'GLIBC_TUNABLES': 'glibc.malloc.check=0:glibc.malloc.mmap_max=9'},
                 'GLIBC_TUNABLES sets glibc.malloc.mmap_max', id='tunables of the user'),
])
def test_memory_of_large_images_is_kept_unless_the_user_has_settings(environment, printed):
    kept = printed == 'kept'
    assert run_python(COUNT_PAGE_FAULTS, **environment) == f'{printed} {kept}'


RELEASE = """
import os, platform
from fcos_ros.node.memory import keep_memory, release_free_memory
keep_memory(os.environ)
def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
blocks = [bytes(64_000) for _ in range(2000)]
del blocks[:-1]
before = resident()
release_free_memory()
print(platform.libc_ver()[0], before - resident() > 64_000_000)
"""


def test_free_memory_is_returned_to_the_system_when_asked_for():
    libc, is_released = run_python(RELEASE).split()
    assert is_released == str(libc == 'glibc')
