# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A program that is a camera: `python camera_program.py TRANSPORT TOPIC RELIABILITY`.

It publishes the image of `scene_messages` until it receives detections, prints their number, and
runs until its standard input is closed.
"""

from __future__ import annotations

import sys
from threading import Thread
from typing import Any

from node.scene_messages import MESSAGES
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from vision_msgs.msg import Detection2DArray

PERIOD = 0.1
"""Seconds between two images."""


def main(transport: str, topic: str, reliability: str) -> None:
    """Publish images until detections arrive; run until standard input is closed."""
    rclpy.init()
    node = Node('camera_program')
    message = MESSAGES[transport]()
    publisher = node.create_publisher(type(message), topic, QoSProfile(
        depth=1, reliability=ReliabilityPolicy[reliability.upper()]))
    timer = node.create_timer(PERIOD, lambda: publisher.publish(message))

    def receive(array: Any) -> None:
        if not timer.is_canceled():
            timer.cancel()
            print(f'{len(array.detections)} detections', flush=True)

    node.create_subscription(Detection2DArray, 'fcos/detections', receive, 10)
    Thread(target=_end_with_input, daemon=True).start()
    try:
        rclpy.spin(node)
    except ExternalShutdownException:
        node.destroy_node()


def _end_with_input() -> None:
    sys.stdin.read()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main(*sys.argv[1:])
