# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscription to one camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image

from fcos_ros.node.qos import mismatch, newest, on_mismatch


@dataclass(frozen=True)
class Link:
    """
    How an inlet is connected.

    :ivar topic: the resolved name.
    :ivar publishers: how many publish there.
    :ivar mismatch: publishers that it cannot hear, with both sides and the cure; else empty.
    """

    topic: str
    publishers: int
    mismatch: str


class Inlet:
    """
    Subscribes to a camera's topic until it is closed.

    :param topic: relative name of the topic.
    :param receive: called with each message on the executor's thread.
    """

    def __init__(self, node: Node, topic: str, receive: Callable[[Any], None]) -> None:
        self._node = node
        self._subscription = node.create_subscription(
            Image, topic, receive, newest(), event_callbacks=on_mismatch(self._warn),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def link(self) -> Link:
        """Tell how it is connected at this moment."""
        topic = self._subscription.topic_name
        return Link(topic, self._node.count_publishers(topic),
                    mismatch(self._node, self._subscription))

    def close(self) -> None:
        """Take no more messages."""
        self._node.destroy_subscription(self._subscription)

    def _warn(self) -> None:
        self._node.get_logger().warning(self.link().mismatch)
