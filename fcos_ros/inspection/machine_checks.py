# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Problems of a machine that make detections rare or late."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fcos_ros.inspection.finding import MACHINE, Finding, Severity
from fcos_ros.inspection.machine import MachineFacts

MIN_RECEIVE_BUFFER = 2 * 2**20
"""Bytes. An image of 1 MB and more arrives by UDP as a burst of many datagrams."""

MIN_SHARED_MEMORY = 64 * 2**20
"""Bytes. Camera and detector take 16 MiB each with our profile, other programs some more."""

MAX_DEAD = 64 * 2**20
"""Bytes of shared memory without an owner; each crash leaves up to 16 MiB."""

MIN_MEMORY = 0.05
"""Share of the memory that must be free; below it, the kernel drops the files of programs."""

MAX_LOAD = 2.0
"""Load average for each core from which on every program waits for the CPU for half its time."""

OUR_PROFILE = '$(ros2 pkg prefix --share fcos_ros)/config/fastdds_images.xml'


def machine_findings(machine: MachineFacts, by_network: bool = False) -> Iterator[Finding]:
    """
    Yield the problems of a machine.

    :param by_network: whether images come from another machine.
    """
    checks: tuple[Callable[[MachineFacts], Iterator[Finding]], ...] = (
        _discovery, _profiles, _shared_memory, _memory, _load)
    for check in checks:
        yield from check(machine)
    if by_network:
        yield from _receive_buffers(machine)


def _warn(text: str, cure: str) -> Finding:
    return Finding(Severity.WARNING, MACHINE, text, cure)


def _discovery(machine: MachineFacts) -> Iterator[Finding]:
    if machine.environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'OFF':
        yield _warn('ROS_AUTOMATIC_DISCOVERY_RANGE is OFF in this terminal, so its nodes find no '
                    'other node', 'export ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET')


def _profiles(machine: MachineFacts) -> Iterator[Finding]:
    for profile in machine.profiles:
        if profile.problem:
            yield _warn(f'{profile.variable} is {profile.path}, and {profile.problem}; Fast DDS '
                        'then loses large images',
                        f'export {profile.variable}={OUR_PROFILE}')
    paths = [profile.path for profile in machine.profiles]
    if len(set(paths)) < len(paths):
        yield _warn(f'{" and ".join(profile.variable for profile in machine.profiles)} name the '
                    'same file, and Fast DDS refuses a file that it reads twice',
                    f'unset {machine.profiles[0].variable}')


def _shared_memory(machine: MachineFacts) -> Iterator[Finding]:
    if machine.shm_dead > MAX_DEAD:
        yield _warn(f'{_megabytes(machine.shm_dead)} of /dev/shm belong to processes of Fast DDS '
                    'that have ended', 'fastdds shm clean')
    free = machine.shm_free
    if free is not None and free < MIN_SHARED_MEMORY:
        container = (machine.shm_size or 0) <= MIN_SHARED_MEMORY
        yield _warn(f'/dev/shm has {_megabytes(free)} free; images need '
                    f'{_megabytes(MIN_SHARED_MEMORY)}, and go by the slow UDP otherwise',
                    'docker run --shm-size=256m ...' if container else 'ls -lhS /dev/shm | head')


def _memory(machine: MachineFacts) -> Iterator[Finding]:
    memory, free = machine.memory, machine.memory_free
    if not memory or free is None or free >= MIN_MEMORY * memory:
        return
    swap = (machine.swap or 0) - (machine.swap_free or 0)
    yield _warn(f'only {_megabytes(free)} of {_megabytes(memory)} memory are free, and '
                f'{_megabytes(swap)} are swapped out; frames take much longer then',
                'ps -eo pid,rss,cmd --sort=-rss | head')


def _load(machine: MachineFacts) -> Iterator[Finding]:
    if machine.load is not None and machine.load > MAX_LOAD * machine.cores:
        yield _warn(f'the load average is {machine.load:g} on {machine.cores} cores, so the '
                    'detector waits for the CPU', 'ps -eo pid,pcpu,cmd --sort=-pcpu | head')


def _receive_buffers(machine: MachineFacts) -> Iterator[Finding]:
    size = machine.rmem_max
    if size is not None and size < MIN_RECEIVE_BUFFER:
        yield _warn(f'images come from another machine, and net.core.rmem_max is {size}, so '
                    'parts of large images are lost',
                    f'sudo sysctl -w net.core.rmem_max={4 * MIN_RECEIVE_BUFFER}')


def _megabytes(size: float) -> str:
    return f'{size / 2**20:.0f} MiB'
