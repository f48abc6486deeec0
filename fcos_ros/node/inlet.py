# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The subscription to one camera, made anew whenever the camera changes its type or its QoS.

Nothing is subscribed to before somebody publishes: a guess of the type would be wrong for most
cameras of a board, and be seen by them as a listener that cannot be served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

from fcos_ros.node.images import SOURCES, Source
from fcos_ros.node.publishers import COMPRESSED, Feed, Publisher, Scout, complaints, to_hear
from fcos_ros.node.qos import (
    SETTLED_POLICIES,
    declare_reliability,
    newest,
    override_name,
    quietly,
)
from fcos_ros.node.steady import every_seconds

LOOK = 0.25
"""Seconds between two looks at who publishes."""

Receive = Callable[[Source, Any], None]
"""Called with each message and what can read it."""


@dataclass(frozen=True)
class Link:
    """
    How an inlet is connected.

    :ivar topic: the resolved name of the topic that is heard, or that the camera should be on.
    :ivar type_name: of the messages; empty before anybody was heard.
    :ivar reliability: 'reliable' or 'best effort', as asked for; empty as `type_name`.
    :ivar publishers: how many publish there, heard or not.
    :ivar trouble: who is not heard, why, and the cure; empty when all are.
    """

    topic: str
    type_name: str
    reliability: str
    publishers: int
    trouble: str


class Inlet:
    """
    Follows a camera's publishers until it is closed.

    Messages come on the executor's thread, which also makes the subscriptions.

    :param topic: relative name of the topic.
    :param transport: 'auto' or the one to take; see `Settings`.
    :param reliability: 'auto', 'reliable' or 'best_effort'; `qos_overrides` count more.
    :raises ValueError: when an override is not accepted.
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
        self._scout = Scout(node, self._base)
        self._publishers: tuple[Publisher, ...] = ()
        self._feed: Feed | None = None
        self._subscription: Any = None
        self._trouble = self._logged = ''
        # Whoever closes the inlet may do so on another thread than the executor's.
        self._lock = Lock()
        self._timer = every_seconds(node, LOOK, self._follow)
        self._follow()

    def link(self) -> Link:
        """Tell how it is connected since it last looked."""
        feed = self._feed
        topic = feed.topic if feed else self._base
        return Link(
            topic=topic, type_name=feed.type_name if feed else '',
            reliability=feed.reliability if feed else '',
            publishers=sum(publisher.topic == topic for publisher in self._publishers),
            trouble=self._trouble)

    def close(self) -> None:
        """Take no more messages; waits for the one that is being handed over."""
        with self._lock:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._unsubscribe()

    def _follow(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            self._publishers = self._scout.look()
            heard = to_hear(self._publishers, self._base, self._transport)
            refusal = self._hear(self._to_feed(heard)) if heard else ''
            # What was subscribed to stays when nobody is left: the camera may come back as it was.
            feed = self._feed if heard else None
            self._tell(refusal or '; '.join(complaints(
                self._publishers, feed, self._transport, self._cure(feed))))

    def _to_feed(self, heard: Sequence[Publisher]) -> Feed:
        topic, type_name = heard[0].topic, heard[0].type_name
        asked = self._overrides[topic] or self._reliability
        # The weakest that hears all; no weaker, as best effort is the first to lose large images.
        reliable = (all(publisher.reliable for publisher in heard) if asked == 'auto'
                    else asked == 'reliable')
        return Feed(topic, type_name, reliable, all(publisher.durable for publisher in heard))

    def _hear(self, feed: Feed) -> str:
        """Subscribe if that is not done yet; returns why it cannot be, else nothing."""
        before, source = self._feed, SOURCES[feed.type_name]
        if feed == before:
            return ''
        self._unsubscribe()
        try:
            self._subscription = self._node.create_subscription(
                source.message_type(), feed.topic, partial(self._take, source),
                newest(feed.reliable, feed.durable), event_callbacks=quietly(),
                qos_overriding_options=QoSOverridingOptions(SETTLED_POLICIES))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next camera may do
            return f'cannot subscribe to {feed}: {error}'
        self._feed = feed
        change = f', before {before}' if before else ''
        self._node.get_logger().info(f'listening to {feed}{change}')
        return ''

    def _take(self, source: Source, message: Any) -> None:
        with self._lock:
            if self._timer is not None:
                self._receive(source, message)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._feed = None

    def _cure(self, feed: Feed | None) -> str:
        if feed and self._overrides[feed.topic]:
            return f'remove the parameter {override_name(feed.topic)}, or set it to best_effort'
        return 'set the parameter reliability to auto or best_effort'

    def _tell(self, trouble: str) -> None:
        """Log a trouble once, when it is still there at the second look."""
        if not trouble:
            self._logged = ''
        elif trouble == self._trouble and trouble != self._logged:
            self._logged = trouble
            self._node.get_logger().warning(trouble)
        self._trouble = trouble
