# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timers that go on when simulated time stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock
from rclpy.node import Node

try:
    from rclpy.clock_type import ClockType
except ImportError:  # ROS 2 Humble
    from rclpy.clock import ClockType  # type: ignore[attr-defined]


def every_seconds(node: Node, period: float, act: Callable[[], None]) -> Any:
    """Have `act` called every so many seconds; returns the node's timer."""
    return node.create_timer(period, act, clock=Clock(clock_type=ClockType.STEADY_TIME))
