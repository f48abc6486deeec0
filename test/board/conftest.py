# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated board of the tests in this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
import sys

from board_environment import IMAGES
from libdnn.build import build, compiler
import pytest

from fcos_ros.backends import hobot_dnn

VENDOR = {'hbm_runtime', 'hobot_dnn', 'hobot_dnn_rdkx5'}


@pytest.fixture(scope='module')
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the simulator of the board's C runtime."""
    if compiler() is None:
        pytest.skip('there is no C compiler `cc`')
    return build(tmp_path_factory.mktemp('libdnn'))


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Return a function that makes the modules of a system image importable."""
    def plug_in(image: str) -> None:
        monkeypatch.syspath_prepend(str(IMAGES / image))

    monkeypatch.setenv('FCOS_SIM_DIR', str(tmp_path / 'cores'))
    monkeypatch.delenv('FCOS_SIM_FAULT', raising=False)
    _forget()
    yield plug_in
    _forget()


def _forget() -> None:
    hobot_dnn._load_once.cache_clear()
    for name in list(sys.modules):
        if name.split('.')[0] in VENDOR:
            del sys.modules[name]
