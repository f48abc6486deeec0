# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A slow implementation of decoding that is easy to check: float64 and one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Array, Scale
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.head import Head, Level


class Candidate(NamedTuple):
    """
    One cell that reaches the threshold.

    :ivar others: the next best classes and their scores.
    """

    box: Array
    score: float
    class_id: int
    others: Sequence[tuple[int, float]] = ()


def decode(head: Head, outputs: Sequence[Array], criteria: Criteria) -> Detections:
    """Dequantise all values, score all cells, sort them and apply NMS; see `Decoder.decode`."""
    with np.errstate(all='ignore'):
        candidates = [
            candidate
            for level in head.levels
            for candidate in level_candidates(head, level, outputs, criteria)]
    candidates.sort(key=lambda candidate: -candidate.score)
    kept = suppress(candidates[:criteria.top_k], criteria.nms_threshold)
    return as_detections(kept, min(criteria.hypotheses - 1, head.num_classes))


def level_candidates(
    head: Head, level: Level, outputs: Sequence[Array], criteria: Criteria,
) -> list[Candidate]:
    """Return the cells that reach their threshold, row by row."""
    logits = values(outputs[level.class_output], level.class_scale, level.layout)
    centerness = values(outputs[level.centerness_output], level.centerness_scale, level.layout)
    distances = values(outputs[level.box_output], level.box_scale, level.layout)
    present = np.where(np.isnan(logits), -np.inf, logits)
    scores = np.sqrt(sigmoid(present) * sigmoid(centerness))
    unit = level.stride if head.box_unit == 'stride' else 1
    thresholds = wanted_scores(criteria, head.num_classes)
    found = []
    for y in range(level.grid.height):
        for x in range(level.grid.width):
            if np.isnan(logits[y, x]).all():
                continue
            class_id = int(np.argmax(present[y, x]))
            score = float(scores[y, x, class_id])
            left, top, right, bottom = np.maximum(distances[y, x], 0) * unit
            px, py = (x + head.point_offset) * level.stride, (y + head.point_offset) * level.stride
            box = np.array([px - left, py - top, px + right, py + bottom], np.float32)
            if (class_id in thresholds and score >= thresholds[class_id] and score > 0
                    and np.isfinite(box).all()):
                ranking = sorted(thresholds, key=lambda other: -present[y, x, other])
                found.append(Candidate(box, score, class_id, [
                    (other, float(scores[y, x, other])) for other in ranking
                    if other != class_id and scores[y, x, other] >= min(thresholds.values())
                    and scores[y, x, other] > 0]))
    return found


def wanted_scores(criteria: Criteria, num_classes: int) -> dict[int, float]:
    """Return the minimum score of each wanted class, by ascending class."""
    own = dict(criteria.class_thresholds)
    return {class_id: own.get(class_id, criteria.score_threshold)
            for class_id in range(num_classes)
            if criteria.class_ids is None or class_id in criteria.class_ids}


def values(output: Array, scale: Scale | None, layout: str) -> Array:
    """Return the real values of an output, float64 (height, width, channels)."""
    channels_last = output[0] if layout == 'NHWC' else output[0].transpose(1, 2, 0)
    return channels_last.astype(np.float64) * (1.0 if scale is None else scale.astype(np.float64))


def sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))


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
