# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Where in an image objects count.

Points are fractions of the image, (0, 0) its top left and (1, 1) its bottom right corner, so that
a zone holds for a camera whatever its resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.resize import Boxes, Size

Point = tuple[float, float]
"""(x, y)."""

Polygon = tuple[Point, ...]
"""Corners in order, at least three; the last is joined to the first."""

ANCHORS = {
    'centre': np.array([[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]]),
    'bottom': np.array([[0.5, 0], [0, 0], [0.5, 0], [0, 1]]),
}
"""The point of a box (x1, y1, x2, y2) that decides, as the matrix that makes (x, y) of it."""


@dataclass(frozen=True)
class Zones:
    """
    Regions of interest and zones to ignore.

    An object counts when its anchor lies in any region and in no ignored zone. An edge belongs to
    its polygon; where a polygon covers itself twice, there is a hole (even-odd rule).

    :ivar regions: where objects count; everywhere when there is none.
    :ivar ignored: where they do not, regions or not.
    :ivar anchor: the point of a box that decides: its `centre`, or the middle of its `bottom`
        edge, which is where things on the ground stand.
    """

    regions: tuple[Polygon, ...] = ()
    ignored: tuple[Polygon, ...] = ()
    anchor: str = 'centre'

    def __post_init__(self) -> None:
        if self.anchor not in ANCHORS:
            raise ValueError(f'anchor is {self.anchor!r}: accepted are {", ".join(ANCHORS)}')
        for polygon in (*self.regions, *self.ignored):
            _require_polygon(polygon, polygon)

    def admits(self, boxes: Boxes, image: Size) -> NDArray[np.bool_]:
        """
        Tell which boxes count.

        :param boxes: (N, 4) in image pixels.
        :param image: the size that the polygons are fractions of.
        :returns: (N,).
        """
        points = boxes.astype(np.float64) @ ANCHORS[self.anchor] / image
        counted = np.ones(len(boxes), bool)
        if self.regions:
            counted &= _in_any(self.regions, points)
        if self.ignored:
            counted &= ~_in_any(self.ignored, points)
        return counted


EVERYWHERE = Zones()
"""No region and no zone to ignore."""


def parse_polygon(text: str) -> Polygon:
    """
    Read a polygon as users write it: `0.1 0.5, 0.9 0.5, 0.9 1, 0.1 1`.

    :raises ValueError: when it is none; the message holds the text and what is accepted.
    """
    try:
        polygon = tuple((float(x), float(y)) for x, y in map(str.split, text.split(',')))
    except ValueError:
        raise ValueError(_refusal(text, 'that is not all pairs of numbers')) from None
    _require_polygon(polygon, text)
    return polygon


def _require_polygon(polygon: Polygon, given: object) -> None:
    """Raise ValueError, showing what was given, unless the polygon is one."""
    if len(polygon) < 3:
        raise ValueError(_refusal(given, f'of its points there must be 3, not {len(polygon)}'))
    if not all(0 <= number <= 1 for point in polygon for number in point):
        raise ValueError(_refusal(given, 'a number is outside 0 to 1'))
    corners = np.array(polygon, np.float64)
    if np.linalg.matrix_rank(corners - corners[0]) < 2:
        raise ValueError(_refusal(given, 'all points are on one line'))


def _refusal(given: object, reason: str) -> str:
    return (f'polygon {given!r}: {reason}; accepted are 3 or more points "x y" with commas in '
            'between, each number a fraction of the image from 0 to 1')


def _in_any(polygons: Sequence[Polygon], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points, (N, 2), are inside a polygon or on an edge of one; at least one."""
    x1, y1 = np.array([corner for polygon in polygons for corner in polygon]).T
    x2, y2 = np.array([corner for polygon in polygons for corner in polygon[1:] + polygon[:1]]).T
    x, y = points[:, :1], points[:, 1:]
    # The side of each edge that a point is on, by sign: 0 is on its line.
    side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    along = ((np.minimum(x1, x2) <= x) & (x <= np.maximum(x1, x2))
             & (np.minimum(y1, y2) <= y) & (y <= np.maximum(y1, y2)))
    on_edge = ((side == 0) & along).any(axis=1)
    # A ray to the right meets the edges that pass its height and have the point on their left.
    upwards, downwards = (y1 <= y) & (y < y2), (y2 <= y) & (y < y1)
    crossings = (upwards & (side > 0)) | (downwards & (side < 0))
    firsts = np.cumsum([0, *map(len, polygons[:-1])])
    odd = np.logical_xor.reduceat(crossings, firsts, axis=1)
    return np.asarray(on_edge | odd.any(axis=1))
