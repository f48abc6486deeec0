# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detect other users' shared memory of Fast DDS, through which images are lost between users."""

from __future__ import annotations

import os
from pathlib import Path
import pwd

from rclpy.utilities import get_rmw_implementation_identifier

from fcos_ros.settings.fast_dds import SEGMENT_PREFIXES, SHARED_MEMORY


def other_users(folder: Path = SHARED_MEMORY) -> tuple[str, ...]:
    """
    Return the names of the other users who have shared memory of Fast DDS on this computer.

    :returns: empty if this process does not use Fast DDS.
    """
    if 'fastrtps' not in get_rmw_implementation_identifier():
        return ()
    return tuple(sorted(map(_name, _owners(folder) - {os.geteuid()})))


def _owners(folder: Path) -> set[int]:
    owners = set()
    try:
        for entry in os.scandir(folder):
            # Segments are readable for all users, but only their owner can write them.
            if entry.name.startswith(SEGMENT_PREFIXES):
                owners.add(_owner(entry))
    except OSError:  # there is no such folder
        pass
    return owners


def _owner(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except FileNotFoundError:  # its process has ended meanwhile
        return os.geteuid()


def _name(user: int) -> str:
    """Return the name of a user; in a container, users of the host have only a number."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
