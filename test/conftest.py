# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What every test runs under: ROS 2 that talks to this run of the tests only.

Set on import, before any test module can import rclpy or a message.
"""

from __future__ import annotations

from importlib.util import find_spec
import os

from fcos_ros.demo.domain import Domain

DOMAIN = Domain()
"""Claimed until the tests end: other runs, and the demos that are tested, have another."""

os.environ['ROS_DOMAIN_ID'] = str(DOMAIN.number)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
# Kilted would publish a field of the wrong type as garbage; this is Humble's strictness.
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
if os.environ.get('ROS_DISTRO') == 'humble':
    # What Humble reads instead of the discovery range; later ones warn about it.
    os.environ['ROS_LOCALHOST_ONLY'] = '1'

collect_ignore = []
if 'ROS_DISTRO' in os.environ:
    # A sourced ROS 2 brings messages of its own, perhaps not all three packages.
    collect_ignore.append('tools/test_message_wheels.py')
if not find_spec('colcon_core'):
    # Set-up installs colcon in one environment only: packaging is the same in both.
    collect_ignore.append('package')
