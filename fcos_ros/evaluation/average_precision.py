# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Average precision as defined by the COCO benchmark, and precision and recall.

Detections and ground truth are one `Detections` for each image, in the same coordinates. The
scores of the ground truth are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import box_iou

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Minimum IoU of a correct detection with the true box, ascending."""

RECALL_LEVELS = np.linspace(0, 1, 101)
"""Recalls at which the precision is averaged."""

MAX_DETECTIONS = 100
"""Maximum number of detections of each class in one image; others are ignored."""


@dataclass(frozen=True)
class Evaluation:
    """
    Average precisions (AP), from 0 to 1; nan if the ground truth has no objects.

    :ivar ap: mean over the classes and over IoU 0.50, 0.55 .. 0.95.
    :ivar ap50: mean over the classes at IoU 0.50; `ap75` at 0.75.
    :ivar by_class: `ap` by class id, for each class of the ground truth.
    """

    ap: float
    ap50: float
    ap75: float
    by_class: dict[int, float]


@dataclass(frozen=True)
class PrecisionRecall:
    """
    Precision and recall at IoU 0.50.

    :ivar precision: fraction of the detections that are correct; nan without detections.
    :ivar recall: fraction of the objects that are detected; nan without objects.
    """

    precision: float
    recall: float


def evaluate(found: Sequence[Detections], truth: Sequence[Detections]) -> Evaluation:
    """
    Calculate the average precision over recalls of 0, 0.01 .. 1, class by class.

    :raises ValueError: `found` and `truth` have different numbers of images.
    """
    _require_pairs(found, truth)
    classes = np.unique(np.concatenate([_NO_IDS, *(image.class_ids for image in truth)]))
    table = np.array([_class_precisions(found, truth, class_id) for class_id in classes])
    if not len(table):
        return Evaluation(np.nan, np.nan, np.nan, {})
    by_class = dict(zip(classes.tolist(), table.mean(axis=1).tolist()))
    at_iou = table.mean(axis=0)
    return Evaluation(float(at_iou.mean()), float(at_iou[0]), float(at_iou[5]), by_class)


def precision_recall(
    found: Sequence[Detections], truth: Sequence[Detections], score_threshold: float = 0.0,
) -> PrecisionRecall:
    """
    Calculate precision and recall of the detections that reach a score.

    :raises ValueError: `found` and `truth` have different numbers of images.
    """
    _require_pairs(found, truth)
    kept = [image[image.scores >= score_threshold] for image in found]
    correct = sum(int(_match(image, true)[0].sum()) for image, true in zip(kept, truth))
    detections, objects = sum(map(len, kept)), sum(map(len, truth))
    return PrecisionRecall(correct / detections if detections else np.nan,
                           correct / objects if objects else np.nan)


_NO_IDS = np.empty(0, np.int32)


def _require_pairs(found: Sequence[Detections], truth: Sequence[Detections]) -> None:
    if len(found) != len(truth):
        raise ValueError(f'there are detections of {len(found)} images and ground truth of '
                         f'{len(truth)}; accepted: both for each image, in the same order')


def _class_precisions(
    found: Sequence[Detections], truth: Sequence[Detections], class_id: int,
) -> NDArray[np.float64]:
    """Return the average precision of one class at each of `IOU_THRESHOLDS`."""
    scores, correct, objects = [], [], 0
    for image, true in zip(found, truth):
        own = image[image.class_ids == class_id]
        own = own[np.argsort(-own.scores, kind='stable')[:MAX_DETECTIONS]]
        own_truth = true[true.class_ids == class_id]
        scores.append(own.scores)
        correct.append(_match(own, own_truth))
        objects += len(own_truth)
    order = np.argsort(-np.concatenate(scores), kind='stable')
    return _average_precision(np.concatenate(correct, axis=1)[:, order], objects)


def _match(found: Detections, truth: Detections) -> NDArray[np.bool_]:
    """
    Return which detections are correct at each of `IOU_THRESHOLDS`, bool of shape (10, N).

    Detections are matched in order of score, the best first. Each is matched with the object of
    its class that has the highest IoU and is not matched yet.
    """
    correct = np.zeros((len(IOU_THRESHOLDS), len(found)), bool)
    if not len(found) or not len(truth):
        return correct
    iou = box_iou(found.boxes, truth.boxes)
    iou[found.class_ids[:, None] != truth.class_ids] = -1
    order = np.argsort(-found.scores, kind='stable')
    for row, threshold in enumerate(IOU_THRESHOLDS):
        unmatched = iou.copy()
        for index in order:
            best = int(unmatched[index].argmax())
            # The COCO benchmark has the same margin for rounding errors.
            if unmatched[index, best] >= min(threshold, 1 - 1e-10):
                correct[row, index] = True
                unmatched[:, best] = -1
    return correct


def _average_precision(correct: NDArray[np.bool_], objects: int) -> NDArray[np.float64]:
    """Return the mean precision over `RECALL_LEVELS` of each row, best score first."""
    hits = correct.cumsum(axis=1)
    recall = hits / objects
    precision = hits / np.arange(1, correct.shape[1] + 1)
    # The precision at a recall is the maximum at this recall or any higher one.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    averages = []
    for recalls, precisions in zip(recall, precision):
        reached = np.searchsorted(recalls, RECALL_LEVELS, side='left')
        averages.append(np.append(precisions, 0)[reached].mean())
    return np.array(averages)
