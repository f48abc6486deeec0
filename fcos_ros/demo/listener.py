# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that records the messages of the camera and the detector; `report` evaluates them."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.report import HeaderKey, ReceivedDetections, Recording

LATENCY_SUFFIX = ' p50/p95/p99 ms'
"""The end of the keys of latencies in the diagnostics."""


class Listener(Node):
    """
    Subscribe to `ground_truth`, to the detector's topics and to `/diagnostics`.

    :param detector: name of the detector node.
    :param node_arguments: passed to `rclpy.node.Node`.
    :ivar recording: the messages received so far.
    :ivar annotated_images: by header, received between `subscribe_to_images` and
        `unsubscribe_from_images`.
    """

    def __init__(self, detector: str = 'fcos', **node_arguments: Any) -> None:
        super().__init__('demo_listener', **node_arguments)
        self.recording = Recording()
        self.annotated_images: dict[HeaderKey, Frame] = {}
        self._detector = detector
        self._ready = False
        self._error = ''
        self._image_subscription: Subscription[Image] | None = None
        self.create_subscription(
            Detection2DArray, 'ground_truth', self._on_ground_truth, keep_all_qos(latched=True))
        self.create_subscription(
            LabelInfo, f'{detector}/label_info', self._on_labels, keep_all_qos(latched=True))
        self.create_subscription(
            Detection2DArray, f'{detector}/detections', self._on_detections, keep_all_qos())
        self.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, keep_all_qos())

    @property
    def ready(self) -> bool:
        """Whether the detector has published its labels, and so has loaded its model."""
        return self._ready

    @property
    def error(self) -> str:
        """The first error in the detector's newest diagnostics; empty when there is none."""
        return self._error

    def subscribe_to_images(self) -> None:
        """Subscribe to the annotated images, which are drawn only for a subscriber."""
        self._image_subscription = self.create_subscription(
            Image, f'{self._detector}/annotated_image', self._on_annotated_image, keep_all_qos())

    def unsubscribe_from_images(self) -> None:
        """End the subscription to the annotated images."""
        if self._image_subscription is not None:
            self.destroy_subscription(self._image_subscription)
            self._image_subscription = None

    def _on_ground_truth(self, message: Detection2DArray) -> None:
        self.recording.ground_truth[to_header_key(message.header)] = to_detections(message)

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = Time.from_msg(message.header.stamp, self.get_clock().clock_type)
        latency = (self.get_clock().now() - stamp).nanoseconds / 1e9
        header = to_header_key(message.header)
        headers = (to_header_key(detection.header) for detection in message.detections)
        mismatched = tuple(other for other in headers if other != header)
        self.recording.received.append(
            ReceivedDetections(header, mismatched, to_detections(message), latency))

    def _on_labels(self, message: LabelInfo) -> None:
        self._ready = True

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        parts = {status.name.partition(': ')[2]: status for status in message.status
                 if status.name.startswith(f'{self._detector}: ')}
        if not parts:
            return
        self.recording.frame_diagnostics = _values(parts['frames'])
        self.recording.latencies = {key[:-len(LATENCY_SUFFIX)]: value
                                    for key, value in _values(parts['latency']).items()
                                    if key.endswith(LATENCY_SUFFIX)}
        self._error = next((status.message for status in parts.values()
                            if status.level >= DiagnosticStatus.ERROR), '')

    def _on_annotated_image(self, message: Image) -> None:
        self.annotated_images[to_header_key(message.header)] = Frame.wrap(
            message.data, Size(message.width, message.height), message.encoding, message.step)


def keep_all_qos(latched: bool = False) -> QoSProfile:
    """
    Return a reliable profile that keeps every message.

    :param latched: also request messages from before the subscription. The publisher must be
        latched, too.
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE,
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE))


def to_header_key(header: Header) -> HeaderKey:
    """Convert the header of a message to a value."""
    return HeaderKey(header.stamp.sec, header.stamp.nanosec, header.frame_id)


def to_detections(message: Detection2DArray) -> Detections:
    """Convert a message, with one hypothesis for each box, to detections."""
    rows = [(*_corners(detection.bbox), detection.results[0].hypothesis.score,
             int(detection.results[0].hypothesis.class_id)) for detection in message.detections]
    columns = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(columns[:, :4].astype(np.float32), columns[:, 4].astype(np.float32),
                      columns[:, 5].astype(np.int32))


def _corners(box: Any) -> tuple[float, float, float, float]:
    x, y = box.center.position.x, box.center.position.y
    half_width, half_height = box.size_x / 2, box.size_y / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def _values(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}
