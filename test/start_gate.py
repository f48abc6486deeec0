# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold back the start of child processes until a test opens a gate."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HOLD = """
import os, time
parent, marker = os.getppid(), f'{FOLDER}/held-{os.getpid()}'
open(marker, 'w').close()
while not os.path.exists(f'{FOLDER}/open') and os.getppid() == parent:
    time.sleep(0.01)
os.remove(marker)
"""
"""Code that Python runs at its start. It also ends when the parent has died."""


class StartGate:
    """
    Hold back every Python process that is started while the gate is closed.

    It is closed at first.

    :param folder: an empty folder.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        (folder / 'sitecustomize.py').write_text(f'FOLDER = {str(folder)!r}\n{HOLD}')
        path = os.pathsep.join([str(folder), os.environ.get('PYTHONPATH', '')])
        monkeypatch.setenv('PYTHONPATH', path)

    def held(self) -> int:
        """Return the number of processes that are held back."""
        return len(list(self._folder.glob('held-*')))

    def open(self) -> None:
        """Release the held processes, and let new processes start at once."""
        (self._folder / 'open').touch()

    def close(self) -> None:
        """Hold back the processes that are started from now on."""
        (self._folder / 'open').unlink()
