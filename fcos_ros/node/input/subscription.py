# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The subscription to one camera, which follows the type and QoS of its publishers.

The node subscribes only when there is a publisher. A guessed type would be wrong for most cameras
of a board, and would appear there as a subscriber that cannot be served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

from fcos_ros.core.text import enumerate_some
from fcos_ros.messages.images import SOURCES, Source
from fcos_ros.node.health import SubscriptionStatus
from fcos_ros.node.input.discovery import (
    COMPRESSED,
    PublisherDiscovery,
    PublisherInfo,
    SubscriptionSpec,
    choose_publishers,
    explain_absence,
    explain_unreceived,
)
from fcos_ros.node.input.message_types import find_reader, message_type
from fcos_ros.node.input.receiver import Receiver
from fcos_ros.node.input.sequence import SequenceChecker, number_of, publisher_of
from fcos_ros.node.problem_log import PersistentWarning
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

MAX_SILENCE = 3.0
"""
Seconds without an image after which the camera's other topic is tried: cameras slower than 0.33 Hz
are rare, and lose nothing by the attempt.
"""

MIN_IMAGES = 2
"""Images on the other topic before it is used, while the subscribed topic has none."""

MAX_ABSENCE = 3.0
"""Seconds without a publisher before it is logged: a launch file starts the camera as well."""

_TYPES = {'raw': 'sensor_msgs/msg/Image', COMPRESSED: 'sensor_msgs/msg/CompressedImage'}
"""The types of the transports that have only one."""

Receive = Callable[[Source, Any, int], None]
"""
Called with each message, the source that reads it, and the number of messages missing before it.
"""


class CameraSubscription:
    """
    Subscribe to a camera, and again whenever its publishers change, until `close`.

    If no image arrives and the camera has another topic, that topic is tried as well: some drivers
    advertise raw images and publish only compressed ones.

    Messages arrive on a thread of the subscription. The executor's thread makes the subscriptions.

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
        self._topic = topic
        self._base = node.resolve_topic_name(topic)
        self._overrides = {name: declare_reliability(node, name)
                           for name in (self._base, f'{self._base}/{COMPRESSED}')}
        self._reliability = reliability
        self._discovery = PublisherDiscovery(node, self._base)
        self._publishers: tuple[PublisherInfo, ...] = ()
        self._appeared = monotonic()
        self._main: _TopicSubscription | None = None
        self._trial: _TopicSubscription | None = None
        self._problem = self._absence = ''
        self._problem_log = PersistentWarning(node, DISCOVERY_PERIOD / 2)
        self._absence_log = PersistentWarning(node, MAX_ABSENCE)
        # `close` may run on another thread than the executor's. Messages must not need this lock:
        # its holder may wait until a message is handled.
        self._lock = Lock()
        self._timer = create_steady_timer(node, DISCOVERY_PERIOD, self._follow)
        self._follow()

    def status(self) -> SubscriptionStatus:
        """Return the state of the last search."""
        spec = self._main.spec if self._main else None
        topic = spec.topic if spec else self._base
        nodes = tuple(publisher.node for publisher in self._publishers
                      if publisher.topic == topic)
        return SubscriptionStatus(
            topic=topic, type_name=spec.type_name if spec else '',
            reliability=spec.reliability if spec else '',
            publishers=len(nodes), nodes=nodes, problem=self._problem, absence=self._absence)

    @property
    def silence(self) -> float:
        """Seconds since the last image; or since a publisher appeared, if that was later."""
        since_publisher = monotonic() - self._appeared
        return min(self._main.silence, since_publisher) if self._main else since_publisher

    def close(self) -> None:
        """Unsubscribe, after a message that is being handled."""
        with self._lock:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._end_trial()
            self._unsubscribe()

    def _follow(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            self._publishers = self._discovery.find()
            if not self._publishers:
                self._appeared = monotonic()
            self._judge_trial()
            chosen = choose_publishers(self._publishers, self._base, self._transport)
            wanted = self._to_spec(chosen) if chosen else self._expected_spec()
            refusal = self._subscribe(wanted) if wanted else ''
            if self._main is not None:
                self._main.alone = len(chosen) == 1
            self._try_other_topic()
            # Without publishers, the subscription is kept: the camera may come back.
            spec = self._main.spec if self._main and chosen else None
            self._problem = refusal or enumerate_some(list(explain_unreceived(
                self._publishers, spec, self._transport, self._remedy(spec))), '; ')
            self._absence = '' if self._publishers else explain_absence(
                self._base, self._topic, self._discovery.other_topics())
            self._problem_log.update(self._problem)
            self._absence_log.update(self._absence)

    def _to_spec(self, chosen: Sequence[PublisherInfo]) -> SubscriptionSpec:
        topic, type_name = chosen[0].topic, chosen[0].type_name
        requested = self._overrides[topic] or self._reliability
        # The strongest policy that all publishers offer: best effort loses large images first.
        reliable = (all(publisher.reliable for publisher in chosen) if requested == 'auto'
                    else requested == 'reliable')
        durable = all(publisher.durable for publisher in chosen)
        return SubscriptionSpec(topic, type_name, reliable, durable)

    def _expected_spec(self) -> SubscriptionSpec | None:
        """
        Return the subscription before there is a publisher, if the user gives type and QoS.

        The first images of a recording are lost otherwise, while its publisher is discovered.
        """
        type_name = _TYPES.get(self._transport)
        if self._main is not None or type_name is None:
            return None
        is_below = self._transport == COMPRESSED and not self._base.endswith(f'/{COMPRESSED}')
        topic = f'{self._base}/{COMPRESSED}' if is_below else self._base
        requested = self._overrides[topic] or self._reliability
        if requested == 'auto':
            return None
        return SubscriptionSpec(topic, type_name, requested == 'reliable')

    def _subscribe(self, spec: SubscriptionSpec) -> str:
        """Subscribe, unless already done; return the reason if it fails, else ''."""
        before = self._main.spec if self._main else None
        if spec == before:
            return ''
        self._end_trial()
        self._unsubscribe()
        try:
            self._main = _TopicSubscription(self._node, spec, self._receive)
        except Exception as error:  # noqa: BLE001 - the next publisher may be accepted
            return f'cannot subscribe to {spec}: {error}'
        change = f', before: {before}' if before else ''
        self._node.get_logger().info(f'subscribed to {spec}{change}')
        return ''

    def _try_other_topic(self) -> None:
        """Subscribe to the camera's other topic as well, if no image arrives on the present."""
        if self._main is None or self._trial is not None or self.silence < MAX_SILENCE:
            return
        topic = self._main.spec.topic
        others = choose_publishers(
            [publisher for publisher in self._publishers if publisher.topic != topic],
            self._base, self._transport)
        if others:
            with suppress(Exception):  # the present subscription continues
                self._trial = _TopicSubscription(
                    self._node, self._to_spec(others), self._receive, is_trial=True)

    def _judge_trial(self) -> None:
        """Switch to the other topic if only that one has images; end the trial if both have."""
        main, trial = self._main, self._trial
        if main is None or trial is None:
            return
        if main.silence < trial.age:
            self._end_trial()
        elif trial.images >= MIN_IMAGES:
            self._node.get_logger().warning(
                f'{main.spec.topic} has had no image for {main.silence:.0f} s, but '
                f'{trial.spec.topic} has: subscribed to {trial.spec}')
            self._discovery.mark_silent(main.spec.topic)
            self._unsubscribe()
            self._main, self._trial = trial, None
            trial.is_trial = False
            self._publishers = self._discovery.find()

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial.close()
            self._trial = None

    def _unsubscribe(self) -> None:
        if self._main is not None:
            self._main.close()
            self._main = None

    def _remedy(self, spec: SubscriptionSpec | None) -> str:
        if spec and self._overrides[spec.topic]:
            return f'remove the parameter {override_name(spec.topic)}, or set it to best_effort'
        return 'set the parameter reliability to auto or best_effort'


class _TopicSubscription:
    """
    A subscription to one topic, which counts its images.

    :ivar images: number of images since the start.
    :ivar alone: whether it has only one publisher.
    :ivar is_trial: whether its images are counted only.
    """

    def __init__(self, node: Node, spec: SubscriptionSpec, receive: Receive,
                 is_trial: bool = False) -> None:
        self.spec = spec
        self.images = 0
        self.alone = False
        self.is_trial = is_trial
        self._source = SOURCES[spec.type_name]
        self._read = find_reader(self._source)
        self._sequence = SequenceChecker()
        self._receive = receive
        self._start = self._last_image = monotonic()
        self._receiver = Receiver(
            node, message_type(spec.type_name), spec.topic,
            latest_qos(spec.reliable, spec.durable), self._handle,
            event_callbacks=without_default_callbacks(),
            qos_overriding_options=QoSOverridingOptions(USER_POLICIES),
            raw=self._read is not None)

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._start

    @property
    def silence(self) -> float:
        """Seconds since the last image, or since the start."""
        return monotonic() - self._last_image

    def close(self) -> None:
        """Unsubscribe."""
        self._receiver.close()

    def _handle(self, message: Any, info: Mapping[str, Any]) -> None:
        self.images += 1
        self._last_image = monotonic()
        if self._read is not None:
            message = self._read(message)
        publisher, number = publisher_of(info), number_of(info)
        if number is None:
            number = self._source.number(message)
        missing = 0
        # Without their identity, the numbers of several publishers are mixed.
        if number is not None and (publisher or self.alone):
            missing = self._sequence.missing(publisher, number)
        if not self.is_trial:
            self._receive(self._source, message, missing)
