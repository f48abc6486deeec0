# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run commands in the environment of the tests."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Return the output of a command; assert that it succeeds."""
    # The commands of this environment come first, as in a shell that has activated it.
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, 'PATH': path, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout
