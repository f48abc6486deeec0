# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera of NV12 images, as a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import time

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from fcos_ros.core.resize import Size
from fcos_ros.node.qos import latest_qos


def publish_images(name: str, topic: str, size: Size, period: Callable[[], float]) -> None:
    """
    Publish images with the present time as their stamps, until SIGINT.

    :param name: of the node.
    :param period: returns the seconds between two images; called before each.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node(name)
    publisher = node.create_publisher(Image, topic, latest_qos())
    message = Image(width=size.width, height=size.height, encoding='nv12', step=size.width)
    message.data.frombytes(np.random.default_rng(0).bytes(size.width * size.height * 3 // 2))
    due = time.perf_counter()
    with suppress(KeyboardInterrupt):
        while True:
            pause = period()
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)
            # An image that is late by more than a period delays all later ones.
            due = max(due + pause, time.perf_counter() - pause)
            time.sleep(max(0.0, due - time.perf_counter()))
