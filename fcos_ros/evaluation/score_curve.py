# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Precision and recall over the score threshold, and the thresholds to advise."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Floats
from fcos_ros.evaluation.matching import Matches

DIGITS = range(2, 8)
"""Decimal places of an advised threshold, the fewest that are enough."""


@dataclass(frozen=True)
class Advice:
    """
    A score threshold, and the figures at it, at IoU 0.50.

    :ivar objects: the number of objects that the figures are made of.
    """

    threshold: float
    precision: float
    recall: float
    objects: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """
    Precision and recall of the detections that reach a score, at IoU 0.50.

    :ivar scores: (N,), different scores of detections, falling.
    :ivar precision: (N,), of all detections with this score or a higher one.
    :ivar recall: (N,), likewise; nan without objects.
    :ivar objects: the number of objects.
    """

    scores: NDArray[np.float32]
    precision: Floats
    recall: Floats
    objects: int

    @classmethod
    def of(cls, matches: Matches) -> ScoreCurve:
        """Return the curve of the detections of one class, or of several that were joined."""
        correct, wrong = matches.correct[0, 0], matches.wrong[0, 0]
        judged = correct | wrong
        scores = matches.scores[judged]
        hits = correct[judged].cumsum()
        precision = hits / np.arange(1, len(hits) + 1)
        objects = int(matches.objects[0])
        recall = hits / objects if objects else np.full(len(hits), np.nan)
        # A threshold cannot separate detections of equal scores.
        last = np.append(scores[1:] != scores[:-1], True)[:len(scores)]
        return cls(scores[last], precision[last], recall[last], objects)

    def advise(self, precision: float | None = None) -> Advice | None:
        """
        Return the threshold to set.

        :param precision: the wanted precision, which is reached with the highest recall; None for
            the best F1.
        :returns: None without objects, without correct detections, or if no threshold reaches the
            precision.
        """
        if not self.objects or not self.recall.any():
            return None
        if precision is None:
            place = int((self.precision * self.recall / (self.precision + self.recall).clip(1e-9))
                        .argmax())
        else:
            reaching = ((self.precision >= precision) & (self.recall > 0)).nonzero()[0]
            if not len(reaching):
                return None
            place = int(reaching[-1])
        return Advice(self._threshold(place), float(self.precision[place]),
                      float(self.recall[place]), self.objects)

    def _threshold(self, place: int) -> float:
        """Return the shortest number above the next lower score and not above this one."""
        score = float(self.scores[place])
        below = float(self.scores[place + 1]) if place + 1 < len(self.scores) else 0.0
        rounded = (math.floor(score * 10 ** digits) / 10 ** digits for digits in DIGITS)
        return next((value for value in rounded if below < value <= score), score)
