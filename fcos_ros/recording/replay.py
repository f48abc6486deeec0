# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode recorded frames again, with their own settings or with others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.core.tracking import Tracker
from fcos_ros.recording.decode_again import decode_again
from fcos_ros.recording.values import RecordedFrame, RecordedModel
from fcos_ros.settings.criteria import ActiveCriteria, to_tracker_settings
from fcos_ros.settings.schema import Settings

_SECOND = 1e9
"""In nanoseconds."""


class Replay:
    """
    Decode the frames of one recording in order; each camera has tracks of its own.

    :ivar below_floor: number of frames that were decoded with a threshold below the score from
        which their candidates were recorded. Detections are missing there.

    :param labels: other names of the classes; None for those of the model.
    """

    def __init__(self, labels: Labels | None = None) -> None:
        self.below_floor = 0
        self._labels = labels
        self._cameras: dict[str, _Camera] = {}

    def detect(self, frame: RecordedFrame, settings: Settings | None = None) -> Detections | None:
        """
        Return the detections of a frame, as the node would publish them.

        :param settings: None for those with which it was recorded.
        :returns: in pixels of the image; None if no worker has finished the frame.
        :raises ValueError: the settings name a class that the model does not have.
        """
        if frame.candidates is None:
            return None
        camera = self._camera(frame, settings or frame.settings)
        active = camera.active
        in_tiles = active.tiling is not None
        found = decode_again(frame, active.decoded, in_tiles=in_tiles)
        parts = (frame.candidates, *(own for _, own in frame.tile_candidates if in_tiles))
        if any(part.floor > camera.lowest for part in parts):
            self.below_floor += 1
        if found is None or not active.settings.track:
            return found
        return camera.tracker.update(
            found, (frame.stamp or frame.arrived) / _SECOND, active.wanted)

    def _camera(self, frame: RecordedFrame, settings: Settings) -> _Camera:
        camera = self._cameras.get(frame.camera)
        model = frame.session.model
        if camera is None or camera.model is not model:
            camera = _Camera.of(model, settings, self._labels, Tracker())
        elif camera.active.settings is not settings:
            camera = _Camera.of(model, settings, self._labels, camera.tracker)
        self._cameras[frame.camera] = camera
        return camera


@dataclass(frozen=True, eq=False)
class _Camera:
    """
    The state of one camera.

    :ivar lowest: the lowest threshold for decoding.
    """

    model: RecordedModel
    active: ActiveCriteria
    lowest: float
    tracker: Tracker

    @classmethod
    def of(cls, model: RecordedModel, settings: Settings, labels: Labels | None,
           tracker: Tracker) -> _Camera:
        """Apply settings; raise ValueError if they do not fit the model."""
        active = ActiveCriteria.of(settings, replace(model, labels=labels or model.labels))
        tracker.settings = to_tracker_settings(settings)
        lowest = float(active.decoded.thresholds(model.num_classes).min())
        return cls(model, active, lowest, tracker)
