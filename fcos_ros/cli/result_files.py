# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the files of a result; each is complete, or it is not there."""

from __future__ import annotations

from pathlib import Path

from fcos_ros.backends.atomic import replace_file
from fcos_ros.offline.frames import OfflineError


def require_folder(folder: Path) -> Path:
    """
    Create a folder, and try it before long work begins.

    :raises OfflineError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / '.fcos_trial'
        replace_file(trial, b'')
        trial.unlink()
    except OSError as error:
        raise OfflineError(f'{folder} cannot be written to: {error.strerror}; give another '
                           'folder') from error
    return folder


def write_result(path: Path, content: str) -> Path:
    """
    Write a file as a whole.

    :raises OfflineError: it cannot be written.
    """
    try:
        replace_file(path, content.encode('utf-8'))
    except OSError as error:
        raise OfflineError(f'{path} cannot be written: {error.strerror}') from error
    return path
