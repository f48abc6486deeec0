# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One output topic: a function from the detections of a frame to a message, and a publisher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.messages.headers import ImageHeader
from fcos_ros.runtime.detector import StageTimes
from fcos_ros.runtime.streams import Outcome


@dataclass(frozen=True)
class FrameDetections:
    """
    The detections in one frame.

    :ivar header: the header of the image.
    :ivar detections: in pixels of the frame.
    :ivar times: seconds of each stage.
    :ivar arrived: when the frame arrived, on the clock of `perf_counter`.
    :ivar waited: seconds from then until a worker was free.
    """

    frame: Frame
    header: ImageHeader
    detections: Detections
    times: StageTimes
    arrived: float
    waited: float

    @classmethod
    def of(
        cls, outcome: Outcome[ImageHeader], times: StageTimes, detections: Detections,
    ) -> FrameDetections:
        """Return the outcome of a frame with the given detections."""
        job = outcome.job
        return cls(job.frame, job.context, detections, times, job.arrived, outcome.waited)


class Output(Protocol):
    """Publish the detections of frames on one topic or several, until `close`."""

    def wanted(self) -> bool:
        """Return whether there is a subscriber."""
        ...

    def publish(self, found: FrameDetections) -> None:
        """Publish the detections of a frame."""
        ...

    def report(self, error: Exception) -> None:
        """Log, at most once a second, that a frame could not be published."""
        ...

    def close(self) -> None:
        """Destroy the publishers."""
        ...


class OutputPublisher:
    """
    An output with one topic.

    :param message_type: the class of its messages.
    :param to_message: converts the detections of a frame to a message or to its bytes; called once
        for each published frame.
    :param forget: called while there is no subscriber, to reset the state of `to_message`.
    :raises ValueError: the user's `qos_overrides` are not accepted.
    """

    def __init__(
        self, node: LifecycleNode, message_type: Any, topic: str, qos: QoSProfile,
        to_message: Callable[[FrameDetections], Any], forget: Callable[[], None] | None = None,
    ) -> None:
        self._node = node
        self._to_message = to_message
        self._forget = forget
        self._publisher = open_publisher(node, message_type, topic, qos)

    def wanted(self) -> bool:
        """Return whether there is a subscriber."""
        wanted = bool(self._publisher.get_subscription_count())
        if self._forget and not wanted:
            self._forget()
        return wanted

    def publish(self, found: FrameDetections) -> None:
        """Publish the detections of a frame."""
        self._publisher.publish(self._to_message(found))

    def report(self, error: Exception) -> None:
        """Log, at most once a second, that a frame could not be published."""
        log_unpublished(self._node, self._publisher.topic_name, error)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def open_publisher(
    node: LifecycleNode, message_type: Any, topic: str, qos: QoSProfile,
) -> Any:
    """
    Create a publisher that publishes only while the node is active; users may override its QoS.

    :raises ValueError: the user's `qos_overrides` are not accepted.
    """
    options = QoSOverridingOptions.with_default_policies()
    try:
        return node.create_lifecycle_publisher(
            message_type, topic, qos, qos_overriding_options=options)
    except RuntimeError as error:
        name = node.resolve_topic_name(topic)
        raise ValueError(f'cannot publish {name}: {error}; see the parameters qos_overrides.'
                         f'{name}.publisher') from error


def log_unpublished(node: LifecycleNode, topic: str, error: Exception) -> None:
    """Log, at most once a second, that a frame could not be published."""
    node.get_logger().error(f'cannot publish {topic}: {error}', throttle_duration_sec=1.0)
