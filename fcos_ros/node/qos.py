# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The QoS of our topics, and publishers that cannot match it.

Profiles are made anew for each entity: `qos_overrides` parameters change them in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


def newest() -> QoSProfile:
    """Keep the newest only. Reliable: by default, best effort loses large images."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)


def every() -> QoSProfile:
    """Lose none as long as the listener keeps up."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


def latched() -> QoSProfile:
    """Tell late joiners the last word."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL)


def on_mismatch(act: Callable[[], None]) -> SubscriptionEventCallbacks:
    """Have `act` called when an incompatible publisher is met."""
    def incompatible(event: Any) -> None:
        act()
    return SubscriptionEventCallbacks(incompatible_qos=incompatible)


def mismatch(node: Node, subscription: Subscription[Any]) -> str:
    """
    Name the first publisher that offers less than a subscription asks for.

    :returns: one sentence with both sides and the cure; empty when all fit.
    """
    if subscription.qos_profile.reliability != ReliabilityPolicy.RELIABLE:
        return ''
    topic = subscription.topic_name
    for publisher in node.get_publishers_info_by_topic(topic):
        if publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT:
            name = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
            return (f'{name} publishes {topic} best effort and this node asks for reliable, so '
                    f'nothing arrives: start this node with the parameter '
                    f'qos_overrides.{topic}.subscription.reliability set to best_effort')
    return ''
