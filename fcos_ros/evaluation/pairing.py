# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which detection of an image shows which object, and which classes are confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Mask
from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import box_iou
from fcos_ros.evaluation.matching import IOU_THRESHOLDS, match, require_pairs

MIN_IOU = float(IOU_THRESHOLDS[0])


@dataclass(frozen=True, eq=False)
class Pairing:
    """
    The detections of one image and its objects, at IoU 0.50.

    :ivar objects: (N,), the index of the object of each detection; -1 for none.
    :ivar wrong: (N,), detections without an object that are not in a crowd.
    :ivar missed: (M,), objects without a detection.
    """

    objects: NDArray[np.intp]
    wrong: Mask
    missed: Mask


def pair(found: Detections, truth: Detections, crowds: Detections) -> Pairing:
    """Pair the detections of one image with the objects of their class."""
    objects = np.full(len(found), -1, np.intp)
    wrong = np.zeros(len(found), bool)
    for class_id in np.unique(found.class_ids).tolist():
        own = match(found, truth, crowds, class_id)
        objects[own.places] = own.objects_of
        wrong[own.places] = own.wrong[0, 0]
    missed = np.ones(len(truth), bool)
    missed[objects[objects >= 0]] = False
    return Pairing(objects, wrong, missed)


def confusion(
    found: Sequence[Detections], truth: Sequence[Detections], num_classes: int,
    crowds: Sequence[Detections] | None = None,
) -> NDArray[np.int_]:
    """
    Count which class was detected for the objects of each class.

    An object that its own class did not detect takes the best wrong detection with an IoU of at
    least 0.50.

    :returns: (num_classes + 1, num_classes + 1). Rows are the true class, columns the detected
        one. The last row counts detections without an object, the last column missed objects.
    :raises ValueError: there are different numbers of images.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), int)
    for image in zip(found, truth, require_pairs(found, truth, crowds)):
        _count(counts, *image)
    return counts


def _count(
    counts: NDArray[np.int_], found: Detections, truth: Detections, crowds: Detections,
) -> None:
    pairing = pair(found, truth, crowds)
    is_found = pairing.objects >= 0
    np.add.at(counts, (truth.class_ids[pairing.objects[is_found]], found.class_ids[is_found]), 1)
    wrong, missed = found[pairing.wrong], truth[pairing.missed]
    wrong = wrong[np.argsort(-wrong.scores, kind='stable')]
    iou = box_iou(wrong.boxes, missed.boxes)
    confused = np.full(len(wrong), -1)
    for number in range(len(wrong) if len(missed) else 0):
        best = int(iou[number].argmax())
        if iou[number, best] >= MIN_IOU:
            confused[number] = best
            iou[:, best] = -1
    is_confused = confused >= 0
    np.add.at(counts, (missed.class_ids[confused[is_confused]], wrong.class_ids[is_confused]), 1)
    np.add.at(counts[-1], wrong.class_ids[~is_confused], 1)
    np.add.at(counts[:, -1], np.delete(missed.class_ids, confused[is_confused]), 1)
