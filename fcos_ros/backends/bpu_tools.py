# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the commands of the board vendor's toolchain, which a user has installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import os
from pathlib import Path
import shutil
import signal
import subprocess

from fcos_ros.backends.errors import EngineMissingError, ModelError

VARIABLE = 'FCOS_BPU_TOOLS'
"""The environment variable that names the folder of the commands."""

CALIBRATED_NETWORK = '.calibrated.onnx'
"""
The end of the name of the compiler's network with its quantisation, beside a compiled file.

A PC shows with it what quantisation costs in each layer. Boards do not need it.
"""

INSTALL = ("it is part of the board vendor's toolchain, which needs Python 3.10 on an x86 PC: "
           f'`make bpu-tools` in the sources of fcos_ros installs it into .venv-bpu; then set '
           f'{VARIABLE} to the folder .venv-bpu/bin')


def search_path() -> str:
    """Return the folders in which commands are looked for; the tools look for others there."""
    return os.pathsep.join(filter(None, (os.environ.get(VARIABLE), os.environ.get('PATH'))))


def environment() -> dict[str, str]:
    """Return the environment in which a tool finds the others."""
    return {**os.environ, 'PATH': search_path()}


def find_tool(name: str) -> Path | None:
    """Return the path of a command, None if it is not installed."""
    found = shutil.which(name, path=search_path())
    return None if found is None else Path(found)


def require_tool(name: str, purpose: str) -> Path:
    """
    Return the path of a command.

    :param purpose: what needs it, for the message.
    :raises EngineMissingError: it is not installed.
    """
    found = find_tool(name)
    if found is None:
        raise EngineMissingError(
            f'{purpose} needs the command {name}, which was not found; {INSTALL}')
    return found


def run_tool(command: Sequence[str | Path], folder: Path, read: Callable[[str], object]) -> int:
    """
    Run a command of the toolchain and return its exit code; an interruption ends its children.

    :param folder: its working folder.
    :param read: called with each line that it prints.
    """
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), start_new_session=True, errors='replace',
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            read(line)
        return process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def tool_python(name: str, purpose: str) -> Path:
    """
    Return the Python that runs a command of the toolchain; it has the packages of the toolchain.

    :raises EngineMissingError: the command is not installed.
    :raises ModelError: the command does not name its Python.
    """
    command = require_tool(name, purpose)
    with command.open('rb') as file:
        words = file.readline().decode(errors='replace').removeprefix('#!').split()
    found = find_tool(words[-1]) if words else None
    if found is None:
        raise ModelError(f'{command} does not name its Python in its first line; accepted: the '
                         'command as pip installs it')
    return found
