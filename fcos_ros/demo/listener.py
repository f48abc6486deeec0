# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that writes down what the camera and the detector say; judges nothing (see `report`)."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header as HeaderMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.report import Answer, Header, Record

PERCENTILES = ' p50/p95/p99 ms'
"""How the names of the latencies in the diagnostics end."""


class Listener(Node):
    """
    Listens to `ground_truth`, to the detector's topics and to `/diagnostics`.

    :param detector: name of the detector node.
    :param node_arguments: passed on to `rclpy.node.Node`.
    :ivar record: what was heard so far.
    :ivar pictures: annotated images by header, while `watch` is on.
    """

    def __init__(self, detector: str = 'fcos', **node_arguments: Any) -> None:
        super().__init__('demo_listener', **node_arguments)
        self.record = Record()
        self.pictures: dict[Header, Frame] = {}
        self._detector = detector
        self._labelled = False
        self._fault = ''
        self._viewer: Subscription[Image] | None = None
        self.create_subscription(
            Detection2DArray, 'ground_truth', self._on_truth, keep_all(latched=True))
        self.create_subscription(
            LabelInfo, f'{detector}/label_info', self._on_labels, keep_all(latched=True))
        self.create_subscription(
            Detection2DArray, f'{detector}/detections', self._on_detections, keep_all())
        self.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, keep_all())

    @property
    def ready(self) -> bool:
        """Whether the detector has a model and looks out for the camera."""
        return self._labelled

    @property
    def fault(self) -> str:
        """The first error in the detector's newest diagnostics, empty when there is none."""
        return self._fault

    def watch(self) -> None:
        """Ask for annotated images, which are drawn only while somebody does."""
        self._viewer = self.create_subscription(
            Image, f'{self._detector}/annotated_image', self._on_picture, keep_all())

    def unwatch(self) -> None:
        """Ask no longer."""
        if self._viewer is not None:
            self.destroy_subscription(self._viewer)
            self._viewer = None

    def _on_truth(self, message: Detection2DArray) -> None:
        self.record.truths[to_header(message.header)] = to_detections(message)

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = Time.from_msg(message.header.stamp, self.get_clock().clock_type)
        latency = (self.get_clock().now() - stamp).nanoseconds / 1e9
        header = to_header(message.header)
        headers = (to_header(detection.header) for detection in message.detections)
        strays = tuple(other for other in headers if other != header)
        self.record.answers.append(Answer(header, strays, to_detections(message), latency))

    def _on_labels(self, message: LabelInfo) -> None:
        self._labelled = True

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        parts = {status.name.partition(': ')[2]: status for status in message.status
                 if status.name.startswith(f'{self._detector}: ')}
        if not parts:
            return
        self.record.frames = _values(parts['frames'])
        self.record.stages = {key[:-len(PERCENTILES)]: value
                              for key, value in _values(parts['latency']).items()
                              if key.endswith(PERCENTILES)}
        self._fault = next((status.message for status in parts.values()
                            if status.level >= DiagnosticStatus.ERROR), '')

    def _on_picture(self, message: Image) -> None:
        self.pictures[to_header(message.header)] = Frame.wrap(
            message.data, Size(message.width, message.height), message.encoding, message.step)


def keep_all(latched: bool = False) -> QoSProfile:
    """Lose nothing, and hear what was said before if `latched` (the speaker must be, too)."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE,
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE))


def to_header(message: HeaderMessage) -> Header:
    """See a header message as a value."""
    return Header(message.stamp.sec, message.stamp.nanosec, message.frame_id)


def to_detections(message: Detection2DArray) -> Detections:
    """See a message of centred boxes as detections with corners; one hypothesis each."""
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
