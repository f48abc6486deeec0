# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The same object in image after image, told by place and motion alone.

Certain detections are matched with the tracks first, then uncertain ones with what is left, as
ByteTrack does (Zhang et al., 2022): an object half hidden is still seen, if with a low score. A
track predicts its place with a Kalman filter of constant velocity, in pixels and seconds of the
camera, so that dropped frames and an uneven rate are nothing special.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.assignment import assign
from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import Floats, Indices, box_iou
from fcos_ros.core.resize import Boxes

Mask = NDArray[np.bool_]

UNCERTAIN_IOU = 0.5
"""Least IoU of a prediction and an uncertain detection: many of those show nothing at all."""

MOST_MISSES = 300
"""Updates in a row without a match that end a track, for cameras whose stamps stand still."""

LEAST_MEMORY = 2.5
"""
Times between two images that a track lasts at least, whatever `max_lost` says: or the tracks of
a slow camera would end from image to image. Enough for one that was missed.
"""

# In sizes of the object (the root of its area), so that near and far objects are alike.
_JITTER = 0.05
"""Standard deviation of a detection's centre."""
_AGILITY = 2.0
"""Standard deviation of the change of velocity in one second, per second."""
_FIRST_SPEED = 3.0
"""Standard deviation of the velocity of an object seen once, per second."""


@dataclass(frozen=True)
class TrackerSettings:
    """
    What makes a track.

    :ivar low_threshold: least score of a detection that may continue a track; decode with
        `Criteria.lowered` to it.
    :ivar match_iou: least IoU of a track's predicted box and a detection that reaches its
        threshold.
    :ivar confirm_hits: images in a row that must show an object before it gets a number.
    :ivar max_lost: seconds that an object may be out of sight and keep its number; of a slow
        camera, `LEAST_MEMORY` times the time between its images when that is more.
    :ivar per_class: whether an object keeps its class; else a track goes on when it changes.
    """

    low_threshold: float = 0.1
    match_iou: float = 0.2
    confirm_hits: int = 3
    max_lost: float = 1.0
    per_class: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.low_threshold <= 1:
            raise ValueError(f'low_threshold is {self.low_threshold}: accepted are 0 to 1')
        if not 0 < self.match_iou <= 1:
            raise ValueError(f'match_iou is {self.match_iou}: accepted are numbers above 0, to 1')
        if self.confirm_hits < 1:
            raise ValueError(f'confirm_hits is {self.confirm_hits}: at least 1 is needed')
        if not 0 < self.max_lost < math.inf:
            raise ValueError(f'max_lost is {self.max_lost}: accepted are seconds above 0')


class Tracker:
    """
    The tracks of one camera.

    Numbers count from 1 in the order of confirmation and are never used again. One thread at a
    time may use it.

    :ivar settings: may be exchanged between two updates.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks = _born(Detections.empty(), 0.0)
        self._seconds = -math.inf
        self._period = 0.0
        self._confirmed = 0

    def update(self, detections: Detections, seconds: float, criteria: Criteria) -> Detections:
        """
        Take the detections of the next image.

        When the stamp is more than `max_lost` from the one before, all tracks end: time jumped,
        or nobody looked for too long. One that is a little earlier, as the clocks of drivers have
        it, is taken for the same moment.

        :param detections: boxes in image pixels, decoded with `criteria` lowered to
            `low_threshold`, best score first.
        :param seconds: the image's stamp. A camera that stamps all images alike is tracked
            without its motion, badly: give the time of arrival instead.
        :param criteria: what the user wants.
        :returns: those that the user wants and those that continue a track that has a number,
            in the order given; with `track_ids`, 0 while an object has none. Objects out of sight
            are not in it. When they are more than `max_detections`, those that are wanted in any
            case stay first.
        :raises ValueError: the stamp is not finite.
        """
        if not math.isfinite(seconds):
            raise ValueError(f'seconds are {seconds}: a finite stamp is needed')
        tracks = self._advance(seconds)
        certain = criteria.reached(detections)
        owners = self._associate(tracks, detections, certain)
        matched, new = (owners >= 0).nonzero()[0], ((owners < 0) & certain).nonzero()[0]
        visible = _corrected(tracks.take(owners[matched]), detections[matched], seconds)
        if new.size:
            visible = _joined(visible, _born(detections[new], seconds))
        self._confirm(visible)
        lost = _lost(tracks, owners)
        self._tracks = _joined(visible, lost) if len(lost.ids) else visible
        track_ids = np.zeros(len(detections), np.int64)
        track_ids[np.concatenate([matched, new])] = visible.ids
        kept = _first(criteria.max_detections, certain, owners >= 0)
        return detections.with_track_ids(track_ids)[kept]

    def reset(self) -> None:
        """End all tracks; their numbers stay used."""
        self._tracks = _born(Detections.empty(), 0.0)

    def _advance(self, seconds: float) -> _Tracks:
        """Move the tracks on to the time of the next image, those that last so long."""
        memory = max(self.settings.max_lost, LEAST_MEMORY * self._period)
        step = seconds - self._seconds
        if step < -memory:
            self.reset()
        step = max(step, 0.0) if math.isfinite(step) else 0.0
        # Not the last step alone, which may be a short one between two long.
        self._seconds, self._period = seconds, max(step, self._period / 2)
        tracks = self._tracks.take((seconds - self._tracks.seen <= memory).nonzero()[0])
        return _predicted(tracks, step) if len(tracks.ids) else tracks

    def _associate(self, tracks: _Tracks, detections: Detections, certain: Mask) -> Indices:
        """Find the track of each detection, -1 for none; (N,)."""
        gains = box_iou(_boxes(tracks), detections.boxes)
        if self.settings.per_class:
            gains[tracks.class_ids[:, None] != detections.class_ids] = 0
        confirmed = tracks.ids > 0
        uncertain = ~certain & (detections.scores >= np.float32(self.settings.low_threshold))
        owners, free = np.full(len(detections), -1), np.ones(len(tracks.ids), bool)
        for some, seen, least in (
            (confirmed, certain, self.settings.match_iou),
            (confirmed & (tracks.misses == 0), uncertain, UNCERTAIN_IOU),
            (~confirmed, certain, self.settings.match_iou),
        ):
            rows = (some & free).nonzero()[0]
            columns = (seen & (owners < 0)).nonzero()[0]
            if rows.size and columns.size:
                part = gains[rows[:, None], columns]
                first, second = assign(np.where(part >= least, part, 0))
                owners[columns[second]] = rows[first]
                free[rows[first]] = False
        return owners

    def _confirm(self, tracks: _Tracks) -> None:
        """Number the tracks that have been seen often enough, in place."""
        due = ((tracks.ids == 0) & (tracks.hits >= self.settings.confirm_hits)).nonzero()[0]
        tracks.ids[due] = self._confirmed + 1 + np.arange(due.size)
        self._confirmed += due.size


class _Tracks(NamedTuple):
    """Parallel arrays, one entry or row for each track."""

    ids: NDArray[np.int64]
    """0 until a track is confirmed."""
    class_ids: NDArray[np.int32]
    hits: Indices
    misses: Indices
    """Updates since the last match."""
    seen: Floats
    """Stamp of the last match."""
    sizes: Floats
    """(T, 2) as width, height: those of the last match."""
    centres: Floats
    """(T, 2)"""
    velocities: Floats
    """(T, 2), pixels a second."""
    errors: Floats
    """(T, 3): variances of place and velocity, their covariance in between; x and y are alike."""

    def take(self, index: Indices) -> _Tracks:
        return _Tracks._make(array[index] for array in self)


def _joined(one: _Tracks, other: _Tracks) -> _Tracks:
    pairs: Iterable[Any] = zip(one, other)
    return _Tracks._make(map(np.concatenate, pairs))


def _born(detections: Detections, seconds: float) -> _Tracks:
    """Begin a track with each detection."""
    count = len(detections)
    centres, sizes = _centres_and_sizes(detections.boxes)
    area = sizes.prod(axis=1)
    return _Tracks(
        ids=np.zeros(count, np.int64), class_ids=detections.class_ids,
        hits=np.ones(count, np.intp), misses=np.zeros(count, np.intp),
        seen=np.full(count, seconds), sizes=sizes, centres=centres,
        velocities=np.zeros((count, 2)),
        errors=np.stack([_JITTER**2 * area, 0 * area, _FIRST_SPEED**2 * area], axis=1))


def _predicted(tracks: _Tracks, step: float) -> _Tracks:
    """Move on by some seconds."""
    place, mixed, speed = tracks.errors.T
    noise = _AGILITY**2 * tracks.sizes.prod(axis=1)
    return tracks._replace(
        centres=tracks.centres + step * tracks.velocities,
        errors=np.stack([
            place + 2 * step * mixed + step**2 * speed + step**3 / 3 * noise,
            mixed + step * speed + step**2 / 2 * noise,
            speed + step * noise], axis=1))


def _corrected(tracks: _Tracks, detections: Detections, seconds: float) -> _Tracks:
    """Take in the detection of each track."""
    centres, sizes = _centres_and_sizes(detections.boxes)
    place, mixed, speed = tracks.errors.T
    total = place + _JITTER**2 * sizes.prod(axis=1)
    place_gain, speed_gain = place / total, mixed / total
    surprise = centres - tracks.centres
    return tracks._replace(
        class_ids=detections.class_ids, hits=tracks.hits + 1, misses=0 * tracks.misses,
        seen=np.full(len(centres), seconds), sizes=sizes,
        centres=tracks.centres + place_gain[:, None] * surprise,
        velocities=tracks.velocities + speed_gain[:, None] * surprise,
        errors=np.stack([
            (1 - place_gain) * place, (1 - place_gain) * mixed, speed - speed_gain * mixed],
            axis=1))


def _lost(tracks: _Tracks, owners: Indices) -> _Tracks:
    """Keep the confirmed tracks that no detection belongs to."""
    out_of_sight = tracks.ids > 0
    out_of_sight[owners[owners >= 0]] = False
    lost = tracks.take((out_of_sight & (tracks.misses < MOST_MISSES)).nonzero()[0])
    return lost._replace(misses=lost.misses + 1)


def _first(most: int, certain: Mask, continued: Mask) -> Indices:
    """Choose so many at most, in the order given: the certain ones before the others."""
    chosen = np.concatenate([certain.nonzero()[0], (continued & ~certain).nonzero()[0]])[:most]
    return np.sort(chosen)


def _boxes(tracks: _Tracks) -> Floats:
    half = tracks.sizes / 2
    return np.hstack([tracks.centres - half, tracks.centres + half])


def _centres_and_sizes(boxes: Boxes) -> tuple[Floats, Floats]:
    corners = boxes.astype(np.float64)
    return (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
