# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Listen to the detectors of a graph for a while, for a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.node.observer.session import Session
from fcos_ros.node.qos import latched_qos, latest_qos, queued_qos
from fcos_ros.runtime.node_status import NodeStatus
from fcos_ros.settings.schema import Settings

ADD = Callable[[str, str, float, Any], None]
"""Takes topic, type, time in seconds and message."""

KEEP = Callable[[str, int, bytes], None]

SERVICE_TIMEOUT = 5.0
"""Seconds to wait for the parameters of a node."""

_FIELDS = {
    ParameterType.PARAMETER_BOOL: 'bool_value', ParameterType.PARAMETER_INTEGER: 'integer_value',
    ParameterType.PARAMETER_DOUBLE: 'double_value', ParameterType.PARAMETER_STRING: 'string_value',
    ParameterType.PARAMETER_STRING_ARRAY: 'string_array_value',
    ParameterType.PARAMETER_INTEGER_ARRAY: 'integer_array_value'}


class Observation:
    """
    Subscriptions to the outputs of the detectors in a graph.

    :param add: is called with each message.
    :param keep: is called with prefix of the topic, stamp in nanoseconds and JPEG file of each
        annotated image; None leaves them unsubscribed, so that no detector draws them.
    """

    def __init__(
        self, session: Session, add: ADD, keep: KEEP | None,
    ) -> None:
        self._session, self._add, self._keep = session, add, keep
        session.node.create_subscription(
            DiagnosticArray, '/diagnostics',
            partial(self._receive, '/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray'),
            QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE))

    def follow(self, status: NodeStatus) -> None:
        """Subscribe to the outputs of all cameras of a node."""
        for camera in status.cameras:
            self._subscribe(f'{status.name}/{camera.name}'.rstrip('/'))

    def settings(self, status: NodeStatus) -> Mapping[str, Mapping[str, Any]]:
        """Return the parameters of a node by camera; empty if it does not answer in time."""
        client: Client[Any, Any] = self._session.node.create_client(
            GetParameters, f'{status.name}/get_parameters')
        cameras = [camera.name for camera in status.cameras] or ['']
        names = [f'{camera}.{name}' if camera else name for camera in ('', *filter(None, cameras))
                 for name in Settings.options()]
        if not self._session.wait(SERVICE_TIMEOUT, client.service_is_ready):
            return {}
        future = client.call_async(GetParameters.Request(names=names))
        if not self._session.wait(SERVICE_TIMEOUT, future.done):
            return {}
        response = future.result()
        values = dict(zip(names, map(_value, response.values if response else ())))
        return {camera or status.name: {
            name: values[f'{camera}.{name}'] if values.get(f'{camera}.{name}') is not None
            else values[name] for name in Settings.options() if values.get(name) is not None}
            for camera in cameras}

    def _subscribe(self, stream: str) -> None:
        node = self._session.node
        for name, message_type, type_name, qos in (
                ('detections', Detection2DArray, 'vision_msgs/msg/Detection2DArray',
                 queued_qos()),
                ('label_info', LabelInfo, 'vision_msgs/msg/LabelInfo', latched_qos())):
            topic = f'{stream}/{name}'
            node.create_subscription(message_type, topic, partial(self._receive, topic, type_name),
                                     qos)
        if self._keep:
            node.create_subscription(
                CompressedImage, f'{stream}/annotated_image/compressed',
                partial(self._receive_picture, stream, self._keep), latest_qos())

    def _receive(self, topic: str, type_name: str, message: Any) -> None:
        self._add(topic, type_name, time(), message)

    def _receive_picture(
        self, stream: str, keep: KEEP, message: CompressedImage,
    ) -> None:
        stamp = message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
        keep(stream, stamp, bytes(message.data))


def _value(value: ParameterValue) -> Any:
    if value.type not in _FIELDS:
        return None
    field = _FIELDS[value.type]
    found = getattr(value, field)
    return tuple(found) if field.endswith('array_value') else found
