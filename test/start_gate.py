# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes that start only when a test lets them."""

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
"""Run by Python before anything else. It also ends when the parent has died."""


class StartGate:
    """
    Holds back every Python process that is started while it is closed.

    It is closed at first.

    :param folder: an empty folder.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        (folder / 'sitecustomize.py').write_text(f'FOLDER = {str(folder)!r}\n{HOLD}')
        path = os.pathsep.join([str(folder), os.environ.get('PYTHONPATH', '')])
        monkeypatch.setenv('PYTHONPATH', path)

    def held(self) -> int:
        """Return how many processes are held back."""
        return len(list(self._folder.glob('held-*')))

    def open(self) -> None:
        """Release the held processes, and hold back none from now on."""
        (self._folder / 'open').touch()

    def close(self) -> None:
        """Hold back the processes that are started from now on."""
        (self._folder / 'open').unlink()
