# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The child processes of a process, their state, and the open files of this process."""

from __future__ import annotations

from contextlib import suppress
import os
from pathlib import Path


def children(parent: int | None = None) -> set[int]:
    """
    Return the process ids of the children of a process, by default of this one.

    Each process is asked for its parent. The parent's own list is not reliable while one of its
    threads ends.
    """
    parent = parent or os.getpid()
    return {process for process in map(int, filter(str.isdecimal, os.listdir('/proc')))
            if _stat(process)[1:2] == [str(parent)]}


def is_alive(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    return _stat(process)[:1] not in ([], ['Z'])


def is_blocked(process: int) -> bool:
    """Return whether the main thread of a process sleeps in the kernel."""
    return _stat(process)[:1] == ['S']


def open_files() -> set[tuple[str, str]]:
    """Return number and name of each open file, pipe and socket of this process."""
    found = set()
    for link in Path('/proc/self/fd').iterdir():
        with suppress(OSError):  # it was closed, like the file of the listing
            found.add((link.name, os.readlink(link)))
    return found


def _stat(process: int) -> list[str]:
    """Return state, parent and so on of a process; an empty list if it does not exist."""
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return []
