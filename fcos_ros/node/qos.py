# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The QoS of our topics, and what the user has to say about it.

Profiles are made anew for each entity: `qos_overrides` parameters change them in place.
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


SETTLED_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
"""What `qos_overrides` may change of a subscription that follows its publishers in the rest."""

_RELIABILITIES = {
    None: '', 'reliable': 'reliable', 'best_effort': 'best_effort',
    'system_default': 'auto', 'best_available': 'auto'}


def newest(reliable: bool = True, durable: bool = False) -> QoSProfile:
    """Keep the newest only. By default reliable: best effort is the first to lose large images."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if durable else DurabilityPolicy.VOLATILE)


def every() -> QoSProfile:
    """Lose none as long as the listener keeps up."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


def latched() -> QoSProfile:
    """Tell late joiners the last word."""
    return newest(durable=True)


def quietly() -> SubscriptionEventCallbacks:
    """Leave out rclpy's own words on publishers that do not match, which name no cure."""
    return SubscriptionEventCallbacks(use_default_callbacks=False)


def override_name(topic: str) -> str:
    """Name the parameter by which a user settles the reliability of one subscription."""
    return f'qos_overrides.{topic}.subscription.reliability'


def declare_reliability(node: Node, topic: str) -> str:
    """
    Ask which reliability the user wants for a subscription, by the parameter ROS 2 has for it.

    rclpy itself would write its first value into the parameter, and hold to that for ever.

    :returns: 'reliable', 'best_effort', 'auto', or nothing when the user has not said.
    :raises ValueError: when it is another word.
    """
    name = override_name(topic)
    if not node.has_parameter(name):
        node.declare_parameter(name, None, ParameterDescriptor(
            name=name, dynamic_typing=True, read_only=True,
            description='Not set: as the parameter reliability says.'))
    value = node.get_parameter(name).value
    if value not in _RELIABILITIES:
        accepted = ', '.join(filter(None, _RELIABILITIES))
        raise ValueError(f'{name} is {value!r}; accepted: {accepted}')
    return _RELIABILITIES[value]
