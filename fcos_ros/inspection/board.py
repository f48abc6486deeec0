# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Facts about a board with a BPU: access to it, its memory, clocks, heat and libraries."""

from __future__ import annotations

from collections.abc import Iterator
import ctypes.util
from dataclasses import dataclass
from importlib.util import find_spec
import os
from pathlib import Path
import sys

import numpy as np

from fcos_ros.backends.libdnn_abi import LIBRARY_PATHS, LIBRARY_VARIABLE
from fcos_ros.inspection.machine import memory_info
from fcos_ros.runtime.boards import this_board
from fcos_ros.runtime.process_usage import bpu_load, temperature

DEVICES = ('dev/bpu*', 'dev/ion', 'dev/hbmem*')
"""Device files of the BPU and of its memory, as reports of users and containers name them."""

MODULES = ('hobot_dnn', 'hobot_dnn_rdkx5', 'hbm_runtime')
"""The vendor's Python modules, one of which runs models."""

SYSTEM_PACKAGES = ('usr/lib/python3/dist-packages', 'usr/local/lib/python3.*/dist-packages')
"""Where the system image installs them."""


@dataclass(frozen=True)
class BoardFacts:
    """
    The state of a board; a number is None, and a text empty, if it cannot be read.

    :ivar name: such as 'RDK X5'; empty on any other machine.
    :ivar devices: the device files that were found.
    :ivar denied: those that this user may not read and write.
    :ivar cma: memory reserved for devices in bytes; likewise `cma_free`.
    :ivar governors: the different governors of the CPU clocks.
    :ivar bpu_load: in percent.
    :ivar modules: the vendor's modules that can be imported here.
    :ivar hidden: those that only the system's Python finds.
    :ivar library: whether there is the vendor's C runtime.
    :ivar numpy: version of numpy.
    """

    name: str = ''
    devices: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    cma: int | None = None
    cma_free: int | None = None
    governors: tuple[str, ...] = ()
    temperature: float | None = None
    bpu_load: float | None = None
    modules: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    library: bool = False
    numpy: str = np.__version__

    @classmethod
    def read(cls, root: Path = Path('/')) -> BoardFacts:
        """
        Read the facts; only the name on any other machine.

        :param root: of the file system with /proc, /sys and /dev.
        """
        board = this_board(root)
        if board is None:
            return cls()
        devices = sorted(path for pattern in DEVICES for path in root.glob(pattern))
        memory = memory_info(root)
        modules = tuple(filter(find_spec, MODULES))
        return cls(
            board.name, tuple(f'/{path.relative_to(root)}' for path in devices),
            tuple(f'/{path.relative_to(root)}' for path in devices
                  if not os.access(path, os.R_OK | os.W_OK)),
            memory.get('CmaTotal'), memory.get('CmaFree'), tuple(sorted(set(_governors(root)))),
            temperature(root), bpu_load(root), modules,
            tuple(name for name in _hidden(root) if name not in modules),
            _has_library(root))


def _governors(root: Path) -> Iterator[str]:
    for path in root.glob('sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor'):
        try:
            yield path.read_text(errors='replace').strip()
        except OSError:
            continue


def _hidden(root: Path) -> Iterator[str]:
    """Yield the vendor's modules of the system's Python, if this is a virtual environment."""
    if sys.prefix == sys.base_prefix:
        return
    for name in MODULES:
        if any(next(root.glob(f'{folder}/{name}*'), None) for folder in SYSTEM_PACKAGES):
            yield name


def _has_library(root: Path) -> bool:
    files = (root / path.lstrip('/') for path in LIBRARY_PATHS if path.startswith('/'))
    return (bool(os.environ.get(LIBRARY_VARIABLE)) or any(map(Path.exists, files))
            or bool(ctypes.util.find_library('dnn')))
