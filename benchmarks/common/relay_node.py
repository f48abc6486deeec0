# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A node that detects nothing: it shows in `whole_node.py` what ROS 2 alone takes.

It answers each image with an empty message of detections, in the usual way of rclpy.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.spin import spin
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray


def run(arguments: Sequence[str]) -> None:
    """Run the node until it is interrupted."""
    rclpy.init(args=list(arguments))
    node = Node('fcos')
    publisher = node.create_publisher(Detection2DArray, '~/detections', 10)
    node.create_subscription(
        Image, 'image', lambda image: publisher.publish(Detection2DArray(header=image.header)), 10)
    spin(node)
