# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Non-maximum suppression (NMS): keep the best of the boxes that show the same object.

Boxes are (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, all finite, in any unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Floats, Indices, Mask


def nms(
    boxes: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any], iou_threshold: float,
) -> Indices:
    """
    Apply greedy NMS, class by class.

    Boxes are visited by falling score; of equal scores, the first box comes first. A box is
    dropped if its IoU with a kept box of the same class is above the threshold.

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
    """Apply `nms` to boxes that are already sorted, best score first."""
    sides = np.ascontiguousarray(boxes.T, np.float64)
    remaining, kept = np.arange(len(boxes)), []
    # Only one batch of boxes is compared with each other at once. Its kept boxes then drop most of
    # the others, so even many overlapping boxes need few comparisons.
    while remaining.size:
        best, remaining = remaining[:_BATCH_SIZE], remaining[_BATCH_SIZE:]
        best = best[_kept_of_batch(sides.take(best, axis=1), class_ids.take(best), iou_threshold)]
        kept.append(best)
        if remaining.size:
            overlap = _overlap(
                sides.take(best, axis=1)[:, :, None], class_ids.take(best)[:, None],
                sides.take(remaining, axis=1)[:, None], class_ids.take(remaining), iou_threshold)
            remaining = remaining[~overlap.any(axis=0)]
    return np.concatenate(kept) if kept else remaining


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """
    Return the intersection over union of each pair of boxes; 0 where both have no area.

    :param a: (N, 4).
    :param b: (M, 4).
    :returns: float64 of shape (N, M).
    """
    first, second = np.asarray(a, np.float64).T, np.asarray(b, np.float64).T
    intersection, union = _intersection_and_union(first[:, :, None], second[:, None])
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


_BATCH_SIZE = 64
"""Boxes that are compared with each other at once."""

_WORSE, _BETTER = np.tril_indices(_BATCH_SIZE, -1)
"""All pairs in a batch by the worse box; the first N * (N - 1) / 2 are those of N boxes."""


def _kept_of_batch(sides: Floats, class_ids: NDArray[Any], iou_threshold: float) -> Indices:
    """Return the kept boxes of one batch, which is sorted, best score first."""
    count = class_ids.size
    pairs = count * (count - 1) // 2
    better, worse = _BETTER[:pairs], _WORSE[:pairs]
    overlap = _overlap(
        sides.take(better, axis=1), class_ids.take(better),
        sides.take(worse, axis=1), class_ids.take(worse), iou_threshold)
    better, worse = better[overlap], worse[overlap]
    kept = np.ones(count, bool)
    # A box is kept if no better kept box overlaps it. Each pass settles the boxes that depend on
    # settled ones only, best boxes first. Without a change, all are settled.
    while better.size:
        updated = np.ones(count, bool)
        updated[worse[kept.take(better)]] = False
        if (updated == kept).all():
            break
        kept = updated
    return kept.nonzero()[0]


def _overlap(
    a: Floats, a_class: NDArray[Any], b: Floats, b_class: NDArray[Any], iou_threshold: float,
) -> Mask:
    """Return which pairs are of the same class and have an IoU above the threshold."""
    intersection, union = _intersection_and_union(a, b)
    with np.errstate(invalid='ignore'):  # 0 / 0 for two boxes without area; not an overlap
        overlap: Mask = (intersection / union > iou_threshold) & (a_class == b_class)
    return overlap


def _intersection_and_union(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return two areas; the first axis is x1, y1, x2, y2, the others broadcast."""
    common = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    np.maximum(common, 0, out=common)
    intersection = common[0] * common[1]
    return intersection, _area(a) + _area(b) - intersection


def _area(sides: Floats) -> Floats:
    area: Floats = (sides[2] - sides[0]) * (sides[3] - sides[1])
    return area
