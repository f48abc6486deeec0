# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the boxes near other boxes without a look at each pair."""

from __future__ import annotations

from collections.abc import Iterator
import math

import numpy as np

from fcos_ros.core.arrays import Floats, Indices

_MAX_PAIRS = 1 << 18
"""Pairs that are made at once: about 25 MB of temporary arrays."""

_BOXES_OF_TILE = 4
"""Boxes in a tile on average. Fewer cost more look-ups, more cost more comparisons."""

_SAMPLE = 512
"""Centres by which the borders of the tiles are chosen."""

_MARGIN = 1e-6
"""Relative margin for rounding: that of float32 corners is 6e-8, that of an IoU far less."""


class BoxGrid:
    """
    Boxes sorted into tiles by class and centre.

    The borders of the tiles are quantiles of the centres, so that neither small nor very distant
    boxes make some tiles much fuller than others.

    :param sides: x1, y1, x2, y2 of the boxes, (4, N); all finite.
    :param class_ids: (N,).
    :param iou_threshold: boxes whose IoU is above it are near each other.
    """

    def __init__(self, sides: Floats, class_ids: Indices, iou_threshold: float) -> None:
        centres = _centres(sides)
        tiles = max(math.isqrt(class_ids.size // _BOXES_OF_TILE), 1)
        sample = np.sort(centres[:, ::max(class_ids.size // _SAMPLE, 1)], axis=1)
        self._borders = sample[:, ::max(sample.shape[1] // tiles, 1)]
        self._tiles = self._borders.shape[1] + 1
        self._reach = _reach(iou_threshold)
        column, row = self._locate(centres)
        keys = (class_ids * self._tiles + row) * self._tiles + column
        self._order = keys.argsort()
        self._keys = keys.take(self._order)

    def near(self, sides: Floats, class_ids: Indices) -> Iterator[tuple[Indices, Indices]]:
        """
        Yield pairs of each given box and each box of the grid that may be near it.

        :param sides: (4, M); `class_ids` (M,).
        :returns: indices of the given boxes, and of boxes of the grid. They are of the same class.
            No box above the IoU threshold is missing.
        """
        centres, lengths = _centres(sides), sides[2:] - sides[:2]
        with np.errstate(invalid='ignore', over='ignore'):  # a box without area; an endless reach
            reach = np.where(lengths > 0, lengths * self._reach, 0)
        left, top = self._locate(centres - reach)
        right, bottom = self._locate(centres + reach)
        # In each row, the tiles from left to right follow each other in the order of the keys.
        owners, rows = _ranges(top, bottom + 1)
        row_keys = (class_ids.take(owners) * self._tiles + rows) * self._tiles
        starts = np.searchsorted(self._keys, row_keys + left.take(owners))
        ends = np.searchsorted(self._keys, row_keys + right.take(owners), 'right')
        totals = (ends - starts).cumsum()
        parts = np.searchsorted(totals, np.arange(_MAX_PAIRS, totals[-1], _MAX_PAIRS))
        for part in np.split(np.arange(owners.size), parts):
            found, positions = _ranges(starts.take(part), ends.take(part))
            yield owners.take(part).take(found), self._order.take(positions)

    def _locate(self, points: Floats) -> tuple[Indices, Indices]:
        """Return the column and the row of points, (2, N); both grow with the coordinates."""
        column, row = (np.searchsorted(borders, along, 'right')
                       for borders, along in zip(self._borders, points))
        return column, row


def _reach(iou_threshold: float) -> float:
    """
    Return how far the centre of a near box can be, in lengths of the box, on each axis.

    An IoU above t needs an overlap of more than t times the longer length on each axis, so the
    other length is between t and 1 / t times the own. The centres are less than half the sum of
    the lengths minus the overlap apart. That is at most 1 - t for a length up to the own, and at
    most (1 / t - 1) / 2 for a longer one.
    """
    threshold = iou_threshold * (1 - _MARGIN)
    if threshold <= 0:
        return math.inf
    return max(1 - threshold, (1 / threshold - 1) / 2) * (1 + _MARGIN)


def _centres(sides: Floats) -> Floats:
    centres: Floats = (sides[:2] + sides[2:]) / 2
    return centres


def _ranges(starts: Indices, ends: Indices) -> tuple[Indices, Indices]:
    """Return all numbers of several ranges, as pairs of the range's index and the number."""
    counts = ends - starts
    owners = np.repeat(np.arange(counts.size), counts)
    firsts = starts - (counts.cumsum() - counts)
    return owners, np.arange(owners.size) + firsts.take(owners)
