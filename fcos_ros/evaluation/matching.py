# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Match detections with objects, as the COCO benchmark does.

Detections of a class are matched in order of score, the best first. Each is matched with the free
object of its class that has the highest IoU. A crowd is free for any number of detections, and
these are ignored: they are neither right nor wrong. The same holds for objects outside the range
of areas that is judged, and for unmatched detections outside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes, Floats, Mask
from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import box_iou

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Minimum IoU of a correct detection with the true box, ascending."""

MAX_DETECTIONS = 100
"""Maximum number of detections of each class in one image; others are ignored."""

AREAS = {'all': (0.0, 1e10), 'small': (0.0, 32.0 ** 2), 'medium': (32.0 ** 2, 96.0 ** 2),
         'large': (96.0 ** 2, 1e10)}
"""The ranges of the area of a box, in square pixels, both ends included."""

_RANGES = np.array(list(AREAS.values()))


@dataclass(frozen=True, eq=False)
class Matches:
    """
    The detections of one class, matched at each of `AREAS` (A) and `IOU_THRESHOLDS` (T).

    :ivar scores: (N,), falling.
    :ivar places: (N,), the index of each detection in its image.
    :ivar objects_of: (N,), the index of the object in its image that each detection is matched
        with, for the area `all` and the lowest IoU; -1 for none.
    :ivar correct: (A, T, N).
    :ivar wrong: (A, T, N); detections that are neither are ignored.
    :ivar objects: (A,), the number of objects to find.
    """

    scores: NDArray[np.float32]
    places: NDArray[np.intp]
    objects_of: NDArray[np.intp]
    correct: Mask
    wrong: Mask
    objects: NDArray[np.int_]

    @classmethod
    def joined(cls, parts: Sequence[Matches]) -> Matches:
        """Return the matches of all images together; there must be at least one."""
        scores = np.concatenate([part.scores for part in parts])
        order = np.argsort(-scores, kind='stable')
        joined = {name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
                  for name in ('places', 'objects_of', 'correct', 'wrong')}
        return cls(scores[order], objects=np.sum([part.objects for part in parts], axis=0),
                   **{name: values[..., order] for name, values in joined.items()})


def match_images(
    found: Sequence[Detections], truth: Sequence[Detections],
    crowds: Sequence[Detections] | None = None,
) -> dict[int, Matches]:
    """
    Match the detections of several images.

    :param crowds: boxes of each image in which detections are neither right nor wrong.
    :returns: the matches of each class that was detected or is in the ground truth, by class id.
    :raises ValueError: there are different numbers of images.
    """
    crowds = require_pairs(found, truth, crowds)
    parts: dict[int, list[Matches]] = {}
    for image in zip(found, truth, crowds):
        for class_id in np.unique(np.concatenate([each.class_ids for each in image])).tolist():
            parts.setdefault(class_id, []).append(match(*image, class_id))
    return {class_id: Matches.joined(parts[class_id]) for class_id in sorted(parts)}


def require_pairs(
    found: Sequence[Detections], truth: Sequence[Detections],
    crowds: Sequence[Detections] | None,
) -> Sequence[Detections]:
    """
    Return the crowds of each image; empty ones if there are none.

    :raises ValueError: there are different numbers of images.
    """
    crowds = [Detections.empty()] * len(truth) if crowds is None else crowds
    if not len(found) == len(truth) == len(crowds):
        raise ValueError(
            f'there are detections of {len(found)} images and ground truth of {len(truth)}, with '
            f'crowds of {len(crowds)}; accepted: all for each image, in the same order')
    return crowds


def match(found: Detections, truth: Detections, crowds: Detections, class_id: int) -> Matches:
    """Match the detections of one class in one image."""
    places = (found.class_ids == class_id).nonzero()[0]
    places = places[np.argsort(-found.scores[places], kind='stable')[:MAX_DETECTIONS]]
    own = found[places]
    objects = (truth.class_ids == class_id).nonzero()[0]
    crowd_boxes = crowds.boxes[crowds.class_ids == class_id]
    outside = _outside(truth.boxes[objects])
    iou = np.hstack([box_iou(own.boxes, truth.boxes[objects]),
                     _part_inside(own.boxes, crowd_boxes)])
    is_crowd = np.arange(iou.shape[1]) >= len(objects)
    ignored = np.hstack([outside, np.ones((len(AREAS), len(crowd_boxes)), bool)])
    matched = _assign(iou, ignored, is_crowd)

    is_matched = matched >= 0
    ignores = np.where(
        is_matched, np.take_along_axis(_padded(ignored)[:, None], matched, axis=2),
        _outside(own.boxes)[:, None])
    first = matched[0, 0]
    is_object = (first >= 0) & (first < len(objects))
    objects_of = np.where(is_object, _padded(objects)[np.where(is_object, first, -1)], -1)
    return Matches(own.scores, places, objects_of, is_matched & ~ignores, ~is_matched & ~ignores,
                   (~outside).sum(axis=1))


def _assign(iou: Floats, ignored: Mask, is_crowd: Mask) -> NDArray[np.intp]:
    """
    Return the object of each detection, (A, T, N); -1 for none.

    :param iou: (N, G), detections by falling score.
    :param ignored: (A, G), objects that do not count in a range of areas.
    :param is_crowd: (G,), objects that several detections may be matched with.
    """
    shape = (len(AREAS), len(IOU_THRESHOLDS))
    matched = np.full((*shape, len(iou)), -1, np.intp)
    if not iou.size:
        return matched
    # The COCO benchmark has the same margin for rounding errors.
    enough = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]
    free = np.ones((*shape, iou.shape[1]), bool)
    rows = np.indices(shape)
    for number, overlaps in enumerate(iou):
        possible = (free | is_crowd) & (overlaps >= enough)
        # An object that counts comes before an ignored one; of equals, the last is taken.
        rank = np.where(possible, overlaps + 2 * ~ignored[:, None], -1)
        best = rank.shape[2] - 1 - rank[..., ::-1].argmax(axis=2)
        taken = possible[rows[0], rows[1], best]
        matched[..., number] = np.where(taken, best, -1)
        free[rows[0], rows[1], best] &= ~taken
    return matched


def _outside(boxes: Boxes) -> Mask:
    """Return which boxes lie outside each range of areas, (A, N)."""
    sides = boxes[:, 2:].astype(np.float64) - boxes[:, :2]
    area = sides.prod(axis=1)
    return np.asarray((area < _RANGES[:, :1]) | (area > _RANGES[:, 1:]))


def _part_inside(boxes: Boxes, crowds: Boxes) -> Floats:
    """Return the part of each box that is inside of each crowd, (N, M)."""
    first, second = boxes.astype(np.float64)[:, None], crowds.astype(np.float64)[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared: Floats = np.clip(high - low, 0, None).prod(axis=2)
    area = (first[..., 2:] - first[..., :2]).prod(axis=2)
    return np.asarray(np.divide(shared, area, out=np.zeros_like(shared), where=area > 0))


def _padded(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Append a zero in the last axis, for the index -1."""
    return np.concatenate([values, np.zeros((*values.shape[:-1], 1), values.dtype)], axis=-1)
