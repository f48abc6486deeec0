# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The C library's allocator, told to keep the memory of large images for the next ones.

By itself glibc gives every large block back to the system, and each image then pays for fresh
pages: two thirds of the CPU time that a full-HD image costs to receive.
"""

from __future__ import annotations

from collections.abc import Mapping
import ctypes
import platform

SWITCH = 'FCOS_KEEP_MEMORY'
"""The environment variable that switches this off, with 0."""

_MMAP_THRESHOLD = (-3, 32 << 20)
"""Larger blocks are given back when they are freed; 32 MiB is the most that glibc accepts."""
_TRIM_THRESHOLD = (-1, 256 << 20)
"""More free memory than this is given back. Setting one of the two alone makes things worse."""


def keep_memory(environment: Mapping[str, str]) -> bool:
    """
    Have large blocks kept and used again; to be called before there are other threads.

    :param environment: of this process. The user's own `MALLOC_...` or `GLIBC_TUNABLES` count
        more, and `FCOS_KEEP_MEMORY=0` leaves the allocator alone.
    :returns: whether it is in force. It never is without glibc.
    """
    if not _wanted(environment) or platform.libc_ver()[0] != 'glibc':
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(*_MMAP_THRESHOLD) and library.mallopt(*_TRIM_THRESHOLD))


def _wanted(environment: Mapping[str, str]) -> bool:
    if environment.get(SWITCH, '1') == '0':
        return False
    own = any(name.startswith('MALLOC_') for name in environment)
    return not own and 'glibc.malloc' not in environment.get('GLIBC_TUNABLES', '')
