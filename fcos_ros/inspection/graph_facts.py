# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Facts about the ROS graph around the detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fcos_ros.core.frame import Frame
from fcos_ros.inspection.finding import Severity
from fcos_ros.runtime.node_status import CameraStatus, NodeStatus, Problem


@dataclass(frozen=True)
class Endpoint:
    """
    A publisher or a subscription.

    :ivar node: full name of its node.
    :ivar reliable: whether it offers or requests reliable transport; likewise `durable`.
    :ivar remote: whether it is on another machine; False if that is unknown.
    """

    node: str
    topic: str
    type_name: str
    reliable: bool = True
    durable: bool = False
    remote: bool = False


@dataclass(frozen=True)
class ImageSample:
    """
    The images that were received on a topic during the inspection.

    :ivar size: bytes of the largest message.
    """

    count: int
    seconds: float
    size: int = 0


@dataclass(frozen=True)
class CameraFacts:
    """
    A camera of a detector.

    :ivar before: its first report; `after` is the last.
    :ivar publishers: of its image topic.
    :ivar consumers: the subscriptions to its detections.
    """

    before: CameraStatus
    after: CameraStatus
    publishers: tuple[Endpoint, ...] = ()
    consumers: tuple[Endpoint, ...] = ()
    sample: ImageSample = ImageSample(0, 0.0)

    @property
    def name(self) -> str:
        """The name of the camera; empty for the only one of a node."""
        return self.after.name

    @property
    def relative_topic(self) -> str:
        """The name of its topic that a user remaps."""
        return f'{self.name}/image' if self.name else 'image'

    @property
    def published(self) -> int:
        """Number of messages with detections during the inspection."""
        return self.after.counts.published - self.before.counts.published


@dataclass(frozen=True)
class DetectorFacts:
    """
    A detector that reports on `/diagnostics`.

    :ivar status: its last report.
    :ivar problems: all problems of all its reports, each once.
    :ivar instances: number of processes that report under its name.
    :ivar parameters: its parameters by name; empty if it did not answer.
    """

    status: NodeStatus
    cameras: tuple[CameraFacts, ...]
    problems: tuple[Problem, ...] = ()
    instances: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphFacts:
    """
    The graph around the detectors.

    :ivar domain: the ROS domain.
    :ivar seconds: how long it was watched.
    :ivar only: full name of the one detector that was looked at; empty for all.
    :ivar known: names of all detectors that report.
    :ivar silent: nodes that publish detections as ours do, and no reports.
    :ivar image_topics: topics with images, the likeliest ones first.
    :ivar clock: whether simulated time is published.
    :ivar others: problems that other programs report, by the name of their status.
    """

    domain: str
    seconds: float
    only: str = ''
    known: tuple[str, ...] = ()
    detectors: tuple[DetectorFacts, ...] = ()
    silent: tuple[str, ...] = ()
    image_topics: tuple[str, ...] = ()
    clock: bool = False
    others: Mapping[str, Problem] = field(default_factory=dict)

    @property
    def by_network(self) -> bool:
        """Whether images come from another machine."""
        return any(publisher.remote for detector in self.detectors
                   for camera in detector.cameras for publisher in camera.publishers)


@dataclass(frozen=True)
class LiveFrame:
    """
    The newest image of a camera.

    :ivar node: full name of the detector.
    :ivar frame: None if there is none, or if it is damaged.
    """

    node: str
    camera: str
    frame: Frame | None


@dataclass(frozen=True)
class GraphView:
    """A graph that was looked at, and the newest image of each camera."""

    facts: GraphFacts
    frames: Sequence[LiveFrame] = ()


@dataclass(frozen=True)
class MissingGraph:
    """
    The reason for which the graph was not looked at.

    :ivar cure: the command that mends it, or that shows where to mend it.
    """

    severity: Severity
    reason: str
    cure: str
