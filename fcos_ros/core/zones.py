# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Zones of an image in which detections count.

Points are fractions of the image: (0, 0) is the top-left corner and (1, 1) the bottom-right one. A
zone is therefore the same at every resolution of a camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes, Mask
from fcos_ros.core.resize import Size
from fcos_ros.core.text import MAX_QUOTE, shorten

Point = tuple[float, float]
"""(x, y)."""

Polygon = tuple[Point, ...]
"""At least three corners, in order. The last corner is connected to the first."""

MAX_CORNERS = 256
"""
Maximum number of corners of all zones. Each box is compared with each of them: 256 corners take
8 ms for 1,000 boxes, 500,000 took half a second for a few.
"""

ANCHORS = {
    'centre': np.array([[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]]),
    'bottom': np.array([[0.5, 0], [0, 0], [0.5, 0], [0, 1]]),
}
"""Matrices that convert a box (x1, y1, x2, y2) to its anchor (x, y)."""


@dataclass(frozen=True)
class Zones:
    """
    Include zones and exclude zones.

    A detection counts if its anchor is in an include zone and in no exclude zone. Edges belong to
    their polygon. A polygon that overlaps itself has a hole there (even-odd rule).

    :ivar include: zones in which detections count; () is the whole image.
    :ivar exclude: zones in which detections do not count; these have priority.
    :ivar anchor: the point of a box that decides: its `centre`, or the middle of its `bottom`
        edge, where objects on the ground stand.
    """

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()
    anchor: str = 'centre'

    def __post_init__(self) -> None:
        if self.anchor not in ANCHORS:
            raise ValueError(f'anchor is {self.anchor!r}; accepted: {", ".join(ANCHORS)}')
        corners = sum(map(len, (*self.include, *self.exclude)))
        if corners > MAX_CORNERS:
            raise ValueError(f'the zones have {corners} corners; accepted: {MAX_CORNERS} at most; '
                             'leave out corners')
        for polygon in (*self.include, *self.exclude):
            _require_polygon(polygon, polygon)

    def admits(self, boxes: Boxes, image: Size) -> Mask:
        """
        Return which boxes count.

        :param boxes: (N, 4) in image pixels.
        :param image: size of the image.
        :returns: (N,).
        """
        points = boxes.astype(np.float64) @ ANCHORS[self.anchor] / image
        counted = np.ones(len(boxes), bool)
        if self.include:
            counted &= _in_any(self.include, points)
        if self.exclude:
            counted &= ~_in_any(self.exclude, points)
        return counted


EVERYWHERE = Zones()
"""The whole image: no include zone and no exclude zone."""


def parse_polygon(text: str) -> Polygon:
    """
    Parse a polygon from text such as `0.1 0.5, 0.9 0.5, 0.9 1, 0.1 1`.

    :raises ValueError: it is not a polygon.
    """
    try:
        polygon = tuple((float(x), float(y)) for x, y in map(str.split, text.split(',')))
    except ValueError:
        raise ValueError(_error_text(text, 'not all points are pairs of numbers')) from None
    _require_polygon(polygon, text)
    return polygon


def _require_polygon(polygon: Polygon, given: object) -> None:
    """
    Raise ValueError if a polygon is not valid.

    :param given: the polygon as the user wrote it, for the message.
    """
    if len(polygon) < 3:
        raise ValueError(_error_text(given, f'it has {len(polygon)} points'))
    if not all(0 <= number <= 1 for point in polygon for number in point):
        raise ValueError(_error_text(given, 'a number is outside 0 to 1'))
    corners = np.array(polygon, np.float64)
    if np.linalg.matrix_rank(corners - corners[0]) < 2:
        raise ValueError(_error_text(given, 'all points are on one line'))


def _error_text(given: object, reason: str) -> str:
    shown = shorten(repr(given), MAX_QUOTE)
    return (f'polygon {shown} is not valid: {reason}; accepted: 3 or more points "x y" with '
            'commas in between, each number a fraction of the image from 0 to 1')


def _in_any(polygons: Sequence[Polygon], points: NDArray[np.float64]) -> Mask:
    """Return which points, (N, 2), are in a polygon or on its edge; at least one polygon."""
    x1, y1 = np.array([corner for polygon in polygons for corner in polygon]).T
    x2, y2 = np.array([corner for polygon in polygons for corner in polygon[1:] + polygon[:1]]).T
    x, y = points[:, :1], points[:, 1:]
    # The sign is the side of the edge on which the point lies; 0 is on its line.
    side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    along = ((np.minimum(x1, x2) <= x) & (x <= np.maximum(x1, x2))
             & (np.minimum(y1, y2) <= y) & (y <= np.maximum(y1, y2)))
    on_edge = ((side == 0) & along).any(axis=1)
    # A ray from the point to the right crosses the edges that pass its height and have the point
    # on their left.
    upwards, downwards = (y1 <= y) & (y < y2), (y2 <= y) & (y < y1)
    crossings = (upwards & (side > 0)) | (downwards & (side < 0))
    firsts = np.cumsum([0, *map(len, polygons[:-1])])
    odd = np.logical_xor.reduceat(crossings, firsts, axis=1)
    return np.asarray(on_edge | odd.any(axis=1))
