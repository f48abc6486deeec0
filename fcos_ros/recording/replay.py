# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode recorded frames again, with their own settings or with others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import FITS
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.tracking import Tracker
from fcos_ros.recording.values import RecordedFrame, RecordedModel
from fcos_ros.runtime.detector import detect_again
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
        if frame.candidates is None or frame.size is None:
            return None
        camera = self._camera(frame, settings or frame.settings)
        active = camera.active
        if frame.candidates.floor > camera.lowest:
            self.below_floor += 1
        found = detect_again(frame.candidates, frame.session.model.num_classes, active.decoded,
                             camera.resize(frame.size))
        if not active.settings.track:
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
    resizes: dict[Size, Resize]

    @classmethod
    def of(cls, model: RecordedModel, settings: Settings, labels: Labels | None,
           tracker: Tracker) -> _Camera:
        """Apply settings; raise ValueError if they do not fit the model."""
        active = ActiveCriteria.of(settings, replace(model, labels=labels or model.labels))
        tracker.settings = to_tracker_settings(settings)
        lowest = float(active.decoded.thresholds(model.num_classes).min())
        return cls(model, active, lowest, tracker, {})

    def resize(self, size: Size) -> Resize:
        """Return how an image of some size was laid on the input of the model."""
        if size not in self.resizes:
            self.resizes[size] = FITS[self.model.fit](size, self.model.canvas)
        return self.resizes[size]
