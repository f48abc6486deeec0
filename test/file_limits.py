# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: no file of this process may become larger than a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import resource


@contextmanager
def max_file_size(size: int) -> Iterator[None]:
    """Let writing beyond `size` bytes fail until the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
