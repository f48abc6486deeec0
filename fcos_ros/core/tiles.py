# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Overlapping tiles of an image, and the union of their detections.

A network sees a large image on its small canvas, where far objects have few pixels left. A tile
is a part of the image that gets the canvas for itself. The whole image is always inferred, too:
it shows the objects that are larger than a tile.

An object at the border of a tile is cut, and its box has a wrong extent. Neighbours share a strip
of the image. An object that is narrower than the strip is complete in one of them. A wider one is
large, and the whole image shows it. Each object is therefore complete somewhere, and boxes that
touch an inner border of their tile are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Boxes, Mask
from fcos_ros.core.criteria import MAX_DETECTIONS, Criteria
from fcos_ros.core.detections import Detections, join
from fcos_ros.core.frame import Window
from fcos_ros.core.nms import nms
from fcos_ros.core.resize import Size
from fcos_ros.core.selection import select
from fcos_ros.core.zones import EVERYWHERE

MAX_SIDE = 4
"""Maximum number of tiles along a side: 16 tiles take 16 times as long as the image."""

MIN_TILE = 32
"""Minimum side of an image in pixels for each tile along it."""

CUT_MARGIN = 8.0
"""
Distance in canvas pixels within which a box touches a border: one cell of the finest level. The
box of an object that is cut may end a little before the border.
"""


class Grid(NamedTuple):
    """Number of tiles along each side of an image."""

    columns: int
    rows: int

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Read one of `GRIDS`."""
        columns, rows = text.split('x')
        return cls(int(columns), int(rows))

    @classmethod
    def fitting(cls, image: Size, canvas: Size) -> Grid:
        """Return the grid whose tiles have about the size of the canvas; 1x1 if the image has."""
        return cls(*(min(max(round(side / limit), 1), MAX_SIDE)
                     for side, limit in zip(image, canvas)))


GRIDS = tuple(f'{columns}x{rows}' for rows in range(1, MAX_SIDE + 1)
              for columns in range(1, MAX_SIDE + 1) if columns * rows > 1)
"""The accepted grids: columns x rows."""


@dataclass(frozen=True)
class Tiling:
    """
    How images are divided.

    :ivar grid: None chooses it by the sizes of image and canvas.
    :ivar overlap: share of the side of a tile that its neighbour has, too; from 0 to 0.5.
    :ivar budget: seconds from the arrival of an image in which its tiles may be worked on.
    """

    grid: Grid | None = None
    overlap: float = 0.2
    budget: float = 0.1

    def tiles(self, image: Size, canvas: Size) -> Tiles | None:
        """Return the tiles of an image; None if the whole image is enough."""
        grid = self.grid or Grid.fitting(image, canvas)
        columns, rows = (min(count, side // MIN_TILE or 1) for count, side in zip(grid, image))
        if columns * rows == 1:
            return None
        return Tiles(image, canvas, tuple(
            Window(left, top, right, bottom)
            for top, bottom in _spans(image.height, rows, self.overlap)
            for left, right in _spans(image.width, columns, self.overlap)))


@dataclass(frozen=True)
class Tiles:
    """
    The tiles of images of one size.

    :ivar canvas: size of the input of the network.
    :ivar windows: row by row.
    """

    image: Size
    canvas: Size
    windows: tuple[Window, ...]

    def merge(
        self, whole: Detections, found: Iterable[tuple[Window, Detections]], criteria: Criteria,
    ) -> Detections:
        """
        Return the detections of an image and of some of its tiles, each object once.

        :param whole: in the image, with `part_criteria`.
        :param found: in tiles, likewise, in pixels of the tile.
        :param criteria: size, zones and number are those of the merged detections.
        :returns: in pixels of the image, best score first.
        """
        merged = join([whole, *(self._complete(window, own) for window, own in found)])
        kept = nms(merged.boxes, merged.scores, merged.class_ids, criteria.nms_threshold)
        return select(merged[kept], criteria, self.image)

    def _complete(self, window: Window, found: Detections) -> Detections:
        """Return the detections of a tile without those that are cut, in pixels of the image."""
        corner = np.array([window.left, window.top] * 2, np.float32)
        found = found.with_boxes(found.boxes + corner)
        return found[~self.is_cut(window, found.boxes)]

    def is_cut(self, window: Window, boxes: Boxes) -> Mask:
        """
        Return which boxes touch an inner border of a tile.

        :param boxes: (N, 4) in pixels of the image.
        """
        margin = CUT_MARGIN * max(
            side / limit for side, limit in zip(window.size, self.canvas))
        first = np.array(window[:2], np.float32)
        last = np.array(window[2:], np.float32)
        touches_first = (first > 0) & (boxes[:, :2] < first + margin)
        touches_last = (last < self.image) & (boxes[:, 2:] > last - margin)
        return np.asarray((touches_first | touches_last).any(axis=1))


def part_criteria(criteria: Criteria) -> Criteria:
    """Return the criteria for a part of an image; `Tiles.merge` applies the others."""
    return replace(criteria, min_size=0.0, zones=EVERYWHERE, max_detections=MAX_DETECTIONS)


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """
    Return the first and the last pixel of each tile along a side.

    All but the last one begin and end at even pixels: two pixels may share a chroma sample.
    """
    tile = length / (count - (count - 1) * overlap)
    starts = [number * tile * (1 - overlap) for number in range(count)]
    return [(_even(start), length if number == count - 1 else _even(start + tile))
            for number, start in enumerate(starts)]


def _even(position: float) -> int:
    return 2 * round(position / 2)
