# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Who publishes images where a camera is expected, which of them to hear, and why not the others.

A camera's topic is its base topic. Pictures of the same camera may also be on `BASE/compressed`,
as `image_transport` names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from fcos_ros.node.images import SOURCES

TRANSPORTS = tuple(dict.fromkeys(source.transport for source in SOURCES.values()))

COMPRESSED = 'compressed'
"""The transport that may have a topic of its own, and what that is called below the base."""

_RANKS = {type_name: rank for rank, type_name in enumerate(SOURCES)}


@dataclass(frozen=True)
class Publisher:
    """
    One publisher of the graph.

    :ivar node: full name of its node.
    :ivar type_name: of its messages, such as 'sensor_msgs/msg/Image'.
    :ivar reliable: whether it offers reliable transport; not when it does not say.
    :ivar since: grows with the time when it was first seen.
    :ivar durable: whether those who come late get its last images.
    """

    node: str
    topic: str
    type_name: str
    reliable: bool
    since: int = 0
    durable: bool = False

    def __str__(self) -> str:
        return f'{self.node} publishes {self.type_name} on {self.topic}'


@dataclass(frozen=True)
class Feed:
    """What to subscribe to."""

    topic: str
    type_name: str
    reliable: bool
    durable: bool = False

    def __str__(self) -> str:
        latched = ', latched' if self.durable else ''
        return f'{self.type_name} on {self.topic}, {self.reliability}{latched}'

    @property
    def reliability(self) -> str:
        """What it asks for, in words."""
        return 'reliable' if self.reliable else 'best effort'


class Scout:
    """
    Looks who publishes on a camera's topics, and remembers who came when.

    :param base: resolved name of the camera's topic.
    """

    def __init__(self, node: Node, base: str) -> None:
        self._node = node
        self._base = base
        self._seen: dict[tuple[int, ...], int] = {}
        self._looks = 0

    def look(self) -> tuple[Publisher, ...]:
        """List all publishers of the base topic, and those of compressed images below it."""
        self._looks += 1
        before, self._seen = self._seen, {}
        return (*self._on(self._base, before),
                *(publisher for publisher in self._on(f'{self._base}/{COMPRESSED}', before)
                  if _transport(publisher) == COMPRESSED))

    def _on(self, topic: str, before: dict[tuple[int, ...], int]) -> Iterator[Publisher]:
        for info in self._node.get_publishers_info_by_topic(topic):
            identity = tuple(info.endpoint_gid)
            self._seen[identity] = before.get(identity, self._looks)
            qos = info.qos_profile
            yield Publisher(
                _full_name(info), topic, info.topic_type,
                qos.reliability == ReliabilityPolicy.RELIABLE, self._seen[identity],
                qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


def to_hear(publishers: Sequence[Publisher], base: str, transport: str) -> tuple[Publisher, ...]:
    """
    Choose publishers of one topic and type.

    The base topic comes before the one below it. Of several types on a topic it is that of the
    latest publisher: a camera that died is listed beside its successor for some time. Of those
    that were seen at once, it is the first in `SOURCES`.

    :param transport: 'auto', or the only one that is accepted.
    :returns: all of that topic and type; empty when there is none.
    """
    accepted = [publisher for publisher in publishers
                if _transport(publisher) in (TRANSPORTS if transport == 'auto' else (transport,))]
    if not accepted:
        return ()
    best = max(accepted, key=lambda publisher: (
        publisher.topic == base, publisher.since, -_RANKS[publisher.type_name]))
    return tuple(publisher for publisher in accepted
                 if (publisher.topic, publisher.type_name) == (best.topic, best.type_name))


def complaints(publishers: Sequence[Publisher], feed: Feed | None, transport: str,
               cure: str) -> Iterator[str]:
    """
    Say which publishers are not heard, one sentence each, with what to do.

    :param feed: what is subscribed to, None when there is nothing to hear.
    :param cure: what to do when reliability does not match.
    """
    for publisher in publishers:
        if publisher.type_name not in SOURCES:
            yield (f'{publisher}, which is no image: accepted are {", ".join(SOURCES)}; remap '
                   'image to the topic of the camera')
        elif feed is None:
            yield (f'{publisher}, and the parameter transport is {transport}, so it is not heard: '
                   f'set transport to auto or {_transport(publisher)}')
        elif publisher.topic != feed.topic:
            continue  # The same pictures once more.
        elif publisher.type_name != feed.type_name:
            yield (f'{publisher}, where {feed.type_name} is heard: give each type a topic of its '
                   'own')
        elif feed.reliable and not publisher.reliable:
            yield (f'{publisher} best effort and this node asks for reliable, so nothing arrives: '
                   f'{cure}')


def _transport(publisher: Publisher) -> str:
    source = SOURCES.get(publisher.type_name)
    return source.transport if source else ''


def _full_name(info: object) -> str:
    """Name a publisher's node; other DDS programs have none, and new nodes not at once."""
    name, namespace = info.node_name, info.node_namespace  # type: ignore[attr-defined]
    if 'UNKNOWN' in name:
        return 'a program without a ROS name'
    return f'{namespace.rstrip("/")}/{name}'
