# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode recordings again, and compare the detections with those that were published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.recording.replay import Replay
from fcos_ros.recording.values import RecordedFrame, RecordingError
from fcos_ros.settings.schema import Settings

ChooseSettings = Callable[[RecordedFrame], Settings]
"""Return the settings with which a frame is decoded again."""


class ReplayedFrame(NamedTuple):
    """
    A recorded frame that was decoded again.

    :ivar found: its detections with the chosen settings; None if no worker had finished it.
    """

    frame: RecordedFrame
    settings: Settings
    found: Detections | None

    @property
    def is_changed(self) -> bool:
        """Whether other detections were published, or none; tracks are not compared."""
        return self.found is not None and not _are_same(self.frame.detections, self.found)

    def renewed(self) -> RecordedFrame:
        """Return the frame with the new settings and detections."""
        detections = self.frame.detections if self.found is None else self.found
        return replace(self.frame, settings=self.settings, detections=detections)


class Rerun:
    """
    Decode frames again, one after the other.

    :param settings_of: called with each frame. It should return the same object for frames with
        the same settings, as these are converted only when they change.
    :param labels: other names of the classes; None for those of the model.
    """

    def __init__(self, settings_of: ChooseSettings, labels: Labels | None = None) -> None:
        self._settings_of = settings_of
        self._replay = Replay(labels)

    @property
    def below_floor(self) -> int:
        """The number of frames with a threshold below their recorded scores."""
        return self._replay.below_floor

    def run(self, frames: Iterator[RecordedFrame]) -> Iterator[ReplayedFrame]:
        """
        Yield the frames with their detections.

        :raises RecordingError: the settings do not fit the model.
        """
        for frame in frames:
            settings = self._settings_of(frame)
            try:
                found = self._replay.detect(frame, settings)
            except ValueError as error:
                raise RecordingError(str(error)) from None
            yield ReplayedFrame(frame, settings, found)


@dataclass
class ReplayTally:
    """
    The figures of replayed frames.

    :ivar frames: number of all frames.
    :ivar decoded: those that were decoded again; `changed` of them have other detections.
    :ivar fates: number of frames by camera and fate.
    :ivar failures: number of failed frames by kind.
    :ivar published: number of published detections by class; `found` likewise of those now.
    :ivar labels: the names of the classes of the model.
    """

    frames: int = 0
    decoded: int = 0
    changed: int = 0
    fates: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    published: Counter[int] = field(default_factory=Counter)
    found: Counter[int] = field(default_factory=Counter)
    labels: Labels = field(default_factory=lambda: Labels(()))

    def add(self, replayed: ReplayedFrame) -> None:
        """Count a frame."""
        frame, found = replayed.frame, replayed.found
        self.frames += 1
        self.labels = frame.session.model.labels
        self.fates[frame.camera, frame.fate] += 1
        if frame.error:
            self.failures[frame.error] += 1
        if frame.detections is not None:
            self.published.update(frame.detections.class_ids.tolist())
        if found is not None:
            self.decoded += 1
            self.changed += replayed.is_changed
            self.found.update(found.class_ids.tolist())


def _are_same(one: Detections | None, other: Detections) -> bool:
    return one is not None and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ('class_ids', 'scores', 'boxes'))
