# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground truth of an image, beside what was detected in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Mask
from fcos_ros.core.detections import Detections, join
from fcos_ros.core.resize import Size

OTHER = -1
"""The id of a class that the ground truth does not have."""


@dataclass(frozen=True, eq=False)
class Truth:
    """
    The ground truth of one image.

    :ivar objects: to be found; their scores are ignored.
    :ivar crowds: boxes in which detections are neither right nor wrong.
    """

    objects: Detections
    crowds: Detections

    def ignoring(self, ignored: Mask) -> Truth:
        """Return the truth with some of its objects among the crowds."""
        return Truth(self.objects[~ignored], join([self.crowds, self.objects[ignored]]))


@dataclass(frozen=True, eq=False)
class JudgedImage:
    """
    An image with its truth and its detections, by the class ids of the truth.

    :ivar found: detections, also with scores below their threshold.
    :ivar kept: those that reach their threshold.
    """

    name: str
    size: Size
    truth: Truth
    found: Detections
    kept: Detections


def with_classes(detections: Detections, class_ids: NDArray[np.int32]) -> Detections:
    """
    Return detections with other class ids; those of `OTHER` are removed.

    :param class_ids: the new id of each old one.
    """
    own = replace(detections, class_ids=class_ids[detections.class_ids], alternatives=None)
    return own[own.class_ids != OTHER]
