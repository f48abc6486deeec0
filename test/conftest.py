# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
ROS 2 that talks to this run of the tests only, and timeouts that a busy machine does not reach.

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
from fcos_ros.runtime import process, worker

DOMAIN = Domain()
"""Claimed until the tests end: other runs, and the demos that are tested, have another."""

os.environ['ROS_DOMAIN_ID'] = str(DOMAIN.number)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
# Kilted would publish a field of the wrong type as garbage; this is Humble's strictness.
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
if os.environ.get('ROS_DISTRO') == 'humble':
    # What Humble reads instead of the discovery range; later ones warn about it.
    os.environ['ROS_LOCALHOST_ONLY'] = '1'


# A shell has SIGINT ignored in what it runs in the background; our processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples may take any time; in CI they are always the same.
settings.register_profile('fcos', deadline=None, suppress_health_check=[HealthCheck.too_slow],
                          derandomize='CI' in os.environ)
settings.load_profile('fcos')


@pytest.fixture(scope='session', autouse=True)
def long_timeouts() -> Iterator[None]:
    """Give child processes all the time there is; a test in which one hangs gives it less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, 'KILLING', TIMEOUT)
        patch.setattr(worker, 'START', TIMEOUT)
        patch.setattr(worker, 'FAREWELL', TIMEOUT)
        yield


def pytest_report_header() -> list[str]:
    return [] if find_spec('onnx') else ['onnx is not installed: tests that write models are out']


def _users_of_onnx() -> Iterator[str]:
    for path in Path(__file__).parent.rglob('*.py'):
        if re.search('^(import|from) onnx', path.read_text(encoding='utf-8'), re.MULTILINE):
            # What a conftest needs, the whole folder needs.
            yield str(path.parent if path.name == 'conftest.py' else path)


collect_ignore = []
if 'ROS_DISTRO' in os.environ:
    # A sourced ROS 2 brings messages of its own, perhaps not all three packages.
    collect_ignore.append('tools/test_message_wheels.py')
if not find_spec('colcon_core'):
    # Set-up installs colcon in one environment only: packaging is the same in both.
    collect_ignore.append('package')
if not find_spec('onnx'):
    # No rosdep key installs it, so a robot may run the other tests only. Set-up does install it.
    collect_ignore.extend(_users_of_onnx())
