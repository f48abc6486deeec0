# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the network found, as parallel arrays.

The coordinates are whatever the maker says, canvas or image pixels; see `resize` for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.resize import Boxes


@dataclass(frozen=True, eq=False)
class Detections:
    """
    Objects found in one image, best score first when they come from the decoder.

    :ivar boxes: float32 of shape (N, 4), rows (x1, y1, x2, y2) in pixels.
    :ivar scores: float32 of shape (N,), from 0 to 1.
    :ivar class_ids: int32 of shape (N,), indices into the labels.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        count = len(self.scores)
        shapes = self.boxes.shape, self.scores.shape, self.class_ids.shape
        if shapes != ((count, 4), (count,), (count,)):
            raise ValueError(f'boxes, scores and class_ids have the shapes {shapes}: '
                             'expected (N, 4), (N,) and (N,) with one N')

    @classmethod
    def empty(cls) -> Detections:
        """Nothing found."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: slice | NDArray[Any]) -> Detections:
        """Pick by slice, index array or boolean mask, in the order given."""
        return Detections(self.boxes[index], self.scores[index], self.class_ids[index])

    def with_boxes(self, boxes: Boxes) -> Detections:
        """Return the same objects in other coordinates; `boxes` as float32 of shape (N, 4)."""
        return Detections(boxes, self.scores, self.class_ids)
