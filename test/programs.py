# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of ours as processes, the way a user starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

PATIENCE = 60.0
"""Seconds a process gets to end."""


def run(*program: str, parameters: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
    """Start a Python program with parameters such as 'workers:=2'."""
    arguments = [part for name_value in parameters for part in ('-p', name_value)]
    return subprocess.Popen(
        [sys.executable, *program, '--ros-args', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **environment})


def words(process: subprocess.Popen) -> str:
    """Wait for the end of a process, and return what it said, without a traceback."""
    output, _ = process.communicate(timeout=PATIENCE)
    assert 'Traceback' not in output, output
    return output


def require_tidy_end(process: subprocess.Popen, ready: str, how: signal.Signals) -> None:
    """Tell a process twice to end, as `ros2 launch` does, once it has said that it is ready."""
    assert any(ready in line for line in process.stdout or ())
    time.sleep(0.5)
    process.send_signal(how)
    process.send_signal(how)
    words(process)
    assert process.returncode == 0
