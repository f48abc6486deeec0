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
    boxes, class_ids = np.asarray(boxes)[order], np.asarray(class_ids)[order]
    return order[nms_sorted(boxes, class_ids, iou_threshold)]


def nms_sorted(
    boxes: NDArray[Any], class_ids: NDArray[Any], iou_threshold: float,
) -> Indices:
    """Do `nms` for boxes that are sorted already, best score first."""
    sides = np.ascontiguousarray(boxes.T, np.float64)
    left, kept = np.arange(len(boxes)), []
    # Few boxes are compared with each other at once. The best of them then rule out most of the
    # others, so that even a crowd comes down to few comparisons.
    while left.size:
        best, left = left[:_FEW], left[_FEW:]
        best = best[_settled(sides.take(best, axis=1), class_ids.take(best), iou_threshold)]
        kept.append(best)
        if left.size:
            overlap = _overlap(
                sides.take(best, axis=1)[:, :, None], class_ids.take(best)[:, None],
                sides.take(left, axis=1)[:, None], class_ids.take(left), iou_threshold)
            left = left[~overlap.any(axis=0)]
    return np.concatenate(kept) if kept else left


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """
    Intersection over union of each pair of boxes; 0 where both boxes have no area.

    :param a: (N, 4).
    :param b: (M, 4).
    :returns: float64 of shape (N, M).
    """
    first, second = np.asarray(a, np.float64).T, np.asarray(b, np.float64).T
    inside, union = _inside_and_union(first[:, :, None], second[:, None])
    return np.divide(inside, union, out=np.zeros_like(union), where=union > 0)


# All pairs of few boxes, in order of the worse one: those of the first N are N * (N - 1) / 2.
_FEW = 64
_WORSE, _BETTER = np.tril_indices(_FEW, -1)


def _settled(sides: Floats, class_ids: NDArray[Any], iou_threshold: float) -> Indices:
    """Choose among few boxes, best first."""
    count = class_ids.size
    pairs = count * (count - 1) // 2
    better, worse = _BETTER[:pairs], _WORSE[:pairs]
    overlap = _overlap(
        sides.take(better, axis=1), class_ids.take(better),
        sides.take(worse, axis=1), class_ids.take(worse), iou_threshold)
    better, worse = better[overlap], worse[overlap]
    alive = np.ones(count, bool)
    # A box lives unless a better living box overlaps it. Asked again and again, the best boxes
    # are settled first, then those that depend on them: no change means all are settled.
    while better.size:
        survivors = np.ones(count, bool)
        survivors[worse[alive.take(better)]] = False
        if (survivors == alive).all():
            break
        alive = survivors
    return alive.nonzero()[0]


def _overlap(
    a: Floats, a_class: NDArray[Any], b: Floats, b_class: NDArray[Any], iou_threshold: float,
) -> NDArray[np.bool_]:
    """Tell which boxes are of one class and have an IoU above the threshold."""
    inside, union = _inside_and_union(a, b)
    with np.errstate(invalid='ignore'):  # 0 / 0, two boxes without area, is above nothing
        overlap: NDArray[np.bool_] = (inside / union > iou_threshold) & (a_class == b_class)
    return overlap


def _inside_and_union(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Areas; the first axis is x1, y1, x2, y2, the others are numpy's to broadcast."""
    common = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    np.maximum(common, 0, out=common)
    inside = common[0] * common[1]
    return inside, _area(a) + _area(b) - inside


def _area(sides: Floats) -> Floats:
    area: Floats = (sides[2] - sides[0]) * (sides[3] - sides[1])
    return area
