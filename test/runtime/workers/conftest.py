# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model that finds white squares, and what the tests of workers share."""

from collections.abc import Callable

from child_processes import children
from manual_clock import ManualClock
from onnx_models import write_fcos
import pytest

from fcos_ros.runtime.back_off import BackOff
from fcos_ros.runtime.detector import DetectorConfig
from fcos_ros.runtime.workers import local, process


@pytest.fixture(scope='session')
def config(tmp_path_factory: pytest.TempPathFactory) -> DetectorConfig:
    """Return the configuration of a detector of white squares."""
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return DetectorConfig(write_fcos(path, half_box=8.0))


@pytest.fixture
def new_children() -> Callable[[], set[int]]:
    """Return a function that returns the child processes that the test has started."""
    before = children()
    return lambda: children() - before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Return the clock by which workers that are made from now on pause after failures."""
    clock = ManualClock()
    for module in (local, process):
        monkeypatch.setattr(module, 'BackOff', lambda: BackOff(clock))
    return clock
