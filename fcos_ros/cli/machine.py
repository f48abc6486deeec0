# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a measurement depends on besides the model: the machine, its clocks and its libraries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
import os
from pathlib import Path
import platform

import cv2
import numpy as np

ENGINES = ('onnxruntime', 'hobot-dnn', 'hobot-dnn-rdkx5', 'hbm-runtime')
"""Distributions that run models; those that are there are noted."""

CPUFREQ = 'sys/devices/system/cpu/cpu[0-9]*/cpufreq'
BPU = 'sys/devices/system/bpu/bpu[0-9]*'
RATIOS = (f'{BPU}/ratio', 'sys/devices/system/bpu/ratio')
"""Where the BPU's load is, for each core, or on some images for all of it."""


@dataclass(frozen=True)
class Machine:
    """
    The machine as it is right now; what cannot be read is empty or None.

    :ivar board: the name in the device tree, which only boards have.
    :ivar cores: that this process may use, of `all_cores`.
    :ivar governor: of the CPU's clock, with counts when cores differ; likewise `cpu_clock`.
    :ivar boost: whether the CPU may clock higher than usual.
    :ivar load: processes that wanted to run in the last minute, on average.
    :ivar bpu_load: percent; like `bpu_clock` and `bpu_governor` of every core, where these differ.
    :ivar libraries: versions by name.
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
    def look(cls, root: Path = Path('/')) -> Machine:
        """
        Look around.

        :param root: of the file system with /proc and /sys.
        """
        boost = _read(root / 'sys/devices/system/cpu/cpufreq/boost')
        return cls(
            board=_read(root / 'proc/device-tree/model'),
            cpu=_cpu(root),
            cores=len(os.sched_getaffinity(0)),
            all_cores=os.cpu_count() or 1,
            governor=_all(root.glob(f'{CPUFREQ}/scaling_governor')),
            cpu_clock=_all(root.glob(f'{CPUFREQ}/scaling_cur_freq'), _megahertz(1e3)),
            boost=None if not boost else boost == '1',
            load=round(os.getloadavg()[0], 2),
            bpu_clock=_all(root.glob(f'{BPU}/devfreq/*/cur_freq'), _megahertz(1e6)),
            bpu_governor=_all(root.glob(f'{BPU}/devfreq/*/governor')),
            bpu_load=next(filter(None, (
                _all(root.glob(ratio), '{} %'.format) for ratio in RATIOS)), ''),
            system=f'{platform.system()} {platform.release()} {platform.machine()}',
            opencv_threads=cv2.getNumThreads(),
            libraries=_libraries())


def rows(machine: Machine) -> list[tuple[str, str]]:
    """Say it in words, leaving out what is not known."""
    boost = {None: '', True: ', boosted', False: ', not boosted'}[machine.boost]
    clock = ', '.join(filter(None, (machine.cpu_clock, machine.governor)))
    bpu = ', '.join(filter(None, (machine.bpu_clock, machine.bpu_governor)))
    facts = [
        ('board', machine.board),
        ('CPU', f'{machine.cpu}, {machine.cores} of {machine.all_cores} cores usable'),
        ('CPU clock', (clock + boost).removeprefix(', ') or 'cannot be read'),
        ('load before', f'{machine.load:g}'),
        ('BPU clock', bpu),
        ('BPU load before', machine.bpu_load),
        ('system', machine.system),
        ('libraries', ', '.join(f'{name} {number}' for name, number in machine.libraries.items())),
    ]
    return [(name, value) for name, value in facts if value]


def _read(path: Path) -> str:
    """Read a file of /proc or /sys; empty when there is none or it may not be read."""
    try:
        return path.read_text(errors='replace').strip('\0 \n')
    except OSError:
        return ''


def _cpu(root: Path) -> str:
    """Name the processor; on ARM the file often does not."""
    lines = (line.partition(':') for line in _read(root / 'proc/cpuinfo').splitlines())
    facts = {key.strip().lower(): value.strip() for key, _, value in lines}
    return facts.get('model name') or facts.get('hardware') or platform.machine()


def _megahertz(unit: float) -> Callable[[str], str]:
    """Write a frequency of the kernel, which counts in kHz or Hz: `unit` of them are a MHz."""
    return lambda text: f'{float(text) / unit:.0f} MHz' if text.isdecimal() else text


def _all(paths: Iterable[Path], say: Callable[[str], str] = str) -> str:
    """Sum up what several files say: once when all say the same, else with counts."""
    values = Counter(say(text) for text in map(_read, sorted(paths)) if text)
    if len(values) == 1:
        return str(next(iter(values)))
    return ', '.join(f'{count} x {value}' for value, count in values.items())


def _libraries() -> dict[str, str]:
    found = {'Python': platform.python_version(), 'numpy': np.__version__,
             'OpenCV': cv2.__version__}
    for name in ('fcos_ros', *ENGINES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
