# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate a system that has no memory for more processes."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest


def limit_processes(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let only `count` more processes start."""
    start, started = subprocess.Popen, []

    def popen(*args: Any, **kwargs: Any) -> Any:
        if len(started) == count:
            raise OSError(12, 'Cannot allocate memory')
        started.append(start(*args, **kwargs))
        return started[-1]
    monkeypatch.setattr(subprocess, 'Popen', popen)
