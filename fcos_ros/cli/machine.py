# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe the machine of a measurement: its board, clocks, load and libraries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import platform

import cv2

from fcos_ros.runtime.libraries import library_versions
from fcos_ros.runtime.process_usage import BPU_LOADS

CPU_CLOCK = 'sys/devices/system/cpu/cpu[0-9]*/cpufreq'
BPU_CORE = 'sys/devices/system/bpu/bpu[0-9]*'


@dataclass(frozen=True)
class Machine:
    """
    The state of a machine. A value that cannot be read is empty or None.

    :ivar board: the name in the device tree, which only boards have.
    :ivar cores: CPU cores that this process may use.
    :ivar all_cores: CPU cores of the machine.
    :ivar governor: governor of the CPU clock, with counts if the cores differ.
    :ivar cpu_clock: in MHz, with counts if the cores differ.
    :ivar boost: whether the CPU clock may exceed its nominal maximum.
    :ivar load: load average of the last minute.
    :ivar bpu_clock: in MHz, with counts if the BPU cores differ; likewise `bpu_governor`.
    :ivar bpu_load: in percent, with counts if the BPU cores differ.
    :ivar libraries: the version of each library, by its name.
    """

    board: str
    cpu: str
    cores: int
    all_cores: int
    governor: str
    cpu_clock: str
    boost: bool | None
    load: float
    bpu_clock: str
    bpu_governor: str
    bpu_load: str
    system: str
    opencv_threads: int
    libraries: Mapping[str, str]

    @classmethod
    def read(cls, root: Path = Path('/')) -> Machine:
        """
        Read the present state of this machine.

        :param root: root of the file system with /proc and /sys.
        """
        boost = _read_text(root / 'sys/devices/system/cpu/cpufreq/boost')
        return cls(
            board=_read_text(root / 'proc/device-tree/model'),
            cpu=_cpu_name(root),
            cores=len(os.sched_getaffinity(0)),
            all_cores=os.cpu_count() or 1,
            governor=_summary(root.glob(f'{CPU_CLOCK}/scaling_governor')),
            cpu_clock=_summary(root.glob(f'{CPU_CLOCK}/scaling_cur_freq'), _megahertz(1e3)),
            boost=None if not boost else boost == '1',
            load=round(os.getloadavg()[0], 2),
            bpu_clock=_summary(root.glob(f'{BPU_CORE}/devfreq/*/cur_freq'), _megahertz(1e6)),
            bpu_governor=_summary(root.glob(f'{BPU_CORE}/devfreq/*/governor')),
            bpu_load=next(filter(None, (
                _summary(root.glob(pattern), '{} %'.format) for pattern in BPU_LOADS)), ''),
            system=f'{platform.system()} {platform.release()} {platform.machine()}',
            opencv_threads=cv2.getNumThreads(),
            libraries=library_versions())


def machine_rows(machine: Machine) -> list[tuple[str, str]]:
    """Return name and value of each known fact, in words."""
    boost = {None: '', True: ', boost on', False: ', boost off'}[machine.boost]
    clock = ', '.join(filter(None, (machine.cpu_clock, machine.governor)))
    bpu = ', '.join(filter(None, (machine.bpu_clock, machine.bpu_governor)))
    facts = [
        ('board', machine.board),
        ('CPU', f'{machine.cpu}, {machine.cores} of {machine.all_cores} cores usable'),
        ('CPU clock', (clock + boost).removeprefix(', ') or 'cannot be read'),
        ('load average', f'{machine.load:g} before the run'),
        ('BPU clock', bpu),
        ('BPU load', f'{machine.bpu_load} before the run' if machine.bpu_load else ''),
        ('system', machine.system),
        ('libraries', ', '.join(f'{name} {number}' for name, number in machine.libraries.items())),
    ]
    return [(name, value) for name, value in facts if value]


def _read_text(path: Path) -> str:
    """Read a file of /proc or /sys; return '' if it is missing or not readable."""
    try:
        return path.read_text(errors='replace').strip('\0 \n')
    except OSError:
        return ''


def _cpu_name(root: Path) -> str:
    """Return the name of the CPU, or its architecture if the kernel does not report a name."""
    lines = (line.partition(':') for line in _read_text(root / 'proc/cpuinfo').splitlines())
    facts = {key.strip().lower(): value.strip() for key, _, value in lines}
    return facts.get('model name') or facts.get('hardware') or platform.machine()


def _megahertz(unit: float) -> Callable[[str], str]:
    """
    Return a function that converts a frequency of the kernel to MHz.

    :param unit: how many units of the kernel are 1 MHz: 1e3 for kHz, 1e6 for Hz.
    """
    return lambda text: f'{float(text) / unit:.0f} MHz' if text.isdecimal() else text


def _summary(paths: Iterable[Path], convert: Callable[[str], str] = str) -> str:
    """Read several files; return their common value, or the values with their counts."""
    values = Counter(convert(text) for text in map(_read_text, sorted(paths)) if text)
    if len(values) == 1:
        return str(next(iter(values)))
    return ', '.join(f'{count} x {value}' for value, count in values.items())
