# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Separate the ROS graphs of this run from all others, and set timeouts for a busy machine.

The environment is set on import, before any test module can import rclpy or a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
import os
from pathlib import Path
import re
import signal

from hypothesis import HealthCheck, settings
import pytest
from waiting import TIMEOUT

from fcos_ros.demo.domain import Domain
from fcos_ros.runtime import child_process
from fcos_ros.runtime.workers import process
from fcos_ros.settings.fast_dds import PROFILE_VARIABLES, fast_dds_environment

OPTIONAL = {
    # No rosdep key installs onnx, so a robot can run only the other tests. Set-up installs it.
    'onnx': 'tests that write models are left out',
    # It is optional; set-up installs it.
    'distributed': 'tests of clusters are left out',
    # It is large, and only the training needs it.
    'torch': 'tests of trained networks are left out, `make test-training` runs them',
    'torchvision': 'tests against torchvision are left out, `make test-torchvision` runs them',
}
"""Modules that may be missing, and the tests that are then left out."""

DOMAIN = Domain()
"""Reserved until the tests end: other runs, and the demos that are tested, use other domains."""

os.environ['ROS_DOMAIN_ID'] = str(DOMAIN.number)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
# Kilted publishes a field of a wrong type as garbage unless it checks types, as Humble does.
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
if os.environ.get('ROS_DISTRO') == 'humble':
    # Humble reads this variable instead of the discovery range; later distributions warn.
    os.environ['ROS_LOCALHOST_ONLY'] = '1'
os.environ.update(fast_dds_environment(
    os.environ, Path(__file__).parent / 'fast_discovery.xml'))

# A shell ignores SIGINT in background jobs, and the processes of the tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example may take any time. In CI, the examples are always the same.
settings.register_profile('fcos', deadline=None, suppress_health_check=[HealthCheck.too_slow],
                          derandomize='CI' in os.environ)
settings.load_profile('fcos')


@pytest.fixture(scope='session', autouse=True)
def long_timeouts() -> Iterator[None]:
    """Set long timeouts for child processes; a test in which one hangs sets shorter ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child_process, 'KILL_TIMEOUT', TIMEOUT)
        patch.setattr(process, 'LOAD_TIMEOUT', TIMEOUT)
        patch.setattr(process, 'EXIT_TIMEOUT', TIMEOUT)
        yield


@pytest.fixture
def no_fast_dds_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the profile of the tests, for programs that set the one of the package."""
    for variable in PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def pytest_report_header() -> list[str]:
    return [f'{module} is not installed; {left_out}' for module, left_out in OPTIONAL.items()
            if not find_spec(module)]


def _users_of(module: str) -> Iterator[str]:
    """Yield the files that import a module, also through another file of the tests."""
    texts = {path: path.read_text(encoding='utf-8')
             for path in Path(__file__).parent.rglob('*.py')}
    names, users = {module}, set[Path]()
    while names:
        pattern = rf'^(import|from) ([\w.]+\.)?({"|".join(names)})\b'
        found = {path for path, text in texts.items()
                 if path not in users and re.search(pattern, text, re.MULTILINE)}
        users |= found
        names = {path.stem for path in found if not path.stem.startswith(('test_', 'conftest'))}
    for path in users:
        # Without its conftest, a whole folder cannot run.
        yield str(path.parent if path.name == 'conftest.py' else path)


collect_ignore = []
if 'ROS_DISTRO' in os.environ:
    # A sourced ROS 2 has its own message packages, perhaps not all three.
    collect_ignore.append('tools/test_message_wheels.py')
if not find_spec('colcon_core'):
    # Set-up installs colcon in one environment only, as packaging is the same in both.
    collect_ignore.append('package')
for module in OPTIONAL:
    if not find_spec(module):
        collect_ignore.extend(_users_of(module))
