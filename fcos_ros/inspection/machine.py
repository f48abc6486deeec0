# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Facts about the machine that decide whether images arrive in time: memory, buffers, load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import pwd
import re
from xml.etree import ElementTree

from fcos_ros.settings.fast_dds import PROFILE_VARIABLES, SEGMENT_PREFIXES

SEGMENT = re.compile(f'(?:{"|".join(SEGMENT_PREFIXES)})[0-9a-f]{{16}}')
"""The name of shared memory of one process."""

PROGRAM, MODULE = 'fcos_node', 'fcos_ros.node'
"""The program of a detector, and its module after `python3 -m`."""


@dataclass(frozen=True)
class Profile:
    """
    A profile of Fast DDS that an environment variable names.

    :ivar problem: why Fast DDS cannot use it; empty if it can.
    """

    variable: str
    path: str
    problem: str = ''


@dataclass(frozen=True)
class DetectorProcess:
    """
    A process of a detector on this machine.

    :ivar domain: its ROS domain; None if the environment of the process cannot be read.
    :ivar rmw: the middleware that it is told to use; empty for the usual one.
    :ivar stopped: whether it is suspended.
    """

    pid: int
    user: str
    domain: str | None = None
    rmw: str = ''
    stopped: bool = False


@dataclass(frozen=True)
class MachineFacts:
    """
    The state of a machine; a number is None if it cannot be read.

    :ivar rmem_max: the largest receive buffer that a socket may ask for, in bytes.
    :ivar shm_free: free shared memory in bytes; likewise `shm_size`.
    :ivar shm_dead: bytes of Fast DDS whose process has ended.
    :ivar memory: in bytes; `memory_free` of it can be given to programs. Likewise `swap`.
    :ivar load: load average of the last five minutes.
    :ivar profiles: of Fast DDS, as the environment names them.
    :ivar environment: the variables of ROS 2.
    """

    user: str
    cores: int = 1
    rmem_max: int | None = None
    shm_free: int | None = None
    shm_size: int | None = None
    shm_dead: int = 0
    memory: int | None = None
    memory_free: int | None = None
    swap: int | None = None
    swap_free: int | None = None
    load: float | None = None
    profiles: tuple[Profile, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    detectors: tuple[DetectorProcess, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str], root: Path = Path('/')) -> MachineFacts:
        """
        Read the facts.

        :param environment: of this process.
        :param root: of the file system with /proc and /dev.
        """
        memory = memory_info(root)
        shm = _space(root / 'dev/shm')
        return cls(
            user=_user(os.geteuid()), cores=len(os.sched_getaffinity(0)),
            rmem_max=_whole(_read(root / 'proc/sys/net/core/rmem_max')),
            shm_free=shm and shm[0], shm_size=shm and shm[1], shm_dead=_dead_memory(root),
            memory=memory.get('MemTotal'), memory_free=memory.get('MemAvailable'),
            swap=memory.get('SwapTotal'), swap_free=memory.get('SwapFree'), load=_load(root),
            profiles=tuple(_profiles(environment)),
            environment={name: value for name, value in environment.items()
                         if name.startswith(('ROS_', 'RMW_', 'FASTDDS_', 'FASTRTPS_'))},
            detectors=tuple(_detectors(root)))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''


def _whole(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def memory_info(root: Path) -> dict[str, int]:
    """Return the values of `/proc/meminfo` in bytes."""
    found = re.findall(r'^(\w+):\s+([0-9]+) kB', _read(root / 'proc/meminfo'), re.MULTILINE)
    return {name: int(kilobytes) * 1024 for name, kilobytes in found}


def _load(root: Path) -> float | None:
    words = _read(root / 'proc/loadavg').split()
    try:
        return float(words[1])
    except (IndexError, ValueError):
        return None


def _space(folder: Path) -> tuple[int, int] | None:
    """Return the free and the whole space of a file system in bytes."""
    try:
        space = os.statvfs(folder)
    except OSError:
        return None
    return space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize


def _dead_memory(root: Path) -> int:
    """Return the size of all shared memory of Fast DDS whose owner no longer locks it."""
    locked = set(re.findall(r'FLOCK.*:([0-9]+) ', _read(root / 'proc/locks')))
    folder = root / 'dev/shm'
    try:
        segments = [entry for entry in folder.iterdir() if SEGMENT.fullmatch(entry.name)]
    except OSError:
        return 0
    total = 0
    for segment in segments:
        try:
            lock = str(segment.with_name(f'{segment.name}_el').stat().st_ino)
            total += 0 if lock in locked else segment.stat().st_blocks * 512
        except OSError:  # its process removes it just now
            continue
    return total


def _profiles(environment: Mapping[str, str]) -> Iterator[Profile]:
    for variable in PROFILE_VARIABLES:
        path = environment.get(variable)
        if path:
            yield Profile(variable, path, _profile_problem(Path(path)))


def _profile_problem(path: Path) -> str:
    try:
        ElementTree.parse(path)
    except OSError as error:
        return f'it cannot be read: {error.strerror}'
    except ElementTree.ParseError as error:
        return f'it is no XML: {error}'
    return ''


def _detectors(root: Path) -> Iterator[DetectorProcess]:
    for folder in root.glob('proc/[0-9]*'):
        try:
            if not _is_detector((folder / 'cmdline').read_bytes().decode(errors='replace')):
                continue
            state = (folder / 'stat').read_text(errors='replace').rpartition(')')[2].split()[0]
            user = _user((folder / 'stat').stat().st_uid)
        except (OSError, IndexError):  # the process has ended
            continue
        environment = _environment(folder)
        yield DetectorProcess(
            int(folder.name), user,
            None if environment is None else environment.get('ROS_DOMAIN_ID') or '0',
            (environment or {}).get('RMW_IMPLEMENTATION', ''), state == 'T')


def _is_detector(command: str) -> bool:
    """Return whether words, each ended by a zero, start a detector with or without Python."""
    words = command.split('\0')
    return (PROGRAM in {word.rpartition('/')[2] for word in words[:2]}
            or words[1:3] == ['-m', MODULE])


def _environment(process: Path) -> dict[str, str] | None:
    """Return the environment of a process; None if it belongs to another user."""
    try:
        entries = (process / 'environ').read_bytes().decode(errors='replace').split('\0')
    except OSError:
        return None
    return {name: value for name, _, value in (entry.partition('=') for entry in entries)}


def _user(number: int) -> str:
    """Return the name of a user; in a container, users of the host have only a number."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
