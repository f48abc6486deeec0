# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch the ROS graph for some seconds: reports, publishers, subscriptions, parameters, images."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
import os
from time import monotonic
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.inspection.graph_facts import (
    CameraFacts,
    DetectorFacts,
    Endpoint,
    GraphFacts,
    GraphView,
    ImageSample,
    LiveFrame,
)
from fcos_ros.inspection.report_history import ReportHistory
from fcos_ros.messages.images import SOURCES
from fcos_ros.node.input.discovery import COMPRESSED, PublisherDiscovery, full_name
from fcos_ros.node.input.message_types import MessageTypeError, message_type
from fcos_ros.node.observer.session import Session
from fcos_ros.node.qos import latest_qos, without_default_callbacks
from fcos_ros.runtime.node_status import CameraStatus, Level, NodeStatus, Problem, to_level
from fcos_ros.settings.schema import Settings

DISCOVERY = 1.5
"""Seconds until a new node knows the graph; detectors report once a second."""

ANSWER = 2.0
"""Seconds in which a node answers a question for its parameters; also for a live image."""

LABELS = 'vision_msgs/msg/LabelInfo'
"""The type of a topic that each active detector publishes."""

HOST = slice(2, 4)
"""The bytes of an identity in Fast DDS that name the machine; the first two name the vendor."""


class ImageListener:
    """
    Subscribe to the images of a camera as the detector does, and keep the newest.

    :raises MessageTypeError: the package of the messages is not installed.
    """

    def __init__(self, node: Node, camera: CameraStatus) -> None:
        self._source = SOURCES[camera.type_name]
        self._newest: Any = None
        self._count = self._size = 0
        self._start = monotonic()
        node.create_subscription(
            message_type(camera.type_name), camera.topic, self._receive,
            latest_qos(camera.reliability == 'reliable'),
            event_callbacks=without_default_callbacks())

    def sample(self) -> ImageSample:
        """Return what has arrived so far."""
        return ImageSample(self._count, monotonic() - self._start, self._size)

    def newest(self) -> Frame | None:
        """View the newest image as a frame; None if there is none, or if it is damaged."""
        with suppress(FrameError):
            return self._source.read(self._newest) if self._newest is not None else None
        return None

    def _receive(self, message: Any) -> None:
        self._newest = message
        self._count += 1
        self._size = max(self._size, len(message.data))


def watch(
    session: Session, history: ReportHistory, seconds: float, only: str = '',
    passed: Callable[[float], None] = lambda _: None,
) -> GraphView:
    """
    Watch the graph.

    :param history: hears the reports of the session.
    :param only: full name of the one detector to look at; empty for all.
    :param passed: called often, with the seconds that have passed.
    """
    start = monotonic()

    def show() -> bool:
        passed(monotonic() - start)
        return False

    session.wait(DISCOVERY, show)
    listeners: dict[tuple[str, str], ImageListener] = {}
    while (left := seconds - (monotonic() - start)) > 0:
        _listen(session.node, history, listeners, only)
        session.wait(min(left, 1.0), show)
    session.wait(ANSWER, lambda: all(listener.sample().count for key, listener in
                                     listeners.items() if _receives(history, *key)))
    names = [name for name in history.last if only in {'', name}]
    parameters = _parameters(session, {name: history.last[name] for name in names})
    node = session.node
    host = _host(node)
    detectors = tuple(
        _detector(node, host, history, name, parameters.get(name, {}), listeners)
        for name in names)
    facts = GraphFacts(
        domain=os.environ.get('ROS_DOMAIN_ID') or '0', seconds=monotonic() - start,
        only=only, known=tuple(sorted(history.last)), detectors=detectors,
        silent=tuple(_silent(node, history, only)),
        image_topics=_image_topics(node, detectors), clock=node.count_publishers('/clock') > 0,
        others=_others(session))
    return GraphView(facts, [LiveFrame(*camera, listener.newest())
                             for camera, listener in listeners.items()])


def _listen(node: Node, history: ReportHistory, listeners: dict[tuple[str, str], ImageListener],
            only: str) -> None:
    """Subscribe to the images of each camera that is not subscribed to yet."""
    for name, status in history.last.items():
        for camera in status.cameras:
            key = name, camera.name
            if key not in listeners and camera.type_name in SOURCES and only in {'', name}:
                with suppress(MessageTypeError):  # the detector reports it
                    listeners[key] = ImageListener(node, camera)


def _receives(history: ReportHistory, node: str, name: str) -> bool:
    """Return whether a detector has received images of a camera since its first report."""
    counts = [[camera.counts.received for camera in status.cameras if camera.name == name]
              for status in (history.first[node], history.last[node])]
    return counts[1] > counts[0]


def _detector(
    node: Node, host: bytes, history: ReportHistory, name: str, parameters: Mapping[str, Any],
    listeners: Mapping[tuple[str, str], ImageListener],
) -> DetectorFacts:
    first, last = history.first[name], history.last[name]
    before = {camera.name: camera for camera in first.cameras}
    cameras = []
    for camera in last.cameras:
        listener = listeners.get((name, camera.name))
        prefix = f'{name}/{camera.name}' if camera.name else name
        base = camera.topic.removesuffix(f'/{COMPRESSED}')
        cameras.append(CameraFacts(
            before.get(camera.name, camera), camera,
            tuple(_publishers(node, host, dict.fromkeys((camera.topic, base)))),
            tuple(_endpoint(info, f'{prefix}/detections', host) for info in
                  node.get_subscriptions_info_by_topic(f'{prefix}/detections')),
            listener.sample() if listener else ImageSample(0, 0.0)))
    return DetectorFacts(last, tuple(cameras), history.problems(name),
                         len(history.instances[name]), parameters)


def _publishers(node: Node, host: bytes, topics: Mapping[str, None]) -> Iterator[Endpoint]:
    for topic in topics:
        for info in node.get_publishers_info_by_topic(topic):
            yield _endpoint(info, topic, host)


def _endpoint(info: Any, topic: str, host: bytes) -> Endpoint:
    return Endpoint(
        full_name(info), topic, info.topic_type,
        info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
        info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        bool(host) and bytes(info.endpoint_gid)[HOST] != host)


def _host(node: Node) -> bytes:
    """Return the bytes that name this machine in identities; empty if they are unknown."""
    if 'fastrtps' not in get_rmw_implementation_identifier():
        return b''
    for info in node.get_subscriptions_info_by_topic('/diagnostics'):
        if info.node_name == node.get_name():
            return bytes(info.endpoint_gid)[HOST]
    return b''


def _silent(node: Node, history: ReportHistory, only: str) -> Iterator[str]:
    """Yield the nodes that publish labels beside detections, as ours do, and do not report."""
    for topic, types in node.get_topic_names_and_types():
        if LABELS not in types:
            continue
        for info in node.get_publishers_info_by_topic(topic):
            name = _endpoint(info, topic, b'').node
            if topic.startswith(f'{name}/') and name not in history.last and only in {'', name}:
                yield name


def _image_topics(node: Node, detectors: Sequence[DetectorFacts]) -> tuple[str, ...]:
    """Return the topics with images that belong to no camera of a detector."""
    own = {camera.after.topic.removesuffix(f'/{COMPRESSED}')
           for detector in detectors for camera in detector.cameras}
    topics = PublisherDiscovery(node, '/').other_topics()
    return tuple(topic for topic in topics if topic not in own)


def _others(session: Session) -> dict[str, Problem]:
    """Return the problems that other programs report."""
    found = {}
    for name, status in session.others.items():
        level = to_level(status.level)
        if level in {Level.WARNING, Level.ERROR}:
            found[name] = Problem(level, name, status.message)
    return found


def _parameters(
    session: Session, statuses: Mapping[str, NodeStatus],
) -> dict[str, dict[str, Any]]:
    """Ask the detectors for their parameters; those that do not answer in time are left out."""
    questions: dict[str, tuple[list[str], Any]] = {}
    for name, status in statuses.items():
        names = ['use_sim_time', *Settings.options()]
        names += [f'{camera.name}.{option}' for camera in status.cameras if camera.name
                  for option, meaning in Settings.options().items() if meaning.camera]
        client: Any = session.node.create_client(GetParameters, f'{name}/get_parameters')
        # A request that is sent before the service is found is lost.
        session.wait(ANSWER, client.service_is_ready)
        questions[name] = names, client.call_async(GetParameters.Request(names=names))
    session.wait(ANSWER, lambda: all(future.done() for _, future in questions.values()))
    return {name: dict(_values(names, future.result().values))
            for name, (names, future) in questions.items() if future.done()}


def _values(names: Sequence[str], values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for name, value in zip(names, values):
        given = Parameter.from_parameter_msg(ParameterMessage(name=name, value=value)).value
        if given is not None:
            yield name, list(given) if isinstance(given, (tuple, array)) else given
