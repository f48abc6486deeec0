# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the network found, as parallel arrays.

The coordinates are whatever the maker says, canvas or image pixels; see `resize` for both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.resize import Boxes


class Alternatives(NamedTuple):
    """
    What else each object may be, likeliest first.

    :ivar class_ids: int32 of shape (N, K), -1 where there is none.
    :ivar scores: float32 of shape (N, K), 0 where there is none.
    """

    class_ids: NDArray[np.int32]
    scores: NDArray[np.float32]

    def rows(self, index: slice | NDArray[Any]) -> Alternatives:
        """Pick those of some objects."""
        return Alternatives(self.class_ids[index], self.scores[index])

    def columns(self, count: int) -> Alternatives:
        """Keep the likeliest, so many at most."""
        return Alternatives(self.class_ids[:, :count], self.scores[:, :count])

    def where(self, named: NDArray[np.bool_]) -> Alternatives:
        """Leave out those that are not named, (N, K)."""
        return Alternatives(np.where(named, self.class_ids, np.int32(-1)),
                            np.where(named, self.scores, np.float32(0)))


@dataclass(frozen=True, eq=False)
class Detections:
    """
    Objects found in one image, best score first when they come from the decoder.

    :ivar boxes: float32 of shape (N, 4), rows (x1, y1, x2, y2) in pixels.
    :ivar scores: float32 of shape (N,), from 0 to 1.
    :ivar class_ids: int32 of shape (N,), indices into the labels.
    :ivar alternatives: what else they may be, when that was asked for and anything was found.
    :ivar track_ids: int64 of shape (N,), when they were tracked: the same number for the same
        object in image after image, 0 for an object that has none yet.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    alternatives: Alternatives | None = None
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        shapes = self.boxes.shape, self.scores.shape, self.class_ids.shape
        if shapes != ((count, 4), (count,), (count,)):
            raise ValueError(f'boxes, scores and class_ids have the shapes {shapes}: '
                             'expected (N, 4), (N,) and (N,) with one N')
        if self.alternatives is not None:
            _require_alternatives(self.alternatives, count)
        if self.track_ids is not None and self.track_ids.shape != (count,):
            raise ValueError(f'track_ids have the shape {self.track_ids.shape}: '
                             f'expected {(count,)}, one for each box')

    @classmethod
    def empty(cls) -> Detections:
        """Nothing found."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: slice | NDArray[Any]) -> Detections:
        """Pick by slice, index array or boolean mask, in the order given."""
        alternatives, track_ids = self.alternatives, self.track_ids
        return Detections(
            self.boxes[index], self.scores[index], self.class_ids[index],
            None if alternatives is None else alternatives.rows(index),
            None if track_ids is None else track_ids[index])

    def with_boxes(self, boxes: Boxes) -> Detections:
        """Return the same objects in other coordinates; `boxes` as float32 of shape (N, 4)."""
        return replace(self, boxes=boxes)

    def with_track_ids(self, track_ids: NDArray[np.int64]) -> Detections:
        """Return the same objects as tracked ones."""
        return replace(self, track_ids=track_ids)


def _require_alternatives(alternatives: Alternatives, count: int) -> None:
    shapes = alternatives.class_ids.shape, alternatives.scores.shape
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != count:
        raise ValueError(f'class_ids and scores of alternatives have the shapes {shapes}: '
                         f'expected ({count}, K) for both, a row for each box')
