# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The speed of a running detector, measured from outside.

The rates of images, the fates of frames and the CPU time of the detector are those of its reports;
they are right on any machine and in any container. Its detections are timed on arrival.

Jitter is the difference between two successive intervals, without its sign. This is the definition
of ros2_benchmark, and `ros2_benchmark_metrics` has its names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import statistics

import numpy as np

from fcos_ros.inspection.waterfall import WHOLE
from fcos_ros.runtime.node_status import CameraStatus, NodeStatus
from fcos_ros.runtime.statistics import EXPIRED, FAILED, FATES, SUPERSEDED, Percentiles

MAX_CLOCK_DIFFERENCE = 60.0
"""Maximum seconds between stamps and arrivals; stamps beyond it are of another clock."""

LOST = (SUPERSEDED, EXPIRED, FAILED, 'missed')
"""The fates of frames without detections."""


class NodeSpeedError(RuntimeError):
    """A detector does not report, or ends while it is measured."""


@dataclass(frozen=True)
class Arrival:
    """The stamp of detections, and the moment of their arrival; both in seconds of the epoch."""

    stamp: float
    moment: float


@dataclass(frozen=True)
class Spread:
    """The distribution of some times, in milliseconds."""

    minimum: float
    mean: float
    p50: float
    p95: float
    p99: float
    maximum: float
    deviation: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread | None:
        """Summarise times; None if there are none."""
        if not len(seconds):
            return None
        times = 1000 * np.asarray(seconds)
        p50, p95, p99 = np.percentile(times, (50, 95, 99))
        return cls(*map(float, (
            times.min(), times.mean(), p50, p95, p99, times.max(), times.std())))


@dataclass(frozen=True)
class CameraSpeed:
    """
    The speed of one camera of a detector.

    :ivar name: empty for the only camera of a node.
    :ivar topic: of its images.
    :ivar seconds: between the two reports whose counts were compared.
    :ivar sent: images that the camera sent in these seconds, as far as the detector knows.
    :ivar counts: frames by fate; frames that are still in work have none.
    :ivar in_flight_change: frames in work at the last report, less those at the first. It, the
        frames by fate and the missed ones add up to `sent`; it is negative if frames that were
        received before have met their fate.
    :ivar image_rate: received images per second; likewise `detection_rate`.
    :ivar received_seconds: from the first detections to the last.
    :ivar latency: from the stamp of an image to the arrival of its detections; None if there are
        no detections, or if their stamps are of another clock.
    :ivar first_latency: of the first detections in milliseconds; likewise `last_latency`.
    :ivar jitter: of the arrivals; None if there are fewer than three.
    :ivar clock_difference: median seconds from the stamps to the arrivals.
    :ivar stages: percentiles of each stage in the detector, in seconds; those of the whole last.
    """

    name: str
    topic: str
    seconds: float
    sent: int
    counts: Mapping[str, int]
    in_flight_change: int
    image_rate: float
    detection_rate: float
    received_seconds: float
    latency: Spread | None
    first_latency: float | None
    last_latency: float | None
    jitter: Spread | None
    clock_difference: float | None
    stages: Mapping[str, Percentiles]

    @property
    def lost(self) -> int:
        """The number of images without detections."""
        return sum(self.counts[fate] for fate in LOST)

    @property
    def lost_share(self) -> float:
        """The share of the sent images without detections, from 0 to 1."""
        return self.lost / self.sent if self.sent else 0.0


@dataclass(frozen=True)
class NodeSpeed:
    """
    The speed of a detector, and its state at the end.

    :ivar cpu: CPU cores that the detector and its workers used, in the mean; None if unknown.
    :ivar machine_cpu: CPU load of its machine in percent, once a second; empty if the detector
        runs on another machine.
    """

    status: NodeStatus
    seconds: float
    cpu: float | None
    machine_cpu: Sequence[float]
    cameras: Sequence[CameraSpeed]

    @property
    def cpu_per_frame(self) -> float | None:
        """CPU time for each published frame of all cameras in milliseconds; None if unknown."""
        rate = sum(camera.counts['published'] / camera.seconds for camera in self.cameras)
        return 1000 * self.cpu / rate if rate and self.cpu is not None else None


def node_speed(reports: Sequence[NodeStatus], seconds: float,
               arrivals: Mapping[str, Sequence[Arrival]],
               machine_cpu: Sequence[float] = ()) -> NodeSpeed:
    """
    Return the speed of a detector between its first report and its last one.

    :param reports: at least two.
    :param seconds: between the first report and the last one; above 0.
    :param arrivals: of the detections of each camera, by its name.
    :param machine_cpu: see `NodeSpeed`.
    :raises NodeSpeedError: the reports are of two processes.
    """
    first, last = reports[0], reports[-1]
    if first.process.pid != last.process.pid or first.process.uptime > last.process.uptime:
        raise NodeSpeedError(f'{first.name} has been restarted while it was measured')
    before = {camera.name: camera for camera in first.cameras}
    used = [report.process.cpu for report in reports[1:] if report.process.cpu is not None]
    return NodeSpeed(
        last, seconds, statistics.mean(used) if used else None, machine_cpu,
        [_camera(before[camera.name], camera, seconds, arrivals.get(camera.name, ()))
         for camera in last.cameras if camera.name in before])


def _camera(before: CameraStatus, after: CameraStatus, seconds: float,
            arrivals: Sequence[Arrival]) -> CameraSpeed:
    counts = {fate: getattr(after.counts, fate) - getattr(before.counts, fate)
              for fate in (*FATES, 'missed')}
    received = after.counts.received - before.counts.received
    moments = np.array([arrival.moment for arrival in arrivals])
    intervals = np.diff(moments)
    latencies = [arrival.moment - arrival.stamp for arrival in arrivals]
    difference = statistics.median(latencies) if latencies else None
    if difference is not None and abs(difference) > MAX_CLOCK_DIFFERENCE:
        latencies = []
    return CameraSpeed(
        after.name, after.topic, seconds, sent=received + counts['missed'], counts=counts,
        in_flight_change=after.counts.in_flight - before.counts.in_flight,
        image_rate=received / seconds,
        detection_rate=float(1 / intervals.mean()) if intervals.any() else 0.0,
        received_seconds=float(intervals.sum()), latency=Spread.of(latencies),
        first_latency=1000 * latencies[0] if latencies else None,
        last_latency=1000 * latencies[-1] if latencies else None,
        jitter=Spread.of(np.abs(np.diff(intervals)).tolist()),
        clock_difference=difference,
        stages=dict(sorted(after.stages.items(), key=lambda entry: entry[0] in WHOLE)))


def ros2_benchmark_metrics(
    camera: CameraSpeed, machine_cpu: Sequence[float] = (),
) -> dict[str, float]:
    """
    Return the results of a camera under the names that ros2_benchmark gives them.

    Times are in milliseconds, and the CPU utilisation is that of the whole machine in percent. A
    value that is unknown is left out.
    """
    return {**{f'BasicPerformanceMetrics.{name}': value
               for name, value in _performance(camera) if value is not None},
            **{f'ResourceMetrics.{name}_OVERALL_CPU_UTILIZATION': value
               for name, value in _resources(machine_cpu)}}


def _performance(camera: CameraSpeed) -> Iterator[tuple[str, float | None]]:
    yield 'RECEIVED_DURATION', 1000 * camera.received_seconds
    yield 'MEAN_PLAYBACK_FRAME_RATE', camera.sent / camera.seconds
    yield 'MEAN_FRAME_RATE', camera.detection_rate
    yield 'NUM_MISSED_FRAMES', camera.lost
    yield 'NUM_FRAMES_SENT', camera.sent
    yield 'FIRST_INPUT_LATENCY', camera.first_latency
    yield 'LAST_INPUT_LATENCY', camera.last_latency
    for name, spread in (('LATENCY', camera.latency), ('JITTER', camera.jitter)):
        if spread is not None:
            yield f'MAX_{name}', spread.maximum
            yield f'MIN_{name}', spread.minimum
            yield f'MEAN_{name}', spread.mean
    if camera.jitter is not None:
        yield 'STD_DEV_JITTER', camera.jitter.deviation


def _resources(machine_cpu: Sequence[float]) -> Iterator[tuple[str, float]]:
    if machine_cpu:
        yield 'MAX', max(machine_cpu)
        yield 'MIN', min(machine_cpu)
        yield 'MEAN', statistics.mean(machine_cpu)
        yield 'STDDEV', statistics.pstdev(machine_cpu)
