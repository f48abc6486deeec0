# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the memory and CPU time of this process and of its children, and read sensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
import os
from pathlib import Path
from time import monotonic

_PAGE = os.sysconf('SC_PAGE_SIZE')
_TICK = os.sysconf('SC_CLK_TCK')

_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Places in `/proc/PID/stat`, counted from the first field after the name of the program."""

_IDLE_TICKS = slice(3, 5)
"""Places in `/proc/stat` of the time without work and of that in which a disk is waited for."""

_GUEST_TICKS = 9
"""The place from which on the times of virtual machines follow, which others contain."""

BPU_LOADS = ('sys/devices/system/bpu/bpu[0-9]*/ratio', 'sys/devices/system/bpu/ratio')
"""Files with the load of the BPU: one for each core, on some system images one for all cores."""


@dataclass(frozen=True)
class Usage:
    """
    The memory and CPU time of a process and of its children.

    :ivar memory: resident memory in bytes; memory that several of them share counts for each.
    :ivar cpu: CPU cores in use since the last measurement; None at the first one.
    """

    memory: int
    cpu: float | None


class UsageMeter:
    """
    Measure the usage of this process and of its children, the worker processes.

    A kernel without `CONFIG_PROC_CHILDREN` does not list the children: they are left out.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._moment = monotonic()

    def read(self) -> Usage:
        """Return the present usage."""
        own = os.getpid()
        processes = [usage for pid in (own, *_children(own)) if (usage := _read(pid))]
        before, self._seconds = self._seconds, {
            pid: seconds for pid, _, seconds in processes}
        passed, self._moment = monotonic() - self._moment, monotonic()
        used = sum(seconds - before.get(pid, 0.0) for pid, seconds in self._seconds.items())
        return Usage(sum(memory for _, memory, _ in processes),
                     used / passed if before and passed else None)


class MachineMeter:
    """
    Measure the CPU load of this machine, with all its programs.

    :param root: of the file system with /proc.
    """

    def __init__(self, root: Path = Path('/')) -> None:
        self._path = root / 'proc/stat'
        self._before = self._times()

    def read(self) -> float:
        """Return the load of all cores since the last call in percent; 0 if no time passed."""
        before, self._before = self._before, self._times()
        busy, total = (now - earlier for now, earlier in zip(self._before, before))
        return 100 * busy / total if total > 0 else 0.0

    def _times(self) -> tuple[int, int]:
        """Return the ticks of all cores: those with work, and all."""
        with self._path.open() as file:
            ticks = list(map(int, file.readline().split()[1:_GUEST_TICKS]))
        return sum(ticks) - sum(ticks[_IDLE_TICKS]), sum(ticks)


def temperature(root: Path = Path('/')) -> float | None:
    """
    Return the highest temperature of this machine in degrees Celsius; None if it is unknown.

    :param root: of the file system with /sys.
    """
    found = _numbers(root, 'sys/class/thermal/thermal_zone*/temp')
    return max((value / 1000 for value in found if 0 < value < 200_000), default=None)


def bpu_load(root: Path = Path('/')) -> float | None:
    """Return the load of the BPU in percent, the mean of its cores; None if it is unknown."""
    for pattern in BPU_LOADS:
        loads = list(_numbers(root, pattern))
        if loads:
            return sum(loads) / len(loads)
    return None


def _numbers(root: Path, pattern: str) -> Iterator[int]:
    for path in sorted(root.glob(pattern)):
        try:
            yield int(path.read_text())
        except (OSError, ValueError):  # a sensor that is switched off
            continue


def _children(pid: int) -> Iterator[int]:
    tasks = f'/proc/{pid}/task'
    for task in os.listdir(tasks):
        with suppress(OSError):  # the thread has ended
            yield from map(int, _content(f'{tasks}/{task}/children').split())


def _read(pid: int) -> tuple[int, int, float] | None:
    """Return a process, its memory in bytes and its CPU time in seconds; None if it has ended."""
    try:
        pages = int(_content(f'/proc/{pid}/statm').split()[1])
        fields = _content(f'/proc/{pid}/stat').rpartition(b')')[2].split()
    except (OSError, IndexError):
        return None
    return pid, pages * _PAGE, (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICK


def _content(path: str) -> bytes:
    with open(path, 'rb', buffering=0) as file:
        return file.read()
