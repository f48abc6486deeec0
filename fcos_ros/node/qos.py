# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The QoS profiles of our topics.

Each call returns a new profile, because `qos_overrides` parameters change profiles in place.
"""

from __future__ import annotations

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


USER_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
"""Policies of an image subscription that users may override; others follow the publisher."""

_RELIABILITIES = {
    '': '', 'reliable': 'reliable', 'best_effort': 'best_effort',
    'system_default': 'auto', 'best_available': 'auto'}


def latest_qos(reliable: bool = True, durable: bool = False) -> QoSProfile:
    """
    Return a profile that keeps only the newest message.

    It is reliable by default: best effort loses large images first.
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if durable else DurabilityPolicy.VOLATILE)


def queued_qos() -> QoSProfile:
    """Return a reliable profile with a queue: no message is lost while the subscriber keeps up."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


def latched_qos() -> QoSProfile:
    """Return a profile that gives the last message to late subscribers."""
    return latest_qos(durable=True)


def without_default_callbacks() -> SubscriptionEventCallbacks:
    """Return callbacks that suppress rclpy's own QoS warnings, which name no remedy."""
    return SubscriptionEventCallbacks(use_default_callbacks=False)


def override_name(topic: str) -> str:
    """Return the name of the parameter with the reliability of a subscription."""
    return f'qos_overrides.{topic}.subscription.reliability'


def declare_reliability(node: Node, topic: str) -> str:
    """
    Return the reliability that the user sets by a parameter `qos_overrides`.

    rclpy is not used for it: it would keep the reliability of the first subscription forever.

    :returns: 'reliable', 'best_effort' or 'auto'; empty when the parameter is empty.
    :raises ValueError: the parameter has another value.
    """
    name = override_name(topic)
    if not node.has_parameter(name):
        # An unset parameter would be dumped as null, which comes back as the text 'null'.
        node.declare_parameter(name, '', ParameterDescriptor(
            name=name, dynamic_typing=True, read_only=True,
            description='If it is empty, the parameter reliability decides.'))
    value = node.get_parameter(name).value
    if not isinstance(value, str) or value not in _RELIABILITIES:
        accepted = ', '.join(filter(None, _RELIABILITIES))
        raise ValueError(f'{name} is {value!r}; accepted: {accepted}')
    return _RELIABILITIES[value]
