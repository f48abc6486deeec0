# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The criteria that decide which candidates of a network become detections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Floats, Mask
from fcos_ros.core.detections import Detections
from fcos_ros.core.zones import EVERYWHERE, Zones

MAX_DETECTIONS = 1000
"""
The largest limit of detections in one image that a user can set. It is twice the number of boxes
that the vendor's parser keeps. Tracking looks at as many, so that it loses no object.
"""


@dataclass(frozen=True)
class Criteria:
    """
    Thresholds, limits and filters for the detections of one image.

    By default, each cell of the network is assigned to its best class only. A cell whose best
    class is "dog" never becomes a "person", even when dogs are excluded or the cell misses the
    threshold of dogs. In either case, a stricter threshold only removes detections.

    :ivar score_threshold: minimum score, from 0 to 1.
    :ivar nms_threshold: IoU above which the lower-scoring of two boxes of a class is dropped.
    :ivar max_detections: maximum number of detections in one image, best first. They are counted
        after NMS and after all filters.
    :ivar one_class_per_cell: whether only the best class of a cell can become a detection, as in
        the vendor's parser. False accepts every class of a cell that reaches its threshold, as
        torchvision and MMDetection do.
    :ivar class_ids: the wanted classes; None for all.
    :ivar class_thresholds: pairs of class and minimum score, for classes with their own.
    :ivar min_size: minimum width and height of a box, in pixels of the image. If the image
        border cuts a box, the size of its visible part counts.
    :ivar hypotheses: maximum number of classes that a detection names: its own and the next best
        classes of the same cell, if they are wanted and reach the lowest wanted threshold.
    :ivar zones: where in the image detections count.
    :ivar candidate_floor: if given, the candidates with at least this score are kept, to decode
        them again with other criteria; see `candidates`.
    """

    score_threshold: float = 0.5
    nms_threshold: float = 0.6
    max_detections: int = 100
    one_class_per_cell: bool = True
    class_ids: tuple[int, ...] | None = None
    class_thresholds: tuple[tuple[int, float], ...] = ()
    min_size: float = 0.0
    hypotheses: int = 1
    zones: Zones = EVERYWHERE
    candidate_floor: float | None = None

    def __post_init__(self) -> None:
        for name in ('score_threshold', 'nms_threshold'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} is {getattr(self, name)}; accepted: 0 to 1')
        for name in ('max_detections', 'hypotheses'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} is {getattr(self, name)}; accepted: 1 or more')
        if not 0 <= self.min_size < math.inf:
            raise ValueError(f'min_size is {self.min_size}; accepted: 0 pixels or more')
        for class_id, threshold in self.class_thresholds:
            if not 0 <= threshold <= 1:
                raise ValueError(f'class_thresholds has {threshold} for class {class_id}; '
                                 'accepted: 0 to 1')
        if len(dict(self.class_thresholds)) < len(self.class_thresholds):
            raise ValueError(f'class_thresholds is {self.class_thresholds}; '
                             'accepted: at most one threshold for each class')

    def thresholds(self, num_classes: int) -> Floats:
        """
        Return the minimum score of each class; infinity for classes that are not wanted.

        :returns: (num_classes,).
        :raises ValueError: the criteria name a class that the network does not have.
        """
        own = dict(self.class_thresholds)
        _require_classes('class_ids', self.class_ids or (), num_classes)
        _require_classes('class_thresholds', own, num_classes)
        wanted = range(num_classes) if self.class_ids is None else self.class_ids
        thresholds = np.full(num_classes, np.inf)
        for class_id in wanted:
            thresholds[class_id] = own.get(class_id, self.score_threshold)
        return thresholds

    def reached(self, detections: Detections) -> Mask:
        """
        Return which detections are of a wanted class and reach its threshold.

        :returns: (N,); scores are compared in float32.
        """
        thresholds = np.full(len(detections), self.score_threshold, np.float32)
        for class_id, threshold in self.class_thresholds:
            thresholds[detections.class_ids == class_id] = threshold
        return (detections.scores >= thresholds) & self.wants(detections.class_ids)

    def wants(self, class_ids: NDArray[np.int32]) -> Mask:
        """Return which of these classes are wanted; any shape."""
        if self.class_ids is None:
            return np.ones(class_ids.shape, bool)
        return np.isin(class_ids, self.class_ids)

    def lowered(self, threshold: float) -> Criteria:
        """
        Return the same criteria with lower thresholds and room for `MAX_DETECTIONS`.

        :param threshold: replaces every threshold above it.
        """
        return replace(
            self, score_threshold=min(self.score_threshold, threshold),
            max_detections=max(self.max_detections, MAX_DETECTIONS),
            class_thresholds=tuple((class_id, min(own, threshold))
                                   for class_id, own in self.class_thresholds))


def _require_classes(name: str, named: Iterable[int], num_classes: int) -> None:
    if any(not 0 <= class_id < num_classes for class_id in named):
        raise ValueError(f'{name} is {tuple(named)}; accepted: classes 0 to {num_classes - 1}, '
                         f'as the network has {num_classes}')
