# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A slow implementation of decoding that is easy to check: float64 and one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Array
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.head import Head, Level, Part


class Candidate(NamedTuple):
    """
    One cell and class that reach the threshold.

    :ivar others: the next best classes and their scores.
    """

    box: Array
    score: float
    class_id: int
    others: Sequence[tuple[int, float]] = ()


def decode(head: Head, outputs: Sequence[Array], criteria: Criteria) -> Detections:
    """Dequantise all values, score all cells, sort them and apply NMS; see `HeadDecoder`."""
    with np.errstate(all='ignore'):
        candidates = [
            candidate
            for level in head.levels
            for candidate in level_candidates(head, level, outputs, criteria)]
    candidates.sort(key=lambda candidate: -candidate.score)
    kept = suppress(candidates, criteria.nms_threshold)
    return as_detections(kept, min(criteria.hypotheses - 1, head.num_classes))


def level_candidates(
    head: Head, level: Level, outputs: Sequence[Array], criteria: Criteria,
) -> list[Candidate]:
    """Return the cells and classes that reach their threshold, row by row."""
    classes = values(head, level, level.classes, outputs)
    distances = values(head, level, level.box, outputs)
    if head.box_activation == 'exp':
        distances = np.exp(distances)
    present = np.where(np.isnan(classes), -np.inf, classes)
    scores = level_scores(head, level, outputs, present)
    unit = level.stride if head.box_unit == 'stride' else 1
    thresholds = wanted_scores(criteria, head.num_classes)
    found = []
    for y in range(level.grid.height):
        for x in range(level.grid.width):
            left, top, right, bottom = np.maximum(distances[y, x], 0) * unit
            px = (x + head.point_offset) * level.spacing[0]
            py = (y + head.point_offset) * level.spacing[1]
            box = np.array([px - left, py - top, px + right, py + bottom], np.float32)
            # Best first; of equal classes, the first.
            order = sorted(range(head.num_classes), key=lambda other: -present[y, x, other])
            for class_id in order[:1] if criteria.one_class_per_cell else sorted(order):
                score = float(scores[y, x, class_id])
                if (not np.isnan(classes[y, x, class_id]) and class_id in thresholds
                        and score >= thresholds[class_id] and score > 0
                        and np.isfinite(box).all()):
                    after = order[order.index(class_id) + 1:]
                    found.append(Candidate(box, score, class_id, [
                        (other, float(scores[y, x, other])) for other in after
                        if other in thresholds and scores[y, x, other] > 0
                        and scores[y, x, other] >= min(thresholds.values())]))
    return found


def level_scores(
    head: Head, level: Level, outputs: Sequence[Array], classes: Array,
) -> Array:
    """Return the scores of all classes, (height, width, classes)."""
    factor = probabilities(head, classes)
    if head.score == 'cls':
        return factor
    assert level.centerness is not None
    both = factor * probabilities(head, values(head, level, level.centerness, outputs))
    return np.sqrt(both) if head.score == 'sqrt(cls*ctr)' else both


def wanted_scores(criteria: Criteria, num_classes: int) -> dict[int, float]:
    """Return the minimum score of each wanted class, by ascending class."""
    own = dict(criteria.class_thresholds)
    return {class_id: own.get(class_id, criteria.score_threshold)
            for class_id in range(num_classes)
            if criteria.class_ids is None or class_id in criteria.class_ids}


def values(head: Head, level: Level, part: Part, outputs: Sequence[Array]) -> Array:
    """Return the real values of a part of a level, float64 (height, width, channels)."""
    output = outputs[part.output][0]
    channels_last = output if head.layout == 'NHWC' else np.moveaxis(output, 0, -1)
    cells = channels_last.reshape(-1, channels_last.shape[-1])
    own = cells[part.first_cell:part.first_cell + level.grid.width * level.grid.height]
    channels = own[:, part.first_channel:part.first_channel + part.channels]
    # C-contiguous: numpy may compute exp differently with other strides.
    real = np.array(channels, np.float64, order='C')
    if part.scale is not None:
        real = real * part.scale.astype(np.float64)
    return real.reshape(level.grid.height, level.grid.width, part.channels)


def probabilities(head: Head, values: Array) -> Array:
    return 1 / (1 + np.exp(-values)) if head.activation == 'logits' else np.clip(values, 0, 1)


def suppress(best_first: list[Candidate], iou_threshold: float) -> list[Candidate]:
    """Apply greedy NMS to each class."""
    kept: list[Candidate] = []
    for candidate in best_first:
        if not any(candidate.class_id == better.class_id
                   and iou(candidate.box, better.box) > iou_threshold for better in kept):
            kept.append(candidate)
    return kept


def iou(a: Array, b: Array) -> float:
    """Return the intersection over union of two boxes; 0 if both have no area."""
    ax1, ay1, ax2, ay2 = map(float, a)
    bx1, by1, bx2, by2 = map(float, b)
    inside = max(min(ax2, bx2) - max(ax1, bx1), 0) * max(min(ay2, by2) - max(ay1, by1), 0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inside
    return inside / union if union > 0 else 0.0


def as_detections(candidates: list[Candidate], others: int = 0) -> Detections:
    return Detections(
        np.array([candidate.box for candidate in candidates], np.float32).reshape(-1, 4),
        np.array([candidate.score for candidate in candidates], np.float32),
        np.array([candidate.class_id for candidate in candidates], np.int32),
        as_alternatives(candidates, others) if others and candidates else None)


def as_alternatives(candidates: list[Candidate], count: int) -> Alternatives:
    filled = [[*candidate.others, *[(-1, 0.0)] * count][:count] for candidate in candidates]
    class_ids = [[other for other, _ in others] for others in filled]
    return Alternatives(np.array(class_ids, np.int32), np.array(
        [[score for _, score in others] for others in filled], np.float32))
