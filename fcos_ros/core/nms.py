# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Non-maximum suppression (NMS): keep the best of the boxes that show the same object.

Boxes are (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, all finite, in any unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Floats, Indices, Mask
from fcos_ros.core.box_grid import BoxGrid


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
    return concatenated(list(nms_batches(
        np.asarray(boxes), np.asarray(scores), np.asarray(class_ids), iou_threshold)))


def nms_batches(
    boxes: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any], iou_threshold: float,
) -> Iterator[Indices]:
    """
    Yield the result of `nms` in parts, best first; a part may be empty.

    A caller who needs no more boxes can stop, and saves the rest of the work.
    """
    order = (-scores).argsort(kind='stable')
    sides = np.ascontiguousarray(boxes.take(order, axis=0).T, np.float64)
    class_ids = class_ids.take(order)
    remaining, size = np.arange(class_ids.size), _BATCH_SIZE
    # Only one batch of boxes is compared with each other at once. Its kept boxes then drop most of
    # the others, so even many overlapping boxes need few comparisons.
    while remaining.size:
        batch, remaining = remaining[:size], remaining[size:]
        best = batch[_kept_of_batch(
            sides.take(batch, axis=1), class_ids.take(batch), iou_threshold)]
        yield order.take(best)
        if not remaining.size:
            return
        if best.size * remaining.size <= _MAX_COMPARED:
            dropped = _dropped_by_any
        else:
            # Many boxes are kept: larger batches need fewer rounds.
            dropped, size = _dropped_by_near, min(2 * size, _MAX_BATCH_SIZE)
        remaining = remaining[~dropped(
            sides.take(best, axis=1), class_ids.take(best), sides.take(remaining, axis=1),
            class_ids.take(remaining), iou_threshold)]


def concatenated(parts: Sequence[Indices]) -> Indices:
    """Return the indices of all parts; there may be none."""
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.intp), *parts])


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
"""Boxes of the first batch."""

_MAX_BATCH_SIZE = 1024
"""Boxes of a batch at most; all of them may overlap, which makes half a million pairs."""

_MAX_COMPARED = 30_000
"""Pairs up to which comparing all takes no longer than a grid: 0.2 ms on an x86 core."""

_FEW = 4
"""Pairs of the same class are picked if they are less than one in four."""

_WORSE, _BETTER = np.tril_indices(_BATCH_SIZE, -1)
"""All pairs in a batch by the worse box; the first N * (N - 1) / 2 are those of N boxes."""


def _kept_of_batch(sides: Floats, class_ids: Indices, iou_threshold: float) -> Indices:
    """Return the kept boxes of one batch, which is sorted, best score first."""
    better, worse = _overlaps_of_batch(sides, class_ids, iou_threshold)
    kept = np.ones(class_ids.size, bool)
    # A box is kept if no better kept box overlaps it. Each pass settles the boxes that depend on
    # settled ones only, best boxes first. Without a change, all are settled.
    while better.size:
        updated = np.ones(class_ids.size, bool)
        updated[worse[kept.take(better)]] = False
        if (updated == kept).all():
            break
        kept = updated
    return kept.nonzero()[0]


def _overlaps_of_batch(
    sides: Floats, class_ids: Indices, iou_threshold: float,
) -> tuple[Indices, Indices]:
    """Return the pairs of a batch that overlap: the better boxes and the worse ones."""
    if class_ids.size > _BATCH_SIZE:
        one, other = _overlaps_near(sides, class_ids, sides, class_ids, iou_threshold)
        ordered = one < other
        return one[ordered], other[ordered]
    pairs = class_ids.size * (class_ids.size - 1) // 2
    better, worse = _BETTER[:pairs], _WORSE[:pairs]
    same = (class_ids.take(better) == class_ids.take(worse)).nonzero()[0]
    better, worse = better.take(same), worse.take(same)
    overlap = _overlap(sides.take(better, axis=1), sides.take(worse, axis=1), iou_threshold)
    return better[overlap], worse[overlap]


def _dropped_by_any(
    best: Floats, best_classes: Indices, others: Floats, other_classes: Indices,
    iou_threshold: float,
) -> Mask:
    """Return which of the other boxes overlap one of the best; all pairs are compared."""
    same = best_classes[:, None] == other_classes
    if np.count_nonzero(same) * _FEW > same.size:
        same &= _overlap(best[:, :, None], others[:, None], iou_threshold)
        return np.asarray(same.any(axis=0))
    one, other = same.nonzero()
    dropped = np.zeros(other_classes.size, bool)
    dropped[other[_overlap(best.take(one, axis=1), others.take(other, axis=1),
                           iou_threshold)]] = True
    return dropped


def _dropped_by_near(
    best: Floats, best_classes: Indices, others: Floats, other_classes: Indices,
    iou_threshold: float,
) -> Mask:
    """Return the same as `_dropped_by_any`; only boxes near each other are compared."""
    dropped = np.zeros(other_classes.size, bool)
    dropped[_overlaps_near(best, best_classes, others, other_classes, iou_threshold)[1]] = True
    return dropped


def _overlaps_near(
    sides: Floats, class_ids: Indices, others: Floats, other_classes: Indices,
    iou_threshold: float,
) -> tuple[Indices, Indices]:
    """Return the pairs of a box and another box that overlap; neither set is empty."""
    found = []
    for one, other in BoxGrid(others, other_classes, iou_threshold).near(sides, class_ids):
        overlap = _overlap(sides.take(one, axis=1), others.take(other, axis=1), iou_threshold)
        found.append((one[overlap], other[overlap]))
    ones, others_of = zip(*found)
    return np.concatenate(ones), np.concatenate(others_of)


def _overlap(a: Floats, b: Floats, iou_threshold: float) -> Mask:
    """Return which pairs have an IoU above the threshold."""
    intersection, union = _intersection_and_union(a, b)
    with np.errstate(invalid='ignore'):  # 0 / 0 for two boxes without area; not an overlap
        overlap: Mask = intersection / union > iou_threshold
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
