# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The subscription to one camera, which follows the type and QoS of its publishers.

The node subscribes only when there is a publisher. A guessed type would be wrong for most cameras
of a board, and would appear there as a subscriber that cannot be served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

from fcos_ros.node.health import SubscriptionStatus
from fcos_ros.node.input.discovery import (
    COMPRESSED,
    PublisherDiscovery,
    PublisherInfo,
    SubscriptionSpec,
    choose_publishers,
    explain_unreceived,
)
from fcos_ros.node.input.images import SOURCES, Source
from fcos_ros.node.qos import (
    USER_POLICIES,
    declare_reliability,
    latest_qos,
    override_name,
    without_default_callbacks,
)
from fcos_ros.node.timers import create_steady_timer

DISCOVERY_PERIOD = 0.25
"""Seconds between two searches for publishers."""

Receive = Callable[[Source, Any], None]
"""Called with each message and the source that reads it."""


class CameraSubscription:
    """
    Subscribe to a camera, and again whenever its publishers change, until `close`.

    Messages arrive on the executor's thread, which also makes the subscriptions.

    :param topic: relative name of the topic.
    :param transport: 'auto' or the only accepted one; see `Settings`.
    :param reliability: 'auto', 'reliable' or 'best_effort'; `qos_overrides` have priority.
    :raises ValueError: an override is not accepted.
    """

    def __init__(self, node: Node, topic: str, transport: str, reliability: str,
                 receive: Receive) -> None:
        self._node = node
        self._receive = receive
        self._transport = transport
        self._base = node.resolve_topic_name(topic)
        self._overrides = {name: declare_reliability(node, name)
                           for name in (self._base, f'{self._base}/{COMPRESSED}')}
        self._reliability = reliability
        self._discovery = PublisherDiscovery(node, self._base)
        self._publishers: tuple[PublisherInfo, ...] = ()
        self._spec: SubscriptionSpec | None = None
        self._subscription: Any = None
        self._problem = self._logged = ''
        # `close` may run on another thread than the executor's.
        self._lock = Lock()
        self._timer = create_steady_timer(node, DISCOVERY_PERIOD, self._follow)
        self._follow()

    def status(self) -> SubscriptionStatus:
        """Return the state of the last search."""
        spec = self._spec
        topic = spec.topic if spec else self._base
        return SubscriptionStatus(
            topic=topic, type_name=spec.type_name if spec else '',
            reliability=spec.reliability if spec else '',
            publishers=sum(publisher.topic == topic for publisher in self._publishers),
            problem=self._problem)

    def close(self) -> None:
        """Unsubscribe, after a message that is being handled."""
        with self._lock:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._unsubscribe()

    def _follow(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            self._publishers = self._discovery.find()
            chosen = choose_publishers(self._publishers, self._base, self._transport)
            refusal = self._subscribe(self._to_spec(chosen)) if chosen else ''
            # Without publishers, the subscription is kept: the camera may come back.
            spec = self._spec if chosen else None
            self._report(refusal or '; '.join(explain_unreceived(
                self._publishers, spec, self._transport, self._remedy(spec))))

    def _to_spec(self, chosen: Sequence[PublisherInfo]) -> SubscriptionSpec:
        topic, type_name = chosen[0].topic, chosen[0].type_name
        requested = self._overrides[topic] or self._reliability
        # The strongest policy that all publishers offer: best effort loses large images first.
        reliable = (all(publisher.reliable for publisher in chosen) if requested == 'auto'
                    else requested == 'reliable')
        durable = all(publisher.durable for publisher in chosen)
        return SubscriptionSpec(topic, type_name, reliable, durable)

    def _subscribe(self, spec: SubscriptionSpec) -> str:
        """Subscribe, unless already done; return the reason if it fails, else ''."""
        before, source = self._spec, SOURCES[spec.type_name]
        if spec == before:
            return ''
        self._unsubscribe()
        try:
            self._subscription = self._node.create_subscription(
                source.message_type(), spec.topic, partial(self._take, source),
                latest_qos(spec.reliable, spec.durable),
                event_callbacks=without_default_callbacks(),
                qos_overriding_options=QoSOverridingOptions(USER_POLICIES))
        except Exception as error:  # noqa: BLE001 - the next publisher may be accepted
            return f'cannot subscribe to {spec}: {error}'
        self._spec = spec
        change = f', before: {before}' if before else ''
        self._node.get_logger().info(f'subscribed to {spec}{change}')
        return ''

    def _take(self, source: Source, message: Any) -> None:
        with self._lock:
            if self._timer is not None:
                self._receive(source, message)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._spec = None

    def _remedy(self, spec: SubscriptionSpec | None) -> str:
        if spec and self._overrides[spec.topic]:
            return f'remove the parameter {override_name(spec.topic)}, or set it to best_effort'
        return 'set the parameter reliability to auto or best_effort'

    def _report(self, problem: str) -> None:
        """Log a problem once, if it is still there at the second search."""
        if not problem:
            self._logged = ''
        elif problem == self._problem and problem != self._logged:
            self._logged = problem
            self._node.get_logger().warning(problem)
        self._problem = problem
