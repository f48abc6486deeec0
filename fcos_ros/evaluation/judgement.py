# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All figures of a run over labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.evaluation.average_precision import Evaluation, PrecisionRecall, precision_recall
from fcos_ros.evaluation.coco_judge import Judge
from fcos_ros.evaluation.matching import Matches, match_images
from fcos_ros.evaluation.pairing import confusion
from fcos_ros.evaluation.score_curve import Advice, ScoreCurve
from fcos_ros.evaluation.truth import JudgedImage


@dataclass(frozen=True, eq=False)
class Judgement:
    """
    The figures of a run.

    :ivar judge: the name of the judge of the average precisions.
    :ivar images: the number of images that were judged.
    :ivar at_threshold: of the detections that reach their threshold, all classes together.
    :ivar curve: of all classes together; None if nothing was detected and nothing is there.
    :ivar curves: of each class that was detected or is in the ground truth, by its id.
    :ivar confusion: see `pairing.confusion`.
    """

    class_names: tuple[str, ...]
    judge: str
    images: int
    evaluation: Evaluation
    at_threshold: PrecisionRecall
    curve: ScoreCurve | None
    curves: Mapping[int, ScoreCurve]
    confusion: NDArray[np.int_]

    @classmethod
    def of(cls, images: Sequence[JudgedImage], class_names: tuple[str, ...],
           judge: Judge) -> Judgement:
        """Judge the detections of a run; the class ids are indices of the names."""
        found, kept = [image.found for image in images], [image.kept for image in images]
        truth = [image.truth.objects for image in images]
        crowds = [image.truth.crowds for image in images]
        matches = match_images(found, truth, crowds)
        together = ScoreCurve.of(Matches.joined(list(matches.values()))) if matches else None
        return cls(
            class_names, judge.name, len(images), judge.evaluate(found, truth, crowds),
            precision_recall(kept, truth, crowds=crowds), together,
            {class_id: ScoreCurve.of(own) for class_id, own in matches.items()},
            confusion(kept, truth, len(class_names), crowds))

    def advise(self, precision: float | None = None) -> dict[int, Advice | None]:
        """
        Return the score threshold to set for each class that has objects; see `ScoreCurve.advise`.

        :param precision: the wanted precision; None for the best F1.
        """
        return {class_id: curve.advise(precision) for class_id, curve in self.curves.items()
                if curve.objects}
