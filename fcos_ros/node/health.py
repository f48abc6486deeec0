# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state of the node and of its cameras at one moment, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fcos_ros.backends import ModelInfo
from fcos_ros.recording.recorder import RecorderStatus
from fcos_ros.runtime.node_status import ProcessStatus
from fcos_ros.runtime.statistics import FrameCounts, Percentiles


@dataclass(frozen=True)
class SubscriptionStatus:
    """
    The state of the subscription to a camera.

    :ivar topic: resolved name of the subscribed topic; before the first subscription, of the
        expected topic.
    :ivar type_name: type of the messages; empty before the first subscription.
    :ivar reliability: the requested one, 'reliable' or 'best effort'; empty before the first
        subscription.
    :ivar publishers: number of all publishers on the topic.
    :ivar problem: which publishers cannot be received, why, and the remedy; empty if all can.
    :ivar nodes: full names of the nodes of all these publishers.
    :ivar absence: that the camera has no publisher, with the remedy; empty if it has one.
    """

    topic: str
    type_name: str
    reliability: str
    publishers: int
    problem: str
    nodes: tuple[str, ...] = ()
    absence: str = ''


@dataclass(frozen=True)
class CameraHealth:
    """
    The state of one camera.

    :ivar name: empty for the only camera of a node.
    :ivar topic: the resolved name of the image topic.
    :ivar subscription: None while the node is not active.
    :ivar silence: seconds since the last image; or since its publisher appeared, if that was
        later.
    :ivar max_age: seconds after which an image expires; 0 for never.
    :ivar tiles_budget: milliseconds for an image and its tiles.
    :ivar counts_before: the counts of the last report.
    :ivar counts: the counts now.
    :ivar oddities_before: `oddities` of the last report.
    :ivar oddities: number of images for each kind of wrong stamp and each sign of several cameras;
        see `input.stamps` and `input.mixture`.
    :ivar other_users: if images are lost: the other users with shared memory of Fast DDS.
    :ivar samples: properties of the samples by name, as far as they were measured.
    :ivar mixed: for each such sign, the values that change.
    :ivar period: seconds since the last report; 0 if there was none.
    :ivar latencies: percentiles of each stage, in seconds.
    """

    name: str
    topic: str
    subscription: SubscriptionStatus | None
    silence: float
    max_age: float
    counts_before: FrameCounts
    counts: FrameCounts
    oddities_before: Mapping[str, int]
    oddities: Mapping[str, int]
    latencies: Mapping[str, Percentiles]
    samples: Mapping[str, str] = field(default_factory=dict)
    other_users: Sequence[str] = ()
    mixed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    period: float = 0.0
    tiles_budget: float = 0.0


@dataclass(frozen=True)
class RecorderHealth:
    """
    The state of the recorder.

    :ivar lost: frames that were not recorded since the last report.
    """

    status: RecorderStatus
    lost: int


@dataclass(frozen=True)
class NodeHealth:
    """
    The state of the whole node.

    :ivar state: label of the lifecycle state.
    :ivar fault: why the node is not active; empty if nothing failed.
    :ivar model: the loaded model; None if there is none.
    :ivar workers: number of workers, also of those that do not run.
    :ivar worker_faults: why workers do not run; empty if all run.
    :ivar namesakes: number of other nodes with the same full name.
    :ivar process: the process of the node; None if it was not measured.
    :ivar recorder: None if it is off.
    """

    state: str
    fault: str
    model: ModelInfo | None
    workers: int
    worker_faults: tuple[str, ...]
    cameras: tuple[CameraHealth, ...]
    namesakes: int = 0
    process: ProcessStatus | None = None
    recorder: RecorderHealth | None = None
