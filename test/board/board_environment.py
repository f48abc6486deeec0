# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Environment variables with which child processes find a simulated board."""

from __future__ import annotations

import os
from pathlib import Path

from model_file import ModelFile
import pytest
from tiny_models import write

CHECKOUT = Path(__file__).resolve().parents[2]

IMAGES = Path(__file__).resolve().parent / 'simulator' / 'images'
"""The folder with the Python modules of each system image."""


class BoardEnvironment:
    """
    Environment variables of a simulated board.

    :param folder: for model files and the state of the board.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        monkeypatch.setenv('FCOS_SIM_DIR', str(folder / 'cores'))
        monkeypatch.delenv('FCOS_SIM_FAULT', raising=False)

    def use_image(self, image: str) -> None:
        """Make the Python modules of a system image importable."""
        paths = [str(IMAGES / image), str(CHECKOUT), os.environ.get('PYTHONPATH', '')]
        self._monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))

    def use_libdnn(self, library: Path) -> None:
        """Choose the C runtime."""
        self._monkeypatch.setenv('FCOS_LIBDNN', str(library))

    def set_fault(self, fault: str) -> None:
        """Set the fault of models that are loaded from now on; see `simulator/bpu.py`."""
        self._monkeypatch.setenv('FCOS_SIM_FAULT', fault)

    def clear_fault(self) -> None:
        """Let models that are loaded from now on work without a fault."""
        self._monkeypatch.delenv('FCOS_SIM_FAULT')

    def write(self, model: ModelFile) -> str:
        """Write a model file, and return its path."""
        return str(write(self._folder, model))
