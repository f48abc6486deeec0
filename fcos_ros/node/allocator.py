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

_TUNABLES = ('mmap_threshold', 'trim_threshold', 'top_pad', 'mmap_max')
"""Of glibc's, those that say when memory is given back."""


def keep_memory(environment: Mapping[str, str]) -> str:
    """
    Have large blocks kept and used again; to be called before there are other threads.

    :param environment: of this process. The user's own word on when memory is given back counts
        more, and `FCOS_KEEP_MEMORY=0` leaves the allocator alone.
    :returns: why it is not in force, nothing when it is.
    """
    reason = _objection(environment)
    if reason:
        return reason
    library = ctypes.CDLL(None)
    kept = library.mallopt(*_MMAP_THRESHOLD) and library.mallopt(*_TRIM_THRESHOLD)
    return '' if kept else 'glibc refuses'


def _objection(environment: Mapping[str, str]) -> str:
    if environment.get(SWITCH, '1') == '0':
        return f'{SWITCH} is 0'
    for name in _TUNABLES:
        variable, tunable = f'MALLOC_{name.upper()}_', f'glibc.malloc.{name}'
        if variable in environment:
            return f'{variable} is set'
        if f'{tunable}=' in environment.get('GLIBC_TUNABLES', ''):
            return f'GLIBC_TUNABLES sets {tunable}'
    return '' if platform.libc_ver()[0] == 'glibc' else 'the C library is not glibc'
