# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which of the objects found in an image count, in its own pixels.

The decoder knows the canvas only; what depends on the image, and the cut that comes last, is here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.resize import Size
from fcos_ros.core.zones import EVERYWHERE

_SMALLEST = float(np.nextafter(np.float32(0), np.float32(1)))
"""A box without width or height is nothing: it lay outside the image, or never had any."""


def select(found: Detections, criteria: Criteria, image: Size) -> Detections:
    """
    Leave out boxes that are too small or in the wrong place, then all but the best.

    In this order, so that what does not count takes nobody's place.

    :param found: best score first, boxes in image pixels and clipped to the image: size and
        place are judged by what is seen of an object.
    """
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    counted = (sides >= max(criteria.min_size, _SMALLEST)).all(axis=1)
    if criteria.zones != EVERYWHERE:
        counted &= criteria.zones.admits(found.boxes, image)
    return found[counted.nonzero()[0][:criteria.max_detections]]


def judge_again(found: Detections, criteria: Criteria, image: Size) -> Detections:
    """
    Leave out what was let through by other criteria than those that hold by now.

    What those left out does not come back, and boxes that overlap are not looked at again.

    :param found: as `select` returned it.
    """
    found = found[criteria.reached(found)]
    others = found.alternatives
    if others is not None:
        some = others.columns(criteria.hypotheses - 1)
        found = replace(found, alternatives=some.where(criteria.wants(some.class_ids)))
    return select(found, criteria, image)
