# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The detections of one image, as parallel arrays.

Boxes are in canvas pixels or in image pixels; the function that returns them states which.
`Resize` converts between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes, Mask


class Alternatives(NamedTuple):
    """
    The next best classes of each detection, best first.

    :ivar class_ids: int32 of shape (N, K), -1 where there is none.
    :ivar scores: float32 of shape (N, K), 0 where there is none.
    """

    class_ids: NDArray[np.int32]
    scores: NDArray[np.float32]

    def rows(self, index: slice | NDArray[Any]) -> Alternatives:
        """Return the alternatives of some detections."""
        return Alternatives(self.class_ids[index], self.scores[index])

    def columns(self, count: int) -> Alternatives:
        """Keep at most the best `count` of each detection."""
        return Alternatives(self.class_ids[:, :count], self.scores[:, :count])

    def where(self, kept: Mask) -> Alternatives:
        """Remove all but those that the mask selects, (N, K)."""
        return Alternatives(np.where(kept, self.class_ids, np.int32(-1)),
                            np.where(kept, self.scores, np.float32(0)))


@dataclass(frozen=True, eq=False)
class Detections:
    """
    Objects found in one image, best score first when they come from the decoder.

    :ivar boxes: float32 of shape (N, 4), rows (x1, y1, x2, y2) in pixels.
    :ivar scores: float32 of shape (N,), from 0 to 1.
    :ivar class_ids: int32 of shape (N,), indices into the labels.
    :ivar alternatives: the next best classes; None if not requested, or if nothing was detected.
    :ivar track_ids: int64 of shape (N,), if tracked: an object keeps its number from image to
        image, and 0 is an object without a number yet.
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
            raise ValueError(f'boxes, scores and class_ids have the shapes {shapes}; '
                             'accepted: (N, 4), (N,) and (N,) with the same N')
        if self.alternatives is not None:
            _require_alternatives(self.alternatives, count)
        if self.track_ids is not None and self.track_ids.shape != (count,):
            raise ValueError(f'track_ids has the shape {self.track_ids.shape}; '
                             f'accepted: {(count,)}, one number for each box')

    @classmethod
    def empty(cls) -> Detections:
        """Return an empty set of detections."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: slice | NDArray[Any]) -> Detections:
        """Select by slice, index array or boolean mask; the index gives the order."""
        alternatives, track_ids = self.alternatives, self.track_ids
        return Detections(
            self.boxes[index], self.scores[index], self.class_ids[index],
            None if alternatives is None else alternatives.rows(index),
            None if track_ids is None else track_ids[index])

    def with_boxes(self, boxes: Boxes) -> Detections:
        """Return the same detections with other boxes, float32 of shape (N, 4)."""
        return Detections(
            boxes, self.scores, self.class_ids, self.alternatives, self.track_ids)

    def with_track_ids(self, track_ids: NDArray[np.int64]) -> Detections:
        """Return the same detections with track numbers, int64 of shape (N,)."""
        return replace(self, track_ids=track_ids)


def join(parts: Sequence[Detections]) -> Detections:
    """Return all detections of some sets, one set after the other, without track numbers."""
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.class_ids for part in parts]), _join_alternatives(parts))


def _join_alternatives(parts: Sequence[Detections]) -> Alternatives | None:
    """Return the alternatives of some sets; a set without any has empty ones."""
    own = [part.alternatives for part in parts]
    columns = max((each.scores.shape[1] for each in own if each is not None), default=0)
    if not columns:
        return None
    class_ids = np.full((sum(map(len, parts)), columns), -1, np.int32)
    scores = np.zeros(class_ids.shape, np.float32)
    first = 0
    for part, each in zip(parts, own):
        if each is not None:
            rows = slice(first, first + len(part)), slice(each.scores.shape[1])
            class_ids[rows], scores[rows] = each
        first += len(part)
    return Alternatives(class_ids, scores)


def _require_alternatives(alternatives: Alternatives, count: int) -> None:
    shapes = alternatives.class_ids.shape, alternatives.scores.shape
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != count:
        raise ValueError(f'class_ids and scores of alternatives have the shapes {shapes}; '
                         f'accepted: ({count}, K) for both, one row for each box')
