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
    kept = nms_sorted(np.asarray(boxes)[order], np.asarray(class_ids)[order], iou_threshold)
    return order[kept]


def nms_sorted(
    boxes: NDArray[Any], class_ids: NDArray[Any], iou_threshold: float,
) -> Indices:
    """Do `nms` for boxes that are sorted already, best score first."""
    sides = np.ascontiguousarray(boxes.T, np.float64)
    pairs = _all_pairs(sides) if len(boxes) <= _FEW else _near_pairs(
        sides, class_ids, iou_threshold)
    better, worse = _overlapping(sides, class_ids, iou_threshold, *pairs)
    # A box lives unless a better living box overlaps it. Asked again and again, the best boxes
    # are settled first, then those that depend on them: no change means all are settled.
    alive = np.ones(len(boxes), bool)
    while True:
        survivors = np.ones(len(boxes), bool)
        survivors[worse[alive.take(better)]] = False
        if (survivors == alive).all():
            return alive.nonzero()[0]
        alive = survivors


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """
    Intersection over union of each pair of boxes; 0 where both boxes have no area.

    :param a: (N, 4).
    :param b: (M, 4).
    :returns: float64 of shape (N, M).
    """
    first, second = np.asarray(a, np.float64).T, np.asarray(b, np.float64).T
    inside = _inside(first[:, :, None], second[:, None])
    union = _area(first)[:, None] + _area(second) - inside
    return np.divide(inside, union, out=np.zeros_like(union), where=union > 0)


# Up to that many boxes all pairs are looked at, beyond it most are ruled out first: whichever is
# faster. Pairs are in order of the worse box: those of the first N boxes are N * (N - 1) / 2.
_FEW = 64
_WORSE, _BETTER = np.tril_indices(_FEW, -1)


def _all_pairs(sides: Floats) -> tuple[Indices, Indices]:
    """Index pairs (better, worse) of few boxes."""
    count = sides.shape[1]
    pairs = count * (count - 1) // 2
    return _BETTER[:pairs], _WORSE[:pairs]


def _near_pairs(
    sides: Floats, class_ids: NDArray[Any], iou_threshold: float,
) -> tuple[Indices, Indices]:
    """
    Index pairs (better, worse), among them all of one class with an IoU above the threshold.

    The overlap of two such boxes is wider than threshold * width of either. So, when the boxes
    of a class are sorted by x1, the partner of a box starts within (1 - threshold) * its width.
    """
    left, width = sides[0], sides[2] - sides[0]
    left = left - left.min()
    # The classes lie side by side, further apart than any box is wide.
    start = left + class_ids * (left.max() + width.max() + 1.0)
    order = np.argsort(start)
    start = start.take(order)
    # A pair too many costs time, a pair too few is an error: the margin covers rounding.
    reach = start + (1 - iou_threshold) * width.take(order) + (1e-9 * start[-1] + 1e-9)
    ranks = np.arange(1, len(order) + 1)
    partners = np.searchsorted(start, reach, side='right') - ranks
    ends = np.cumsum(partners)
    first = np.repeat(order, partners)
    second = order.take(np.arange(ends[-1]) + np.repeat(ranks - (ends - partners), partners))
    return np.minimum(first, second), np.maximum(first, second)


def _overlapping(
    sides: Floats, class_ids: NDArray[Any], iou_threshold: float, better: Indices, worse: Indices,
) -> tuple[Indices, Indices]:
    """Keep the pairs of one class whose IoU is above the threshold."""
    area = _area(sides)
    inside = _inside(sides.take(better, axis=1), sides.take(worse, axis=1))
    with np.errstate(invalid='ignore'):  # 0 / 0, two boxes without area, is above nothing
        iou = inside / (area.take(better) + area.take(worse) - inside)
        overlap = (iou > iou_threshold) & (class_ids.take(better) == class_ids.take(worse))
    return better[overlap], worse[overlap]


def _inside(a: Floats, b: Floats) -> Floats:
    """Area that two boxes share; the first axis is x1, y1, x2, y2."""
    common = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    np.maximum(common, 0, out=common)
    area: Floats = common[0] * common[1]
    return area


def _area(sides: Floats) -> Floats:
    area: Floats = (sides[2] - sides[0]) * (sides[3] - sides[1])
    return area
