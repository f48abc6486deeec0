# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Average precision as defined by the COCO benchmark, and precision and recall.

Detections and ground truth are one `Detections` for each image, in the same coordinates. The
scores of the ground truth are ignored. The size of an object is the area of its box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Floats
from fcos_ros.core.detections import Detections
from fcos_ros.evaluation.matching import IOU_THRESHOLDS, MAX_DETECTIONS, Matches, match_images

__all__ = ['IOU_THRESHOLDS', 'MAX_DETECTIONS', 'RECALL_LEVELS', 'Evaluation', 'Figures',
           'PrecisionRecall', 'evaluate', 'evaluation_of', 'precision_recall']

RECALL_LEVELS = np.linspace(0, 1, 101)
"""Recalls at which the precision is averaged."""


class Figures(NamedTuple):
    """
    The six figures of the COCO benchmark, from 0 to 1; nan where there is nothing to find.

    :ivar ap: average precision, the mean over IoU 0.50, 0.55 .. 0.95.
    :ivar ap50: at IoU 0.50; `ap75` at 0.75.
    :ivar small: `ap` of objects up to 32x32 pixels; `medium` up to 96x96; `large` above.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float

    @classmethod
    def of(cls, table: Floats) -> Figures:
        """
        Return the figures of average precisions.

        :param table: (A, T), at each of `AREAS` and `IOU_THRESHOLDS`; nan without objects.
        """
        everything, *sizes = table
        return cls(_mean(everything), float(everything[0]), float(everything[5]),
                   *map(_mean, sizes))


@dataclass(frozen=True)
class Evaluation:
    """
    Average precisions (AP), from 0 to 1; nan if the ground truth has no objects.

    :ivar ap: mean over the classes and over IoU 0.50, 0.55 .. 0.95.
    :ivar ap50: mean over the classes at IoU 0.50; `ap75` at 0.75.
    :ivar by_class: `ap` by class id, for each class of the ground truth.
    :ivar small: `ap` of small objects; likewise `medium` and `large`.
    :ivar classes: all figures by class id, for the same classes as `by_class`.
    """

    ap: float
    ap50: float
    ap75: float
    by_class: dict[int, float]
    small: float = np.nan
    medium: float = np.nan
    large: float = np.nan
    classes: Mapping[int, Figures] = field(default_factory=dict)

    @property
    def figures(self) -> Figures:
        """The six figures over all classes."""
        return Figures(self.ap, self.ap50, self.ap75, self.small, self.medium, self.large)


@dataclass(frozen=True)
class PrecisionRecall:
    """
    Precision and recall at IoU 0.50.

    :ivar precision: fraction of the detections that are correct; nan without detections.
    :ivar recall: fraction of the objects that are detected; nan without objects.
    """

    precision: float
    recall: float


def evaluate(
    found: Sequence[Detections], truth: Sequence[Detections],
    crowds: Sequence[Detections] | None = None,
) -> Evaluation:
    """
    Calculate the average precision over recalls of 0, 0.01 .. 1, class by class.

    :param crowds: boxes of each image in which detections are neither right nor wrong.
    :raises ValueError: there are different numbers of images.
    """
    matches = match_images(found, truth, crowds)
    return evaluation_of({class_id: _average_precisions(own)
                          for class_id, own in matches.items() if own.objects[0]})


def evaluation_of(tables: Mapping[int, Floats]) -> Evaluation:
    """
    Return the evaluation of several classes.

    :param tables: the average precisions of each class that has objects, by class id; see
        `Figures.of`.
    """
    if not tables:
        return Evaluation(np.nan, np.nan, np.nan, {})
    classes = {class_id: Figures.of(table) for class_id, table in tables.items()}
    means = [_mean(np.array(column)) for column in zip(*classes.values())]
    ap, ap50, ap75, small, medium, large = means
    return Evaluation(ap, ap50, ap75, {class_id: own.ap for class_id, own in classes.items()},
                      small, medium, large, classes)


def precision_recall(
    found: Sequence[Detections], truth: Sequence[Detections], score_threshold: float = 0.0,
    crowds: Sequence[Detections] | None = None,
) -> PrecisionRecall:
    """
    Calculate precision and recall of the detections that reach a score.

    :raises ValueError: there are different numbers of images.
    """
    kept = [image[image.scores >= score_threshold] for image in found]
    matches = match_images(kept, truth, crowds).values()
    correct = sum(int(own.correct[0, 0].sum()) for own in matches)
    wrong = sum(int(own.wrong[0, 0].sum()) for own in matches)
    objects = sum(map(len, truth))
    return PrecisionRecall(correct / (correct + wrong) if correct + wrong else np.nan,
                           correct / objects if objects else np.nan)


def _average_precisions(matches: Matches) -> Floats:
    """Return the average precision at each area and IoU threshold; nan without objects."""
    hits = matches.correct.cumsum(axis=2)
    judged = hits + matches.wrong.cumsum(axis=2)
    precision = hits / np.maximum(judged, 1)
    # The precision at a recall is the maximum at this recall or any higher one.
    precision = np.maximum.accumulate(precision[..., ::-1], axis=2)[..., ::-1]
    table = np.full(hits.shape[:2], np.nan)
    for area, objects in enumerate(matches.objects.tolist()):
        if objects:
            table[area] = [_mean_precision(recalls / objects, precisions)
                           for recalls, precisions in zip(hits[area], precision[area])]
    return table


def _mean_precision(recalls: Floats, precisions: Floats) -> float:
    reached = np.searchsorted(recalls, RECALL_LEVELS, side='left')
    return float(np.append(precisions, 0)[reached].mean())


def _mean(values: Floats) -> float:
    """Return the mean without nan; nan if there is nothing else."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')
