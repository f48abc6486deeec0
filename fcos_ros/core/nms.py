# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Non-maximum suppression: of boxes that show one object, the best stays.

Boxes are (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, all finite, in any unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


def nms(
    boxes: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any], iou_threshold: float,
) -> Indices:
    """
    Keep the best box of every group that overlaps, class by class.

    Greedy: in order of score (first given first, when equal) a box is kept unless its IoU with
    a kept box of the same class is above the threshold.

    :param boxes: (N, 4); `scores` (N,); `class_ids` (N,).
    :param iou_threshold: from 0 to 1.
    :returns: indices of the kept boxes, best score first.
    """
    order = np.argsort(-np.asarray(scores), kind='stable')
    kept = _first_of_overlapping(
        np.asarray(boxes, np.float64)[order], np.asarray(class_ids)[order], iou_threshold)
    return order[kept]


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """
    Intersection over union of each pair of boxes; 0 where both boxes have no area.

    :param a: (N, 4).
    :param b: (M, 4).
    :returns: float64 of shape (N, M).
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return _iou(first[:, None, :], second[None, :, :])


def _first_of_overlapping(boxes: Floats, class_ids: NDArray[Any], iou_threshold: float) -> Indices:
    """Greedy NMS of boxes that are sorted already, best first."""
    alive = np.ones(len(boxes), bool)
    first, second = _near_pairs(boxes, class_ids, iou_threshold)
    overlap = _iou(boxes[first], boxes[second]) > iou_threshold
    better = np.minimum(first, second)[overlap]
    worse = np.maximum(first, second)[overlap]
    # A box lives unless a better living box overlaps it. Asked again and again, the best boxes
    # are settled first, then those that depend on them: no change means all are settled.
    while True:
        survivors = np.ones(len(boxes), bool)
        survivors[worse[alive[better]]] = False
        if np.array_equal(survivors, alive):
            return np.flatnonzero(alive)
        alive = survivors


def _near_pairs(
    boxes: Floats, class_ids: NDArray[Any], iou_threshold: float,
) -> tuple[Indices, Indices]:
    """
    Index pairs that hold every pair of one class whose IoU is above the threshold.

    The overlap of two such boxes is wider than threshold * width of either. So, when the boxes
    of a class are sorted by x1, the partner of a box starts within (1 - threshold) * its width.
    """
    count = len(boxes)
    if count < 2:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    left, right = boxes[:, 0], boxes[:, 2]
    span = right.max() - left.min() + 1.0  # wider than any box: the classes lie side by side
    start = class_ids * (2 * span) + (left - left.min())
    order = np.argsort(start)
    start = start[order]
    reach = start + (1 - iou_threshold) * (right - left)[order]
    # The tiny margin covers rounding: a pair too many costs time, a pair too few is an error.
    end = np.searchsorted(start, reach + 1e-9 * start[-1] + 1e-9, side='right')
    partners = end - np.arange(1, count + 1)
    first = np.repeat(np.arange(count), partners)
    offsets = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    return order[first], order[first + 1 + offsets]


def _iou(a: Floats, b: Floats) -> Floats:
    """IoU along the last axis, with numpy's broadcasting over the others."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inside = np.maximum(sides, 0).prod(axis=-1)
    union = _area(a) + _area(b) - inside
    return np.divide(inside, union, out=np.zeros_like(union), where=union > 0)


def _area(boxes: Floats) -> Floats:
    return np.multiply(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
