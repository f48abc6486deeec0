# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The connection to one detector: its state, its cameras, its services.

It exists only while a page is open, so a detector that no page shows has no subscriber. All is
learnt from topics, so the detector may run on another machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterEvent
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import qos_profile_parameter_events
from std_srvs.srv import Trigger

from fcos_ros.core.labels import printable
from fcos_ros.core.text import MAX_QUOTE, enumerate_some, shorten
from fcos_ros.node.qos import queued_qos, without_default_callbacks
from fcos_ros.node.timers import create_steady_timer
from fcos_ros.runtime.node_status import NodeStatus, read_diagnostics
from fcos_ros.settings.web_options import WebSettings
from fcos_ros.web.camera_link import CameraLink, CameraTopics, Publish, PublishPicture
from fcos_ros.web.messages import Message, status_message
from fcos_ros.web.watchers import Demand

FOLLOW_PERIOD = 0.25
"""Seconds between two searches for the publishers of images."""

MAX_SILENCE = 3.0
"""Seconds without a report after which the detector is taken as gone; it reports each second."""

MAX_CAMERAS, MAX_OTHERS = 32, 32
"""Cameras of a detector, and other detectors, that the page names."""

SETTLED = 2
"""Searches in a row that find a service before it is used: its answers are discovered later."""

RECORD = 'record'
"""The service of the recorder."""

SERVICES: Mapping[str, Any] = {
    'list_parameters': ListParameters,
    'describe_parameters': DescribeParameters,
    'get_parameters': GetParameters,
    'set_parameters_atomically': SetParametersAtomically,
    RECORD: Trigger,
}
"""The services of the detector that this connection uses, by name."""


class DetectorAbsent(ConnectionError):
    """The detector does not run, or cannot be reached."""


class DetectorLink:
    """
    Follows one detector while a page is open.

    All methods are called on the executor's thread.

    :param name: full name of the node.
    :param publish: called with the state of each subject.
    :param parameters_changed: called when the parameters must be read again.
    """

    def __init__(self, node: Node, name: str, settings: WebSettings, publish: Publish,
                 publish_picture: PublishPicture, parameters_changed: Callable[[], None]) -> None:
        self.name = name
        self._node = node
        self._settings = settings
        self._publish = publish
        self._publish_picture = publish_picture
        self._parameters_changed = parameters_changed
        self._demand = Demand()
        self._close: list[Callable[[], Any]] = []
        self._clients: dict[str, Any] = {}
        self._ready: Counter[str] = Counter()
        self._cameras: dict[str, CameraLink] = {}
        self._status: NodeStatus | None = None
        self._opened = self._last_report = self._last_status = 0.0
        self._others: set[str] = set()

    def demand(self, demand: Demand) -> None:
        """Connect or disconnect, and show other cameras."""
        self._demand = demand
        if demand.open and not self._close:
            self._open()
        if not demand.open and self._close:
            self.close()
        self._follow_cameras()

    def close(self) -> None:
        """Destroy all subscriptions and clients."""
        self._status = None
        self._follow_cameras()
        for close in self._close:
            close()
        self._close.clear()
        self._clients.clear()
        self._ready.clear()

    def client(self, service: str) -> Any:
        """
        Return the client of a service of the detector.

        :raises DetectorAbsent: the service is not there.
        """
        if service not in self._usable():
            raise DetectorAbsent(f'{self.name} does not answer: {self._absence()}')
        return self._clients[service]

    def _open(self) -> None:
        node = self._node
        self._opened = self._last_report = self._last_status = monotonic()
        self._others.clear()
        for subscription in (
            node.create_subscription(DiagnosticArray, '/diagnostics', self._read, queued_qos(),
                                     event_callbacks=without_default_callbacks()),
            node.create_subscription(ParameterEvent, '/parameter_events', self._read_event,
                                     qos_profile_parameter_events),
        ):
            self._close.append(_call(node.destroy_subscription, subscription))
        for service, kind in SERVICES.items():
            self._clients[service] = node.create_client(kind, f'{self.name}/{service}')
            self._close.append(_call(node.destroy_client, self._clients[service]))
        timer = create_steady_timer(node, FOLLOW_PERIOD, self._follow)
        self._close.append(_call(node.destroy_timer, timer))
        self._publish_state()
        self._parameters_changed()

    def _read(self, message: Any) -> None:
        for status in read_diagnostics(message):
            if status.name == self.name:
                self._take(status)
            elif len(self._others) < MAX_OTHERS:
                self._others.add(status.name)

    def _take(self, status: NodeStatus) -> None:
        before, self._status = self._status, status
        self._last_report = self._last_status = monotonic()
        self._publish('status', status_message(status))
        has_restarted = before is None or before.process.pid != status.process.pid
        if has_restarted:
            self._parameters_changed()
        if has_restarted or _topics(self.name, before) != _topics(self.name, status):
            self._follow_cameras()
            self._publish_state()

    def _read_event(self, event: Any) -> None:
        if event.node == self.name:
            self._parameters_changed()

    def _follow(self) -> None:
        """Notice that the detector is gone, and follow the publishers of images."""
        now = monotonic()
        if self._status is not None and now - self._last_report > MAX_SILENCE:
            self._status = None
            self._follow_cameras()
            self._parameters_changed()
        if self._status is None and now - self._last_status > 1:
            self._last_status = now
            self._publish('status', status_message(None))
            self._publish_state()
        self._follow_services()
        for camera in self._cameras.values():
            camera.follow()

    def _follow_services(self) -> None:
        before = self._usable()
        for service, client in self._clients.items():
            self._ready[service] = self._ready[service] + 1 if client.service_is_ready() else 0
        usable = self._usable()
        if usable ^ before:
            self._publish_state()
        if usable - before - {RECORD}:
            self._parameters_changed()

    def _usable(self) -> set[str]:
        return {service for service, times in self._ready.items() if times >= SETTLED}

    def _follow_cameras(self) -> None:
        """Open and close the cameras that are needed, and those that have changed."""
        wanted = {topics.name: topics for topics in _topics(self.name, self._status)
                  if self._demand.includes(topics.name)}
        for name, camera in list(self._cameras.items()):
            if wanted.get(name) != camera.topics:
                self._cameras.pop(name).close()
        for name, topics in wanted.items():
            if name not in self._cameras:
                self._open_camera(topics)

    def _open_camera(self, topics: CameraTopics) -> None:
        try:
            self._cameras[topics.name] = CameraLink(
                self._node, topics, self._settings, self._publish, self._publish_picture,
                self._publish_state)
        except InvalidTopicNameException as error:
            self._node.get_logger().error(
                f'the camera {printable(shorten(repr(topics), MAX_QUOTE))} cannot be shown: '
                f'{printable(shorten(str(error)))}', throttle_duration_sec=10.0)

    def _publish_state(self) -> None:
        self._publish('detector', {
            'type': 'detector', 'node': self.name, 'present': self._status is not None,
            'note': '' if self._status else self._absence(),
            'can_record': RECORD in self._usable(),
            'cameras': [self._camera_message(topics)
                        for topics in _topics(self.name, self._status)]})

    def _camera_message(self, topics: CameraTopics) -> Message:
        camera = self._cameras.get(topics.name)
        return {'name': topics.name, 'topic': topics.image,
                'picture_topic': camera.topic if camera else '',
                'note': camera.note if camera else ''}

    def _absence(self) -> str:
        if self._status is not None:
            return 'its services cannot be reached; wait, then see docs/page.md'
        if monotonic() - self._opened < MAX_SILENCE:
            return f'waiting for the first report of {self.name} on /diagnostics'
        if not self._others:
            return (f'no report of {self.name} on /diagnostics: start the detector, or set the '
                    'parameter detector to the name of its node')
        return (f'no report of {self.name} on /diagnostics; other detectors run: set the '
                f'parameter detector to {enumerate_some(sorted(self._others))}')


def _topics(name: str, status: NodeStatus | None) -> Sequence[CameraTopics]:
    """Return the topics of each camera of a detector."""
    cameras = status.cameras[:MAX_CAMERAS] if status else ()
    return [CameraTopics(camera.name, camera.topic,
                         f'{name}/{camera.name}/' if camera.name else f'{name}/')
            for camera in cameras]


def _call(function: Callable[[Any], Any], argument: Any) -> Callable[[], Any]:
    return lambda: function(argument)
