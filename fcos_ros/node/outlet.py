# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One topic that tells, frame by frame, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.runtime.detector import StageTimes
from fcos_ros.runtime.lane import Outcome


@dataclass(frozen=True)
class Finding:
    """
    A frame and what was found in it.

    :ivar header: the image's own.
    :ivar detections: in pixels of the frame.
    :ivar times: seconds of each stage of the work.
    :ivar arrived: when the frame came in, on the clock of `perf_counter`.
    :ivar waited: seconds from then until a worker was free.
    """

    frame: Frame
    header: Header
    detections: Detections
    times: StageTimes
    arrived: float
    waited: float

    @classmethod
    def of(cls, outcome: Outcome[Header], times: StageTimes, detections: Detections) -> Finding:
        """See an outcome, with what is left of its detections."""
        job = outcome.job
        return cls(job.frame, job.ticket, detections, times, job.arrived, outcome.waited)


class Outlet:
    """
    A publisher that is used from construction to `close`; what it says, subclasses know.

    :param kind: the type of its messages.
    """

    def __init__(self, node: LifecycleNode, kind: Any, topic: str, qos: QoSProfile) -> None:
        self._node = node
        self._publisher = open_publisher(node, kind, topic, qos)

    @property
    def topic(self) -> str:
        """The resolved name."""
        return str(self._publisher.topic_name)

    def wanted(self) -> bool:
        """Tell whether anybody listens."""
        return bool(self._publisher.get_subscription_count())

    def publish(self, finding: Finding) -> None:
        """Publish what was found in a frame."""
        self._publisher.publish(self.message(finding))

    def message(self, finding: Finding) -> Any:
        """Say what was found in a frame."""
        raise NotImplementedError

    def complain(self, error: Exception) -> None:
        """Say in the log, now and then, that something could not be published."""
        self._node.get_logger().error(
            f'nothing new on {self.topic}: {error}', throttle_duration_sec=1.0)

    def close(self) -> None:
        """Publish no more."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def open_publisher(node: LifecycleNode, kind: Any, topic: str, qos: QoSProfile) -> Any:
    """
    Make a publisher that is silent while the node is not active, its QoS the user's to set.

    :raises ValueError: when what the user set is not accepted.
    """
    options = QoSOverridingOptions.with_default_policies()
    try:
        return node.create_lifecycle_publisher(kind, topic, qos, qos_overriding_options=options)
    except RuntimeError as error:
        name = node.resolve_topic_name(topic)
        raise ValueError(f'cannot publish {name}, see the parameters qos_overrides.{name}.'
                         f'publisher: {error}') from error
