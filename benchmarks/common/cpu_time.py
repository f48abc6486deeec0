# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the CPU time of other processes."""

from __future__ import annotations

from contextlib import suppress
import os
from pathlib import Path


def cpu_seconds(task: Path) -> float:
    """
    Return the CPU time that a process or a thread has used.

    :param task: its folder below `/proc`.
    """
    words = (task / 'stat').read_text().rpartition(')')[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def cpu_nanoseconds(process: int) -> dict[int, int]:
    """Return the exact CPU time of each thread of a process, by its id."""
    found = {}
    for task in Path(f'/proc/{process}/task').iterdir():
        with suppress(OSError):  # the thread has ended
            found[int(task.name)] = int((task / 'schedstat').read_text().split()[0])
    return found
