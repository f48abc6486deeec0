# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find the publishers of a camera's images, and choose which of them to subscribe to.

The images of a camera are on its base topic. The same images, compressed, may also be on
`BASE/compressed`, as `image_transport` names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from fcos_ros.core.text import enumerate_some
from fcos_ros.messages.images import SOURCES

TRANSPORTS = tuple(dict.fromkeys(source.transport for source in SOURCES.values()))

COMPRESSED = 'compressed'
"""The transport that may have a topic of its own, and the name of that topic below the base."""

ANNOTATED = 'annotated_image'
"""The last part of the name of a topic on which a detector publishes its own images."""

SINGLE = 'image'
"""The relative name of the topic of a single camera."""

_RANKS = {type_name: rank for rank, type_name in enumerate(SOURCES)}


@dataclass(frozen=True)
class PublisherInfo:
    """
    One publisher of the ROS graph.

    :ivar node: full name of its node.
    :ivar type_name: type of its messages, such as 'sensor_msgs/msg/Image'.
    :ivar reliable: whether it offers reliable transport; False if that is unknown.
    :ivar first_seen: number of the search that found it first.
    :ivar durable: whether late subscribers receive its last images.
    :ivar silent: whether no image of it arrived while its camera's other topic had images.
    """

    node: str
    topic: str
    type_name: str
    reliable: bool
    first_seen: int = 0
    durable: bool = False
    silent: bool = False

    def __str__(self) -> str:
        return f'{self.node} publishes {self.type_name} on {self.topic}'


@dataclass(frozen=True)
class SubscriptionSpec:
    """Topic, type and QoS of a subscription."""

    topic: str
    type_name: str
    reliable: bool
    durable: bool = False

    def __str__(self) -> str:
        latched = ', latched' if self.durable else ''
        return f'{self.type_name} on {self.topic}, {self.reliability}{latched}'

    @property
    def reliability(self) -> str:
        """The requested reliability, in words."""
        return 'reliable' if self.reliable else 'best effort'


class PublisherDiscovery:
    """
    Find the publishers on a camera's topics, and remember in which order they appeared.

    :param base: resolved name of the camera's topic.
    """

    def __init__(self, node: Node, base: str) -> None:
        self._node = node
        self._base = base
        self._seen: dict[tuple[int, ...], int] = {}
        self._silent_topic = ''
        self._silent_since = 0
        self._searches = 0

    def find(self) -> tuple[PublisherInfo, ...]:
        """Return all publishers of the base topic, and those of compressed images below it."""
        self._searches += 1
        before, self._seen = self._seen, {}
        return (*self._on(self._base, before),
                *(publisher for publisher in self._on(f'{self._base}/{COMPRESSED}', before)
                  if _transport(publisher) == COMPRESSED))

    def mark_silent(self, topic: str) -> None:
        """Mark the present publishers of a topic as silent, and those of other topics as not."""
        self._silent_topic, self._silent_since = topic, self._searches

    def other_topics(self) -> list[str]:
        """
        Return the topics on which cameras publish images, the likeliest ones first.

        These are not topics that this node receives for another camera, nor images that a detector
        has annotated. Depths are unlikely, and so are long names.
        """
        received = {subscription.topic_name.removesuffix(f'/{COMPRESSED}')
                    for subscription in self._node.subscriptions}
        topics = {_base_topic(topic, types)
                  for topic, types in self._node.get_topic_names_and_types()
                  if SOURCES.keys() & types and not topic.endswith('/compressedDepth')
                  and f'/{ANNOTATED}/' not in f'{topic}/' and self._node.count_publishers(topic)}
        return sorted(topics - received, key=lambda topic: ('depth' in topic, len(topic), topic))

    def _on(self, topic: str, before: dict[tuple[int, ...], int]) -> Iterator[PublisherInfo]:
        for info in self._node.get_publishers_info_by_topic(topic):
            identity = tuple(info.endpoint_gid)
            first_seen = self._seen[identity] = before.get(identity, self._searches)
            qos = info.qos_profile
            yield PublisherInfo(
                full_name(info), topic, info.topic_type,
                qos.reliability == ReliabilityPolicy.RELIABLE, first_seen,
                qos.durability == DurabilityPolicy.TRANSIENT_LOCAL,
                topic == self._silent_topic and first_seen <= self._silent_since)


def choose_publishers(
    publishers: Sequence[PublisherInfo], base: str, transport: str,
) -> tuple[PublisherInfo, ...]:
    """
    Return the publishers to subscribe to, which have the same topic and type.

    1. Publishers that are not silent have priority.
    2. The base topic has priority over the topic below it.
    3. The type of the newest publisher has priority: a camera that died stays in the graph for
       some time, beside its successor.
    4. Among types that appeared together, the first in `SOURCES` has priority.

    :param transport: 'auto', or the only accepted one.
    :returns: empty if there is no accepted publisher.
    """
    accepted = [publisher for publisher in publishers
                if _transport(publisher) in (TRANSPORTS if transport == 'auto' else (transport,))]
    if not accepted:
        return ()
    best = max(accepted, key=lambda publisher: (
        not publisher.silent, publisher.topic == base, publisher.first_seen,
        -_RANKS[publisher.type_name]))
    return tuple(publisher for publisher in accepted
                 if (publisher.topic, publisher.type_name) == (best.topic, best.type_name))


def explain_unreceived(
    publishers: Sequence[PublisherInfo], spec: SubscriptionSpec | None, transport: str,
    remedy: str,
) -> Iterator[str]:
    """
    Yield one sentence for each publisher that cannot be received, with the remedy.

    :param spec: the present subscription; None if there is no accepted publisher.
    :param remedy: the remedy if the reliability does not match.
    """
    for publisher in publishers:
        if publisher.type_name not in SOURCES:
            yield (f'{publisher}, which is no image; accepted: {", ".join(SOURCES)}; remap image '
                   'to the topic of the camera')
        elif spec is None:
            yield (f'{publisher}, but the parameter transport is {transport}, so its images are '
                   f'not received: set transport to auto or {_transport(publisher)}')
        elif publisher.topic != spec.topic:
            continue  # the same images in another form
        elif publisher.type_name != spec.type_name:
            yield (f'{publisher}, but {spec.type_name} is received there: use one topic for each '
                   'type')
        elif spec.reliable and not publisher.reliable:
            yield (f'{publisher} best effort, but this node requests reliable, so no image '
                   f'arrives: {remedy}')


def explain_absence(base: str, name: str, others: Sequence[str]) -> str:
    """
    Return that a topic has no publisher, with the remedy.

    :param name: the relative name of the topic, which the user can remap.
    :param others: topics with images.
    """
    absence = f'there is no publisher on {base}: start the camera, or remap {name}'
    if not others:
        return f'{absence}; no other topic has images'
    remap = f'{name}:={others[0]}'
    # The launch files have an argument for a single camera only.
    launch = (f'for ros2 launch {remap}' if name == SINGLE else
              'put a SetRemap into your launch file')
    return (f'{absence}; images are published on {enumerate_some(others)}: add --ros-args -r '
            f'{remap}, or {launch}')


def _base_topic(topic: str, types: Sequence[str]) -> str:
    """Return the topic to which `image` is remapped to receive the images of this topic."""
    is_below = 'sensor_msgs/msg/CompressedImage' in types
    return topic.removesuffix(f'/{COMPRESSED}') if is_below else topic


def _transport(publisher: PublisherInfo) -> str:
    source = SOURCES.get(publisher.type_name)
    return source.transport if source else ''


def full_name(info: object) -> str:
    """Return the name of a publisher's node; DDS programs have none, new nodes none at first."""
    name, namespace = info.node_name, info.node_namespace  # type: ignore[attr-defined]
    if 'UNKNOWN' in name:
        return 'a program without a ROS name'
    return f'{namespace.rstrip("/")}/{name}'
