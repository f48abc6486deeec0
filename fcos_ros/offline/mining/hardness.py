# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How hard the frames of a camera are for the model, without labels.

Each object counts once for each reason:

- `low confidence`: its score is near the threshold; 1 at the threshold, 0 at `BAND` from it.
- `flickering`: its track is missing for a few frames, or lasts only a few frames.
- `disagreement`: only one of two models detects it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fcos_ros.core.assignment import assign
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.core.nms import box_iou
from fcos_ros.core.resize import Size
from fcos_ros.core.tracking import Tracker, TrackerSettings

LOW_CONFIDENCE, FLICKERING, DISAGREEMENT = 'low confidence', 'flickering', 'disagreement'

BAND = 0.2
"""Distance of a score from the threshold of its class at which it is no longer doubtful."""

MIN_SCORE = 0.05
"""Minimum score of an object that counts; objects below the threshold may be missed ones."""

MAX_GAP = 5
"""Frames for which a track that continues may be missing; after more, the object was hidden."""

MIN_LIFE = 3
"""Frames of a track that is no flicker."""

MATCH_IOU = 0.5
"""Minimum IoU of two boxes that show the same object."""


@dataclass(frozen=True, eq=False)
class FrameFacts:
    """
    The facts about a frame that decide whether it is chosen.

    :ivar number: of the image on its topic, from 0.
    :ivar time: when it was recorded, in nanoseconds.
    :ivar found: the detections that the settings accept; they become the labels.
    :ivar reasons: how many objects are hard, by reason.
    """

    camera: str
    number: int
    time: int
    size: Size
    found: Detections
    reasons: Mapping[str, float]

    @property
    def hardness(self) -> float:
        """The sum of the reasons."""
        return sum(self.reasons.values())


class CameraFacts:
    """
    Collect the facts about the frames of one camera, in order.

    :param wanted: the criteria of the settings; detections are decoded with a lower threshold.
    """

    def __init__(self, camera: str, wanted: Criteria, labels: Labels, tracking: TrackerSettings,
                 ) -> None:
        self._camera, self._wanted, self._labels = camera, wanted, labels
        self._tracker = Tracker(TrackerSettings(
            low_threshold=tracking.low_threshold, timeout=tracking.timeout, confirm_hits=1))
        self._facts: list[FrameFacts] = []
        self._tracks: list[tuple[int, ...]] = []

    def add(self, number: int, time: int, stamp: int, size: Size, candidates: Detections,
            other: tuple[Detections, Labels] | None) -> None:
        """
        Add a frame.

        :param stamp: when the camera took it, in nanoseconds.
        :param candidates: detections down to `MIN_SCORE`.
        :param other: the detections of another model and its classes, if there is one.
        """
        found = candidates[self._wanted.reached(candidates)][:self._wanted.max_detections]
        reasons = {LOW_CONFIDENCE: doubtful(candidates, self._wanted)}
        if other is not None:
            reasons[DISAGREEMENT] = disagreements(found, self._labels, *other)
        tracked = self._tracker.update(candidates, stamp / 1e9, self._wanted)
        assert tracked.track_ids is not None
        self._tracks.append(tuple(tracked.track_ids.tolist()))
        self._facts.append(FrameFacts(self._camera, number, time, size, found, reasons))

    def finish(self) -> Iterator[FrameFacts]:
        """Yield the facts about all frames; only now it is known which tracks flicker."""
        for facts, count in zip(self._facts, flickers(self._tracks)):
            reasons = {**facts.reasons, FLICKERING: float(count)}
            yield replace(facts, reasons={
                name: round(value, 3) for name, value in reasons.items() if value})


def doubtful(candidates: Detections, wanted: Criteria) -> float:
    """Return how many objects have a score near the threshold of their class."""
    thresholds = np.full(len(candidates), wanted.score_threshold)
    for class_id, threshold in wanted.class_thresholds:
        thresholds[candidates.class_ids == class_id] = threshold
    distances = np.abs(candidates.scores - thresholds)
    return float(np.clip(1 - distances / BAND, 0, 1).sum())


def disagreements(
    found: Detections, labels: Labels, other: Detections, other_labels: Labels,
) -> float:
    """Return how many objects only one of two models has detected, by the names of classes."""
    names = np.array([labels.name(index) for index in found.class_ids.tolist()], object)
    others = np.array([other_labels.name(index) for index in other.class_ids.tolist()], object)
    iou = box_iou(found.boxes, other.boxes)
    gains = np.where((iou >= MATCH_IOU) & (names[:, None] == others), iou, 0.0)
    pairs = len(assign(gains)[0])
    return float(len(found) + len(other) - 2 * pairs)


def flickers(tracks: Sequence[Sequence[int]]) -> list[int]:
    """
    Return how many tracks flicker in each frame.

    :param tracks: the numbers of the tracks that each frame shows.
    """
    frames_of: dict[int, list[int]] = {}
    for frame, numbers in enumerate(tracks):
        for number in numbers:
            frames_of.setdefault(number, []).append(frame)
    counts: Counter[int] = Counter()
    for frames in frames_of.values():
        for before, after in pairwise(frames):
            if after - before - 1 <= MAX_GAP:
                counts.update(range(before + 1, after))
        # A track at an end of the recording may last longer.
        is_inside = frames[0] > 0 and frames[-1] < len(tracks) - 1
        if is_inside and len(frames) < MIN_LIFE:
            counts.update(frames)
    return [counts[frame] for frame in range(len(tracks))]
