# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time of an update of the tracker.

Run `python benchmarks/tracking.py`; it prints a Markdown table. The baseline takes the textbook's
steps for one object after the other. Objects move at random. If they are far apart, each predicted
box overlaps one detection only. In a crowd it overlaps many, and the assignment takes longer.
"""

from __future__ import annotations

import math
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import Table, note
from common.timing import ROUNDS, interleaved_medians

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.tracking import Tracker, TrackerSettings

COUNTS = (1, 10, 50, 100)
"""Numbers of objects."""

SPACING = {'far apart': 120.0, 'in a crowd': 25.0}
"""Pixels between the centres of two objects."""

SIDE = 60.0
"""Width and height of each object in pixels."""

STEP = 1 / 30
"""Seconds between two images."""

WARM_UP = 5
"""Images before the measurement."""

SETTINGS = TrackerSettings(timeout=30.0)

Array = NDArray[Any]


def main() -> None:
    """Print the table."""
    note(f'numpy {np.__version__}; medians of {ROUNDS} updates')
    table = Table({'objects': 'd', 'placed': '', 'plain Python, ms': '.2f',
                   'fcos_ros, ms': '.3f', 'times faster': '.1f'})
    for count in COUNTS:
        for placed, spacing in SPACING.items():
            plain, ours = measured(count, spacing)
            table.add(count, placed, plain, ours, plain / ours)


def measured(count: int, spacing: float) -> list[float]:
    """Time both ways on the same detections."""
    plain, ours, criteria = PlainTracker(), Tracker(SETTINGS), Criteria()
    images = scene(count, spacing, WARM_UP + ROUNDS)
    theirs, own = iter(images), iter(images)
    for _ in range(WARM_UP):
        plain.update(next(theirs)[0])
        ours.update(*next(own), criteria)
    return interleaved_medians(
        lambda: plain.update(next(theirs)[0]), lambda: ours.update(*next(own), criteria))


def scene(count: int, spacing: float, images: int) -> list[tuple[Detections, float]]:
    """Make the detections of consecutive images, and their stamps."""
    rng = np.random.default_rng(count)
    row = math.ceil(math.sqrt(count))
    centres = np.stack(np.divmod(np.arange(count), row), axis=1) * spacing
    velocities = rng.normal(0, 10, (count, 2))
    scores, class_ids = np.full(count, 0.9, np.float32), np.zeros(count, np.int32)
    found = []
    for seconds in np.arange(images) * STEP:
        noisy = centres + velocities * seconds + rng.normal(0, 0.5, (count, 2))
        boxes = np.hstack([noisy - SIDE / 2, noisy + SIDE / 2]).astype(np.float32)
        found.append((Detections(boxes, scores, class_ids), float(seconds)))
    return found


class PlainTracker:
    """
    A list of Kalman filters with eight states, and the Hungarian method in loops.

    It has only the core: no track numbers, no lost objects, high scores, one class.
    """

    def __init__(self) -> None:
        self._tracks: list[tuple[Array, Array]] = []
        self._motion = np.eye(8) + np.eye(8, k=4) * STEP
        self._noise = np.diag([1.0] * 4 + [10.0] * 4)

    def update(self, detections: Detections) -> None:
        """Take the detections of the next image."""
        boxes = detections.boxes.astype(np.float64)
        predicted = [(self._motion @ state, self._motion @ error @ self._motion.T + self._noise)
                     for state, error in self._tracks]
        costs = [[1 - _iou(state[:4], box) for box in boxes] for state, _ in predicted]
        pairs = {column: row for row, column in hungarian(costs) if costs[row][column] < 0.8}
        self._tracks = [
            _corrected(*predicted[pairs[column]], box) if column in pairs
            else (np.concatenate([box, np.zeros(4)]), np.diag([9.0] * 4 + [3e4] * 4))
            for column, box in enumerate(boxes)]


def _corrected(state: Array, error: Array, box: Array) -> tuple[Array, Array]:
    observation = np.eye(4, 8)
    covariance = observation @ error @ observation.T + 9 * np.eye(4)
    gain = error @ observation.T @ np.linalg.inv(covariance)
    return state + gain @ (box - state[:4]), error - gain @ observation @ error


def _iou(a: Array, b: Array) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return float(width * height / union)


def hungarian(costs: list[list[float]]) -> list[tuple[int, int]]:
    """Pair rows with columns of a square matrix at minimum cost, in O(N^3)."""
    count = len(costs)
    row_prices, column_prices = [0.0] * (count + 1), [0.0] * (count + 1)
    owners, before = [0] * (count + 1), [0] * (count + 1)
    for entering in range(1, count + 1):
        owners[0], column = entering, 0
        slack, used = [math.inf] * (count + 1), [False] * (count + 1)
        while owners[column]:
            used[column], row = True, owners[column]
            for other in range(1, count + 1):
                if not used[other]:
                    reduced = costs[row - 1][other - 1] - row_prices[row] - column_prices[other]
                    if reduced < slack[other]:
                        slack[other], before[other] = reduced, column
            following = min((slack[other], other) for other in range(1, count + 1)
                            if not used[other])[1]
            step = slack[following]
            for other in range(count + 1):
                if used[other]:
                    row_prices[owners[other]] += step
                    column_prices[other] -= step
                else:
                    slack[other] -= step
            column = following
        while column:
            owners[column], column = owners[before[column]], before[column]
    return [(owners[column] - 1, column - 1) for column in range(1, count + 1)]


if __name__ == '__main__':
    main()
