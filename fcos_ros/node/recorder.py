# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The flight recorder of the node: its service, and the frames of each camera for it."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter, time_ns
from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger

from fcos_ros.backends import ModelInfo
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.messages.headers import ImageHeader
from fcos_ros.node.health import RecorderHealth
from fcos_ros.node.process_reporter import all_versions
from fcos_ros.recording.mcap_file import require_mcap
from fcos_ros.recording.options import RecorderOptions
from fcos_ros.recording.recorder import FlightRecorder
from fcos_ros.recording.values import RecordedFrame, RecordedModel, Session
from fcos_ros.runtime.boards import this_board
from fcos_ros.runtime.statistics import FAILED, PUBLISHED, error_kind
from fcos_ros.runtime.streams import Job, Outcome
from fcos_ros.settings.criteria import ActiveCriteria
from fcos_ros.settings.schema import Settings

SERVICE = '~/record'
"""Records the seconds before and after the call."""


class NodeRecorder:
    """
    The recorder of a node, which records while a model is loaded.

    The service is there at all times, so that a caller learns why nothing is recorded.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._recorder: FlightRecorder | None = None
        self._model: ModelInfo | None = None
        self._lost = 0  # of the last report
        self._service = node.create_service(Trigger, SERVICE, self._answer)

    def health(self) -> RecorderHealth | None:
        """Return its state, with the losses since the last call; None if it is off."""
        if self._recorder is None or not self._recorder.is_on:
            return None
        status = self._recorder.status
        lost, self._lost = status.lost - self._lost, status.lost
        return RecorderHealth(status, lost)

    def check(self, settings: Settings, model: ModelInfo) -> None:
        """Raise ValueError if settings of the recorder are not accepted."""
        if self._options(settings, model).is_on:
            require_mcap()

    def open(self, settings: Settings, model: ModelInfo) -> None:
        """
        Start the recorder.

        :raises ValueError: the settings are not accepted, or `mcap` is missing.
        """
        self._recorder = FlightRecorder(self._options(settings, model))
        self._model, self._lost = model, 0

    def apply(self, settings: Settings) -> None:
        """Use these settings from now on."""
        if self._recorder is not None and self._model is not None:
            self._recorder.apply(self._options(settings, self._model))

    def camera(self, name: str, settings: Settings) -> CameraRecorder:
        """Return the recorder of a camera; the recorder must be open."""
        assert self._recorder is not None
        assert self._model is not None
        board = this_board()
        session = Session(
            time_ns(), self._node.get_fully_qualified_name(),
            RecordedModel.of(self._model, settings.fit), all_versions(),
            board.name if board else '')
        return CameraRecorder(self._recorder, session, name)

    def report_level(self, level: int) -> None:
        """Take the worst level of the diagnostics, which may start a recording."""
        if self._recorder is not None:
            self._recorder.report_level(level)

    def close(self) -> None:
        """End the current recording."""
        if self._recorder is not None:
            if not self._recorder.close():
                self._node.get_logger().error('the recording could not be ended in time')
            self._recorder = self._model = None

    def _options(self, settings: Settings, model: ModelInfo) -> RecorderOptions:
        return RecorderOptions.of(
            settings, self._node.get_fully_qualified_name(), model.labels)

    def _answer(self, request: Any, response: Any) -> Any:
        """Answer the service."""
        if self._recorder is None or not self._recorder.is_on:
            response.success, response.message = False, (
                'the parameter recorder is never, or no model is loaded; accepted: on_trigger or '
                'always; set it and configure the node')
            return response
        self._recorder.trigger('service')
        response.success, response.message = True, self._recorder.description
        return response


class CameraRecorder:
    """Describe the frames of one camera to the recorder."""

    def __init__(self, recorder: FlightRecorder, session: Session, camera: str) -> None:
        self._recorder = recorder
        self._session = session
        self._camera = camera

    @property
    def is_on(self) -> bool:
        """Whether frames are wanted."""
        return self._recorder.is_on

    def refused(self, header: ImageHeader, settings: Settings, fate: str,
                error: Exception | None = None) -> None:
        """Record a message that has not become a frame."""
        self._record(header, settings, time_ns(), fate, error)

    def dropped(self, job: Job[ImageHeader], settings: Settings, fate: str,
                error: Exception | None) -> None:
        """Record a frame that no worker has taken."""
        waited = perf_counter() - job.arrived
        self._record(job.context, settings, _arrival(job), fate, error,
                     size=job.frame.size, times={'wait': waited})

    def finished(
        self, outcome: Outcome[ImageHeader], active: ActiveCriteria, found: Detections | None,
        error: Exception | None, times: Mapping[str, float],
    ) -> None:
        """
        Record a frame that a worker has taken.

        :param found: the detections that were published; None if none were.
        :param times: seconds of the stages after the worker.
        """
        job, result = outcome.job, outcome.result
        stages: dict[str, float] = {'wait': outcome.waited}
        if result is not None:
            stages |= result.times.by_stage()
        self._record(
            job.context, active.settings, _arrival(job), PUBLISHED if error is None else FAILED,
            error, image=job.frame, size=job.frame.size, times={**stages, **times},
            detections=found, candidates=result.candidates if result else None,
            tile_candidates=result.tile_candidates if result else (),
            decoded_before=result is not None and outcome.criteria is not active.decoded)

    def _record(
        self, header: ImageHeader, settings: Settings, arrived: int, fate: str,
        error: Exception | None, *, image: Frame | None = None, **content: Any,
    ) -> None:
        if not self.is_on:
            return
        stamp = header.stamp.sec * 10**9 + header.stamp.nanosec
        self._recorder.record(RecordedFrame(
            self._session, settings, self._camera, stamp, header.frame_id, arrived, fate,
            error_kind(error) if error else '', str(error or ''), **content), image)


def _arrival(job: Job[ImageHeader]) -> int:
    """Return when a frame arrived, in nanoseconds of UTC."""
    return time_ns() - round((perf_counter() - job.arrived) * 1e9)
