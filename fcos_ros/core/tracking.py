# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recognise the same object from image to image, by position and motion only.

Detections are matched with tracks in two steps, as in ByteTrack (Zhang et al., 2022): first
detections that reach the threshold of their class, then those with lower scores. An object that
is partly hidden keeps its track although its score is low. A Kalman filter of constant velocity
predicts each track, in pixels and in seconds of the camera. Dropped frames and an uneven frame
rate therefore need no special treatment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes, Floats, Indices, Mask
from fcos_ros.core.assignment import assign
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import box_iou

LOW_SCORE_MATCH_IOU = 0.5
"""Minimum IoU of a prediction and a detection below the threshold of its class. It is high, as
many of these detections show no object."""

MAX_MISSES = 300
"""Maximum number of consecutive updates without a match; needed if stamps do not advance."""

MIN_TIMEOUT_PERIODS = 2.5
"""
Minimum timeout of a track, in times between two images. A shorter timeout would end the tracks of
a slow camera from one image to the next. One missed image is tolerated.
"""

# Lengths are fractions of the object's size, the square root of its area, so that near and far
# objects are treated alike.
_POSITION_STD = 0.05
"""Standard deviation of the centre of a detection."""
_VELOCITY_CHANGE_STD = 2.0
"""Standard deviation of the change of velocity in one second, per second."""
_INITIAL_VELOCITY_STD = 3.0
"""Standard deviation of the velocity of a new track, per second."""


@dataclass(frozen=True)
class TrackerSettings:
    """
    The rules by which tracks begin, continue and end.

    :ivar low_threshold: minimum score of a detection that continues a track. Decode with criteria
        that `Criteria.lowered` returns for this threshold.
    :ivar match_iou: minimum IoU of a track's predicted box and a detection that reaches the
        threshold of its class.
    :ivar confirm_hits: consecutive images that must show an object before it gets a number.
    :ivar timeout: seconds without a detection after which a track ends. For a slow camera, it is
        at least `MIN_TIMEOUT_PERIODS` times the time between two images.
    :ivar per_class: whether a track has one class only; False lets the class change.
    """

    low_threshold: float = 0.1
    match_iou: float = 0.2
    confirm_hits: int = 3
    timeout: float = 1.0
    per_class: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.low_threshold <= 1:
            raise ValueError(f'low_threshold is {self.low_threshold}; accepted: 0 to 1')
        if not 0 < self.match_iou <= 1:
            raise ValueError(f'match_iou is {self.match_iou}; accepted: above 0, up to 1')
        if self.confirm_hits < 1:
            raise ValueError(f'confirm_hits is {self.confirm_hits}; accepted: 1 or more')
        if not 0 < self.timeout < math.inf:
            raise ValueError(f'timeout is {self.timeout}; accepted: seconds above 0')


class Tracker:
    """
    The tracks of one camera.

    Track numbers count from 1 in the order of confirmation and are never reused. Only one thread
    at a time may use a tracker.

    :ivar settings: may be replaced between two updates.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks = _new_tracks(Detections.empty(), 0.0)
        self._seconds = -math.inf
        self._period = 0.0
        self._confirmed = 0

    def update(self, detections: Detections, seconds: float, criteria: Criteria) -> Detections:
        """
        Match the detections of the next image with the tracks.

        All tracks end when the stamp differs from the previous one by more than the timeout: the
        clock jumped, or tracking was interrupted. A stamp that is slightly earlier than the
        previous one counts as the same time, as clocks of camera drivers are not exact.

        :param detections: boxes in image pixels, decoded with `criteria` lowered to
            `low_threshold`, best score first.
        :param seconds: the image's stamp. If a camera gives all images the same stamp, use the
            time of arrival instead: without times, motion is unknown and tracking is poor.
        :param criteria: the criteria of the user.
        :returns: the detections that meet the criteria, and those that continue a track with a
            number, in the given order. `track_ids` is 0 for objects without a number yet. Tracks
            without a detection are not included. If there are more than `max_detections`, those
            that meet the criteria have priority.
        :raises ValueError: the stamp is not finite.
        """
        if not math.isfinite(seconds):
            raise ValueError(f'seconds is {seconds}; accepted: a finite stamp')
        tracks = self._advance(seconds)
        reached = criteria.reached(detections)
        track_indices = self._associate(tracks, detections, reached)
        matched = (track_indices >= 0).nonzero()[0]
        new = ((track_indices < 0) & reached).nonzero()[0]
        visible = _corrected(tracks.take(track_indices[matched]), detections[matched], seconds)
        if new.size:
            visible = _joined(visible, _new_tracks(detections[new], seconds))
        self._confirm(visible)
        lost = _lost(tracks, track_indices)
        self._tracks = _joined(visible, lost) if len(lost.ids) else visible
        track_ids = np.zeros(len(detections), np.int64)
        track_ids[np.concatenate([matched, new])] = visible.ids
        kept = _limited(criteria.max_detections, reached, track_indices >= 0)
        return detections.with_track_ids(track_ids)[kept]

    def reset(self) -> None:
        """End all tracks; their numbers are not reused."""
        self._tracks = _new_tracks(Detections.empty(), 0.0)

    def _advance(self, seconds: float) -> _Tracks:
        """Predict the tracks at the time of the next image, without those that timed out."""
        timeout = max(self.settings.timeout, MIN_TIMEOUT_PERIODS * self._period)
        step = seconds - self._seconds
        if step < -timeout:
            self.reset()
        step = max(step, 0.0) if math.isfinite(step) else 0.0
        # The period decays slowly: one short step among long ones does not shorten the timeout.
        self._seconds, self._period = seconds, max(step, self._period / 2)
        tracks = self._tracks.take((seconds - self._tracks.seen <= timeout).nonzero()[0])
        return _predicted(tracks, step) if len(tracks.ids) else tracks

    def _associate(self, tracks: _Tracks, detections: Detections, reached: Mask) -> Indices:
        """
        Return the index of the track of each detection, -1 for none; (N,).

        Confirmed tracks are matched first, tracks without a number last.
        """
        iou = box_iou(_boxes(tracks), detections.boxes)
        if self.settings.per_class:
            iou[tracks.class_ids[:, None] != detections.class_ids] = 0
        confirmed = tracks.ids > 0
        low_score = ~reached & (detections.scores >= np.float32(self.settings.low_threshold))
        track_indices, free = np.full(len(detections), -1), np.ones(len(tracks.ids), bool)
        for from_tracks, from_detections, min_iou in (
            (confirmed, reached, self.settings.match_iou),
            (confirmed & (tracks.misses == 0), low_score, LOW_SCORE_MATCH_IOU),
            (~confirmed, reached, self.settings.match_iou),
        ):
            rows = (from_tracks & free).nonzero()[0]
            columns = (from_detections & (track_indices < 0)).nonzero()[0]
            if rows.size and columns.size:
                gains = iou[rows[:, None], columns]
                first, second = assign(np.where(gains >= min_iou, gains, 0))
                track_indices[columns[second]] = rows[first]
                free[rows[first]] = False
        return track_indices

    def _confirm(self, tracks: _Tracks) -> None:
        """Give a number to each track with enough matches, in place."""
        due = ((tracks.ids == 0) & (tracks.hits >= self.settings.confirm_hits)).nonzero()[0]
        tracks.ids[due] = self._confirmed + 1 + np.arange(due.size)
        self._confirmed += due.size


class _Tracks(NamedTuple):
    """Parallel arrays, one entry or row for each track."""

    ids: NDArray[np.int64]
    """0 until a track is confirmed."""
    class_ids: NDArray[np.int32]
    hits: Indices
    """Updates with a match."""
    misses: Indices
    """Updates since the last match."""
    seen: Floats
    """Stamp of the last match, in seconds."""
    sizes: Floats
    """(T, 2): width and height at the last match, in pixels."""
    centres: Floats
    """(T, 2): x and y in pixels."""
    velocities: Floats
    """(T, 2): pixels per second."""
    covariances: Floats
    """(T, 3): variance of position, covariance with velocity, variance of velocity; the same
    for x and y."""

    def take(self, index: Indices) -> _Tracks:
        return _Tracks._make(array[index] for array in self)


def _joined(one: _Tracks, other: _Tracks) -> _Tracks:
    pairs: Iterable[Any] = zip(one, other)
    return _Tracks._make(map(np.concatenate, pairs))


def _new_tracks(detections: Detections, seconds: float) -> _Tracks:
    """Create a track for each detection."""
    count = len(detections)
    centres, sizes = _centres_and_sizes(detections.boxes)
    area = sizes.prod(axis=1)
    return _Tracks(
        ids=np.zeros(count, np.int64), class_ids=detections.class_ids,
        hits=np.ones(count, np.intp), misses=np.zeros(count, np.intp),
        seen=np.full(count, seconds), sizes=sizes, centres=centres,
        velocities=np.zeros((count, 2)),
        covariances=np.stack(
            [_POSITION_STD**2 * area, 0 * area, _INITIAL_VELOCITY_STD**2 * area], axis=1))


def _predicted(tracks: _Tracks, step: float) -> _Tracks:
    """Return the tracks `step` seconds later: the prediction of the Kalman filter."""
    position, mixed, velocity = tracks.covariances.T
    noise = _VELOCITY_CHANGE_STD**2 * tracks.sizes.prod(axis=1)
    return tracks._replace(
        centres=tracks.centres + step * tracks.velocities,
        covariances=np.stack([
            position + 2 * step * mixed + step**2 * velocity + step**3 / 3 * noise,
            mixed + step * velocity + step**2 / 2 * noise,
            velocity + step * noise], axis=1))


def _corrected(tracks: _Tracks, detections: Detections, seconds: float) -> _Tracks:
    """Return the tracks with their detections: the correction of the Kalman filter."""
    centres, sizes = _centres_and_sizes(detections.boxes)
    position, mixed, velocity = tracks.covariances.T
    total = position + _POSITION_STD**2 * sizes.prod(axis=1)
    position_gain, velocity_gain = position / total, mixed / total
    residuals = centres - tracks.centres
    return tracks._replace(
        class_ids=detections.class_ids, hits=tracks.hits + 1, misses=0 * tracks.misses,
        seen=np.full(len(centres), seconds), sizes=sizes,
        centres=tracks.centres + position_gain[:, None] * residuals,
        velocities=tracks.velocities + velocity_gain[:, None] * residuals,
        covariances=np.stack([
            (1 - position_gain) * position, (1 - position_gain) * mixed,
            velocity - velocity_gain * mixed], axis=1))


def _lost(tracks: _Tracks, track_indices: Indices) -> _Tracks:
    """Return the confirmed tracks without a detection in this image."""
    unmatched = tracks.ids > 0
    unmatched[track_indices[track_indices >= 0]] = False
    lost = tracks.take((unmatched & (tracks.misses < MAX_MISSES)).nonzero()[0])
    return lost._replace(misses=lost.misses + 1)


def _limited(limit: int, reached: Mask, continued: Mask) -> Indices:
    """Return at most `limit` indices in ascending order; `reached` has priority."""
    chosen = np.concatenate([reached.nonzero()[0], (continued & ~reached).nonzero()[0]])[:limit]
    return np.sort(chosen)


def _boxes(tracks: _Tracks) -> Floats:
    half = tracks.sizes / 2
    return np.hstack([tracks.centres - half, tracks.centres + half])


def _centres_and_sizes(boxes: Boxes) -> tuple[Floats, Floats]:
    corners = boxes.astype(np.float64)
    return (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
