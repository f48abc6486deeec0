# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Process the images of one camera: from a message to a frame, the pool, and the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock
from time import monotonic, perf_counter
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.logging import get_logger

from fcos_ros.backends import ModelInfo
from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.samples import SampleProperties
from fcos_ros.core.selection import reapply_criteria
from fcos_ros.core.tracking import Tracker
from fcos_ros.messages.headers import ImageHeader
from fcos_ros.messages.images import Source, check_frame_id
from fcos_ros.node.health import CameraHealth
from fcos_ros.node.input.message_types import image_header
from fcos_ros.node.input.mixture import FRAME_IDS, SIZES, MixtureChecker
from fcos_ros.node.input.shared_memory import other_users
from fcos_ros.node.input.stamps import StampChecker, to_seconds
from fcos_ros.node.input.subscription import CameraSubscription
from fcos_ros.node.output.outputs import CameraOutputs
from fcos_ros.node.output.publisher import FrameDetections
from fcos_ros.node.output.vision_info import VersionCounter
from fcos_ros.node.problem_log import RepeatedWarning
from fcos_ros.node.recorder import CameraRecorder, NodeRecorder
from fcos_ros.runtime.pool import Pool
from fcos_ros.runtime.statistics import EXPIRED, FAILED, FrameStatistics
from fcos_ros.runtime.streams import Job, Outcome, Stream
from fcos_ros.settings.criteria import ActiveCriteria, to_criteria, to_tracker_settings
from fcos_ros.settings.schema import Settings

FLAWED = 'image file has flaws'
"""The key of the number of images about which their decoder has warned."""

BIT_DEPTH = 'bit_depth'
"""The parameter that states the bits of samples."""


class Camera:
    """
    One camera of the node. Its statistics continue when the node is deactivated and activated.

    :param name: prefix of its topics; empty for the only camera of a node.
    """

    def __init__(self, node: LifecycleNode, name: str, settings: Settings) -> None:
        self._node = node
        # Each logger counts `once` and `throttle_duration_sec` for itself.
        self._logger = get_logger(node.get_logger().name)
        self._name = name
        self._settings = settings
        self._topic = f'{name}/image' if name else 'image'
        self._statistics = FrameStatistics()
        self._reported_counts = self._statistics.counts()
        self._reported = 0.0
        self._stamps = StampChecker(node.get_clock())
        self._mixture = MixtureChecker()
        self._flawed = 0
        self._warnings = RepeatedWarning(node)
        self._reported_oddities = self._oddities()
        self._samples = SampleProperties()
        # Images arrive on their own thread; `health` reads the facts about them on the executor's.
        self._arrival = Lock()
        self._active = ActiveCriteria()
        self._tracker = Tracker()
        self._versions = VersionCounter()
        self._model: ModelInfo | None = None
        self._outputs: CameraOutputs | None = None
        self._recorder: CameraRecorder | None = None
        self._pool: Pool | None = None
        self._stream: Stream[ImageHeader] | None = None
        self._subscription: CameraSubscription | None = None

    def open(self, model: ModelInfo, recorder: NodeRecorder) -> None:
        """
        Create the publishers.

        :param recorder: records the frames; it is open.
        :raises ValueError: the settings name classes that the model lacks, or the user's
            `qos_overrides` are not accepted.
        """
        to_criteria(self._settings, model)
        prefix = f'~/{self._name}/' if self._name else '~/'
        self._model = model
        self._outputs = CameraOutputs(self._node, prefix, model, self._versions)
        self._recorder = recorder.camera(self._name, self._settings)

    def start(self, pool: Pool) -> None:
        """Subscribe to the images, and submit them to the pool."""
        self._pool = pool
        self._stream = pool.open_stream(
            partial(self._deliver, pool), self._statistics, self._dropped)
        self.apply(self._settings)
        self._subscription = CameraSubscription(
            self._node, self._topic, self._settings.transport, self._settings.reliability,
            self._receive)

    def apply(self, settings: Settings) -> None:
        """Use these settings from now on, also for frames in work."""
        self._settings = settings
        if self._stream is None:
            return
        assert self._model is not None
        assert self._outputs is not None
        self._active = active = ActiveCriteria.of(settings, self._model)
        self._tracker.settings = to_tracker_settings(settings)
        self._stream.criteria, self._stream.weight = active.decoded, settings.weight
        self._stream.tiling = active.tiling
        self._outputs.apply(settings, active.decoded)

    def unsubscribe(self) -> None:
        """Stop receiving images."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def leave_pool(self) -> None:
        """Forget the pool after it has stopped."""
        self._pool = self._stream = None

    def close(self) -> None:
        """Destroy the publishers."""
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = self._model = self._recorder = None

    def health(self) -> CameraHealth:
        """Return its state, with the counts of the last call."""
        with self._arrival:
            oddities = self._oddities()
            mixed = {kind: self._mixture.values(kind) for kind in self._mixture.mixtures}
        counts_before, self._reported_counts = self._reported_counts, self._statistics.counts()
        oddities_before, self._reported_oddities = self._reported_oddities, oddities
        counts = self._reported_counts
        reported, self._reported = self._reported, monotonic()
        loses = counts.received == counts_before.received or counts.missed > counts_before.missed
        return CameraHealth(
            name=self._name, topic=self._node.resolve_topic_name(self._topic),
            subscription=self._subscription.status() if self._subscription else None,
            silence=self._subscription.silence if self._subscription else 0.0,
            max_age=self._settings.max_age, tiles_budget=self._settings.tiles_budget,
            counts_before=counts_before, counts=counts,
            oddities_before=oddities_before, oddities=oddities,
            latencies=self._statistics.percentiles(), samples=self._samples.describe(),
            other_users=other_users() if loses else (),
            mixed=mixed,
            period=self._reported - reported if reported else 0.0)

    def _oddities(self) -> Mapping[str, int]:
        flaws = {FLAWED: self._flawed} if self._flawed else {}
        return {**self._stamps.odd_stamps, **self._mixture.mixtures, **flaws}

    def _receive(self, source: Source, message: Any, missing: int) -> None:
        self._statistics.count_received(missing)
        header = image_header(source, message)
        with self._arrival:
            self._stamps.check(header.stamp)
        if self._expired(header):
            self._statistics.count_expired()
            self._refused(header, EXPIRED)
            return
        try:
            check_frame_id(header.frame_id)
            frame = self._samples.complete(
                source.read(message), self._settings.bit_depth, self._settings.nv12_range)
        except FrameError as error:
            self._log_failure(error)
            self._statistics.count_failed(error)
            self._refused(header, FAILED, error)
            return
        if frame.trailing_bytes:
            self._logger.warning(
                f'images on {self._topic} are followed by {frame.trailing_bytes} bytes, which are '
                'ignored; if colours are wrong, let the camera send rows without padding',
                once=True)
        with self._arrival:
            self._mixture.check(FRAME_IDS, header.frame_id)
            self._mixture.check(SIZES, frame.size)
        assert self._pool is not None
        assert self._stream is not None
        self._pool.submit(self._stream, frame, header, partial(self._expired, header))

    def _expired(self, header: ImageHeader) -> bool:
        limit = self._settings.max_age
        if not limit:
            return False
        age = self._stamps.age(header.stamp)
        return age is not None and age > limit

    def _refused(self, header: ImageHeader, fate: str, error: Exception | None = None) -> None:
        """Record a message that has not become a frame."""
        if self._recorder is not None:
            self._recorder.refused(header, self._settings, fate, error)

    def _dropped(self, job: Job[ImageHeader], fate: str, error: Exception | None) -> None:
        """Record a frame that no worker has taken."""
        if self._recorder is not None:
            self._recorder.dropped(job, self._settings, fate, error)

    def _deliver(self, pool: Pool, outcome: Outcome[ImageHeader]) -> None:
        """Publish the outcome of a frame, and record it."""
        active, start = self._active, perf_counter()
        error, found = outcome.error, None
        try:
            found = self._publish(pool, outcome, active)
        except Exception as failure:
            error = failure
            raise
        finally:
            self._record(outcome, active, found, error, start)

    def _record(
        self, outcome: Outcome[ImageHeader], active: ActiveCriteria, found: Detections | None,
        error: Exception | None, start: float,
    ) -> None:
        """Record a frame that a worker has taken; `start` is that of its delivery."""
        if self._recorder is None or not self._recorder.is_on:
            return
        end, age = perf_counter(), self._stamps.plausible_age(outcome.job.context.stamp)
        times = {'publish': end - start, 'total': end - outcome.job.arrived}
        self._recorder.finished(outcome, active, found, error,
                                times if age is None else {**times, 'age': age})

    def _publish(
        self, pool: Pool, outcome: Outcome[ImageHeader], active: ActiveCriteria,
    ) -> Detections | None:
        """Publish the detections of a frame and return them; None if it has failed."""
        result, header = outcome.result, outcome.job.context
        if result is None:
            self._log_failure(outcome.error)
            return None
        # A hung worker may finish a frame after the node was deactivated and activated again.
        if pool is not self._pool or self._outputs is None:
            raise TimeoutError('finished only after the node was deactivated')
        if result.warnings:
            self._report_warnings(result.warnings)
        if self._samples.learn(result.measured):
            self._log_samples()
        self._check_bit_depth()
        found = self._select(result.detections, outcome, active)
        self._outputs.publish(FrameDetections.of(outcome, result.times, found))
        age = self._stamps.plausible_age(header.stamp)
        if age is not None:
            self._statistics.add_times(age=age)
        return found

    def _select(
        self, found: Detections, outcome: Outcome[ImageHeader], active: ActiveCriteria,
    ) -> Detections:
        """Return the detections that the present criteria accept; track them if it is on."""
        job = outcome.job
        if outcome.criteria is not active.decoded:
            found = reapply_criteria(found, active.decoded, job.frame.size)
        if not active.settings.track:
            return found
        # Images without a usable stamp are tracked by their time of arrival.
        stamp = to_seconds(job.context.stamp) if self._stamps.in_order else 0.0
        return self._tracker.update(found, stamp or job.arrived, active.wanted)

    def _report_warnings(self, warnings: Sequence[str]) -> None:
        """Report what the decoder of image files has printed."""
        self._flawed += 1
        topic = self._node.resolve_topic_name(self._topic)
        self._warnings.warn(
            FLAWED, f'image files of {topic} have flaws and are used: {"; ".join(warnings)}')

    def _log_samples(self) -> None:
        camera = f' of {self._name}' if self._name else ''
        facts = ', '.join(f'{name}: {value}' for name, value in self._samples.describe().items())
        self._node.get_logger().info(f'images{camera}: {facts}')

    def _check_bit_depth(self) -> None:
        """Report samples of more bits than are stated, as they become white."""
        stated, highest = self._settings.bit_depth, self._samples.highest
        if stated and highest >= 2**stated:
            topic = self._node.resolve_topic_name(self._topic)
            self._warnings.warn(
                BIT_DEPTH, f'images of {topic} have samples up to {highest}, but {BIT_DEPTH} is '
                f'{stated}, so all above {2**stated - 1} become white; set {BIT_DEPTH} to 0 to '
                'measure it')

    def _log_failure(self, error: Exception | None) -> None:
        camera = f' of {self._name}' if self._name else ''
        self._logger.error(f'a frame{camera} failed: {error}', throttle_duration_sec=1.0)
