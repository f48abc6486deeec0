# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Let the C library reuse the memory of large images.

By default glibc returns every large block to the system, and each image needs new pages. They take
two thirds of the CPU time for receiving a full-HD image.
"""

from __future__ import annotations

from collections.abc import Mapping
import ctypes
import platform

SWITCH = 'FCOS_KEEP_MEMORY'
"""The environment variable that switches this off when it is 0."""

_MMAP_THRESHOLD = (-3, 32 << 20)
"""Option and value of mallopt: larger blocks are returned when freed. 32 MiB is its maximum."""

_TRIM_THRESHOLD = (-1, 256 << 20)
"""Option and value of mallopt: free memory above this is returned. One option alone is slower."""

_TUNABLES = ('mmap_threshold', 'trim_threshold', 'top_pad', 'mmap_max')
"""The settings of glibc that decide when memory is returned."""


def keep_memory(environment: Mapping[str, str]) -> str:
    """
    Let malloc keep large blocks for reuse. Call this before other threads start.

    :param environment: the environment of this process. Settings of malloc in it have priority.
        With `FCOS_KEEP_MEMORY=0`, nothing is changed.
    :returns: why memory is not kept; empty if it is kept.
    """
    reason = _reason_not_to(environment)
    if reason:
        return reason
    library = ctypes.CDLL(None)
    kept = library.mallopt(*_MMAP_THRESHOLD) and library.mallopt(*_TRIM_THRESHOLD)
    return '' if kept else 'glibc refuses'


def release_free_memory() -> None:
    """
    Return free memory to the system, also between blocks that are in use.

    onnxruntime frees memory after loading a network, which glibc would keep.
    """
    if _has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _reason_not_to(environment: Mapping[str, str]) -> str:
    if environment.get(SWITCH, '1') == '0':
        return f'{SWITCH} is 0'
    for name in _TUNABLES:
        variable, tunable = f'MALLOC_{name.upper()}_', f'glibc.malloc.{name}'
        if variable in environment:
            return f'{variable} is set'
        if f'{tunable}=' in environment.get('GLIBC_TUNABLES', ''):
            return f'GLIBC_TUNABLES sets {tunable}'
    return '' if _has_glibc() else 'the C library is not glibc'


def _has_glibc() -> bool:
    return platform.libc_ver()[0] == 'glibc'
