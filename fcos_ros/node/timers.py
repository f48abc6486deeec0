# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timers that run while simulated time stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock
from rclpy.node import Node

try:
    from rclpy.clock_type import ClockType
except ImportError:  # ROS 2 Humble
    from rclpy.clock import ClockType  # type: ignore[attr-defined]


def create_steady_timer(node: Node, period: float, callback: Callable[[], None]) -> Any:
    """Create a timer that calls `callback` every `period` seconds of real time."""
    return node.create_timer(period, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
