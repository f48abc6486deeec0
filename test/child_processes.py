# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a process holds of the system: other processes, and open files."""

from __future__ import annotations

from contextlib import suppress
import os
from pathlib import Path


def children(parent: int | None = None) -> set[int]:
    """
    List the process ids of a process's children, of this process unless told.

    Their own words are read: what a parent says of each of its threads changes while one reads,
    when a thread ends.
    """
    parent = parent or os.getpid()
    found = set()
    for folder in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):  # it has ended meanwhile
            state = (folder / 'stat').read_text().rpartition(')')[2].split()
            if int(state[1]) == parent:
                found.add(int(folder.name))
    return found


def descriptors() -> set[tuple[str, str]]:
    """List the open files, pipes and sockets; each of them has a number that is its own."""
    found = set()
    for link in Path('/proc/self/fd').iterdir():
        with suppress(OSError):  # closed meanwhile: this very listing, or what others left behind
            found.add((link.name, os.readlink(link)))
    return found
