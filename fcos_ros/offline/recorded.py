# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded frames of files, as the node would record them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType

from fcos_ros.core.frame import Frame
from fcos_ros.offline.frames import SourceFrame
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import FrameResult, OfflineDetector
from fcos_ros.recording.small_image import small_jpeg
from fcos_ros.recording.values import RecordedFrame, RecordedModel, Session
from fcos_ros.runtime.boards import this_board
from fcos_ros.runtime.libraries import library_versions
from fcos_ros.runtime.statistics import FAILED, PUBLISHED, error_kind

NAME = 'fcos record'
"""The name of the program in recordings."""


class RecordedRun:
    """
    Detect objects in the frames of sources; use it as a context manager.

    :param plan: its settings ask for candidates.
    :param started: in nanoseconds of UTC.
    :raises ModelError: the model cannot be used.
    :raises OfflineError: the settings do not fit the model.
    """

    def __init__(self, plan: DetectionPlan, started: int) -> None:
        board = this_board()
        self._plan = plan
        with ExitStack() as undo:
            self._detector = undo.enter_context(OfflineDetector(plan))
            self._session = Session(
                started, NAME, RecordedModel.of(self._detector.info, plan.config.fit),
                library_versions(), board.name if board else '')
            self._undo = undo.pop_all()

    def __enter__(self) -> RecordedRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._undo.close()

    def record(self, frames: Iterable[SourceFrame]) -> Iterator[RecordedFrame]:
        """Yield the frames of one source with their detections and candidates, in order."""
        return map(self._recorded, self._detector.run(frames))

    def _recorded(self, result: FrameResult) -> RecordedFrame:
        frame, error, times = result.frame, result.error, result.times
        settings = self._plan.settings_of(frame.camera)
        image = frame.image if isinstance(frame.image, Frame) else None
        stages = {} if times is None else times.by_stage()
        wanted = image is not None and error is None and settings.recorder_image_width
        return RecordedFrame(
            self._session, settings, frame.camera, frame.stamp, frame.name, max(0, frame.stamp),
            PUBLISHED if error is None else FAILED, error_kind(error) if error else '',
            str(error or ''), image.size if image else None, stages, result.detections,
            result.candidates, result.tile_candidates,
            image=small_jpeg(image, settings.recorder_image_width) if image and wanted else b'')
