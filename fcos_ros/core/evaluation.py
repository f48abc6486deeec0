# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How good detections are, as the COCO benchmark measures it.

Detections and truth are `Detections`, one each an image, in the same coordinates; the scores of
the truth do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import box_iou

IOUS = np.linspace(0.5, 0.95, 10)
"""What a box must share with the true one to be right, loosest first."""

RECALLS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100
"""The best so many of each class in an image count."""


@dataclass(frozen=True)
class Evaluation:
    """
    Average precisions, from 0 to 1; nan where nothing was to be found.

    :ivar ap: mean over the classes and over IoU 0.50, 0.55 .. 0.95.
    :ivar ap50: mean over the classes at IoU 0.50; `ap75` at 0.75.
    :ivar by_class: `ap` of each class that occurs in the truth, by its id.
    """

    ap: float
    ap50: float
    ap75: float
    by_class: dict[int, float]


@dataclass(frozen=True)
class Rates:
    """
    What a threshold makes of it, at IoU 0.50; nan where there is nothing to count.

    :ivar precision: part of the detections that are right.
    :ivar recall: part of the objects that are found.
    """

    precision: float
    recall: float


def evaluate(found: Sequence[Detections], truth: Sequence[Detections]) -> Evaluation:
    """
    Average the precision over recalls of 0, 0.01 .. 1, class by class.

    :raises ValueError: when there are not as many images in `found` as in `truth`.
    """
    _require_pairs(found, truth)
    classes = np.unique(np.concatenate([_NO_IDS, *(image.class_ids for image in truth)]))
    table = np.array([_class_precisions(found, truth, class_id) for class_id in classes])
    if not len(table):
        return Evaluation(np.nan, np.nan, np.nan, {})
    by_class = dict(zip(classes.tolist(), table.mean(axis=1).tolist()))
    at_iou = table.mean(axis=0)
    return Evaluation(float(at_iou.mean()), float(at_iou[0]), float(at_iou[5]), by_class)


def rates(
    found: Sequence[Detections], truth: Sequence[Detections], score_threshold: float = 0.0,
) -> Rates:
    """
    Count what is right among detections of at least a score.

    :raises ValueError: when there are not as many images in `found` as in `truth`.
    """
    _require_pairs(found, truth)
    kept = [image[image.scores >= score_threshold] for image in found]
    right = sum(int(_match(image, true)[0].sum()) for image, true in zip(kept, truth))
    claims, objects = sum(map(len, kept)), sum(map(len, truth))
    return Rates(right / claims if claims else np.nan, right / objects if objects else np.nan)


_NO_IDS = np.empty(0, np.int32)


def _require_pairs(found: Sequence[Detections], truth: Sequence[Detections]) -> None:
    if len(found) != len(truth):
        raise ValueError(f'detections of {len(found)} images and truth of {len(truth)}: '
                         'give both for each image, in the same order')


def _class_precisions(
    found: Sequence[Detections], truth: Sequence[Detections], class_id: int,
) -> NDArray[np.float64]:
    """Average precision of one class at each of `IOUS`."""
    scores, right, objects = [], [], 0
    for image, true in zip(found, truth):
        own = image[image.class_ids == class_id]
        own = own[np.argsort(-own.scores, kind='stable')[:MAX_DETECTIONS]]
        own_truth = true[true.class_ids == class_id]
        scores.append(own.scores)
        right.append(_match(own, own_truth))
        objects += len(own_truth)
    order = np.argsort(-np.concatenate(scores), kind='stable')
    return _average_precision(np.concatenate(right, axis=1)[:, order], objects)


def _match(found: Detections, truth: Detections) -> NDArray[np.bool_]:
    """
    Tell which detections are right at each of `IOUS`, bool of shape (10, N).

    Best score first, each takes the object of its class that it overlaps most of those left.
    """
    right = np.zeros((len(IOUS), len(found)), bool)
    if not len(found) or not len(truth):
        return right
    overlap = box_iou(found.boxes, truth.boxes)
    overlap[found.class_ids[:, None] != truth.class_ids] = -1
    order = np.argsort(-found.scores, kind='stable')
    for level, least in enumerate(IOUS):
        left = overlap.copy()
        for index in order:
            best = int(left[index].argmax())
            # The benchmark's own margin for what rounding does to a box on the limit.
            if left[index, best] >= min(least, 1 - 1e-10):
                right[level, index] = True
                left[:, best] = -1
    return right


def _average_precision(right: NDArray[np.bool_], objects: int) -> NDArray[np.float64]:
    """Mean precision over `RECALLS`, row by row, of detections in order of score."""
    hits = right.cumsum(axis=1)
    recall = hits / objects
    precision = hits / np.arange(1, right.shape[1] + 1)
    # As good as the best at this recall or a higher one.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    averages = []
    for recalls, precisions in zip(recall, precision):
        reached = np.searchsorted(recalls, RECALLS, side='left')
        averages.append(np.append(precisions, 0)[reached].mean())
    return np.array(averages)
