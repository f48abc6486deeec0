# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the nodes that `whole_node.py` compares with fcos_ros."""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


def spin(node: Node) -> None:
    """Run a node until it is interrupted, and end ROS 2."""
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
