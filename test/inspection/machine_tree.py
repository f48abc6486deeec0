# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""File systems of machines with known properties."""

from __future__ import annotations

from pathlib import Path

MEMINFO = """MemTotal:        8000000 kB
MemFree:         1000000 kB
MemAvailable:    {available} kB
SwapTotal:       1000000 kB
SwapFree:         {swap_free} kB
CmaTotal:         {cma} kB
CmaFree:          {cma_free} kB
"""


class MachineTree:
    """
    A healthy machine, or a healthy board, in which single files can be replaced.

    :ivar root: root of its file system.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write('proc/loadavg', '0.50 0.40 0.30 1/100 99\n')
        self.write('proc/sys/net/core/rmem_max', '8388608\n')
        self.write('proc/locks', '')
        self.write_memory()
        (root / 'dev/shm').mkdir(parents=True)

    def write(self, path: str, text: str) -> Path:
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def write_memory(self, available: int = 4_000_000, swap_free: int = 1_000_000,
                     cma: int = 0, cma_free: int = 0) -> None:
        """Write the state of the memory in kB."""
        self.write('proc/meminfo', MEMINFO.format(
            available=available, swap_free=swap_free, cma=cma, cma_free=cma_free))

    def add_process(self, pid: int, *command: str, state: str = 'S', **environment: str) -> None:
        """Add a process with its environment."""
        self.write(f'proc/{pid}/cmdline', ''.join(f'{word}\0' for word in command))
        self.write(f'proc/{pid}/stat', f'{pid} (py) thon) {state} 1 1')
        self.write(f'proc/{pid}/environ', ''.join(
            f'{name}={value}\0' for name, value in environment.items()))

    def make_board(self, model: str = 'D-Robotics RDK X5 V1.0') -> None:
        """Make it a healthy board."""
        self.write('proc/device-tree/model', f'{model}\0')
        self.write_memory(cma=400_000, cma_free=300_000)
        self.write('dev/bpu_core0', '')
        self.write('sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'performance\n')
        self.write('sys/class/thermal/thermal_zone0/temp', '55000\n')
        self.write('sys/devices/system/bpu/bpu0/ratio', '10\n')
        self.write('usr/hobot/lib/libdnn.so', '')
