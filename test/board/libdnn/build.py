# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the simulator of the board's C runtime."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess

FOLDER = Path(__file__).resolve().parent

FLAGS = ('-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-fvisibility=hidden',
         '-shared', '-pthread')


def compiler() -> str | None:
    """Return the path of the C compiler; None if there is none."""
    return shutil.which('cc')


def build(folder: Path) -> Path:
    """
    Compile `folder/libdnn.so`.

    :raises RuntimeError: there is no compiler, or it fails; the text has its output.
    """
    command = compiler()
    if command is None:
        raise RuntimeError(
            'there is no C compiler `cc`; install it: sudo apt install gcc libc6-dev')
    library = folder / 'libdnn.so'
    done = subprocess.run(
        [command, *FLAGS, '-o', str(library), *map(str, sorted(FOLDER.glob('*.c')))],
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f'the simulator does not compile:\n{done.stderr}')
    return library
