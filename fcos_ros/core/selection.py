# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Filter detections by size and zone, and limit their number.

The decoder works in canvas pixels and does not know the image. Filters in image pixels are
applied here, and after them the limit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fcos_ros.core.arrays import Boxes, Mask
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.resize import Size
from fcos_ros.core.zones import EVERYWHERE

_MIN_SIDE = float(np.nextafter(np.float32(0), np.float32(1)))
"""Minimum side in pixels: a box without area lay outside the image, or never had an area."""


def select(found: Detections, criteria: Criteria, image: Size) -> Detections:
    """
    Remove boxes that are too small or in the wrong zone, then keep the best `max_detections`.

    Removed boxes do not count towards the limit.

    :param found: best score first, boxes in image pixels and clipped to the image. Size and zone
        are those of the visible part.
    """
    kept = admitted(found.boxes, criteria, image).nonzero()[0][:criteria.max_detections]
    return found if kept.size == len(found) else found[kept]


def admitted(boxes: Boxes, criteria: Criteria, image: Size) -> Mask:
    """
    Return which boxes are large enough and in the right zones.

    :param boxes: (N, 4) in image pixels, clipped to the image.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    kept: Mask = np.all(sides >= max(criteria.min_size, _MIN_SIDE), axis=1)
    if criteria.zones != EVERYWHERE:
        kept = kept & criteria.zones.admits(boxes, image)
    return kept


def reapply_criteria(found: Detections, criteria: Criteria, image: Size) -> Detections:
    """
    Remove detections that the given criteria exclude, although earlier criteria accepted them.

    Detections that the earlier criteria removed do not come back. NMS is not repeated.

    :param found: the detections that `select` returned with the earlier criteria.
    """
    found = found[criteria.reached(found)]
    if found.alternatives is not None:
        best = found.alternatives.columns(criteria.hypotheses - 1)
        found = replace(found, alternatives=best.where(criteria.wants(best.class_ids)))
    return select(found, criteria, image)
