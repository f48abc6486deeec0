# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the commands of the board vendor's toolchain, which a user has installed."""

from __future__ import annotations

import os
from pathlib import Path
import shutil

from fcos_ros.backends.errors import EngineMissingError

VARIABLE = 'FCOS_BPU_TOOLS'
"""The environment variable that names the folder of the commands."""

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
