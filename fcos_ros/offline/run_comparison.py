# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two runs over the same labelled images, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from fcos_ros.evaluation.changes import ChangedImage, changed_images
from fcos_ros.evaluation.coco_judge import Judge
from fcos_ros.evaluation.judgement import Judgement
from fcos_ros.offline.labelled import FailedImage, LabelledRun


@dataclass(frozen=True, eq=False)
class RunComparison:
    """
    Two runs and their changes.

    :ivar names: of the runs, as the user gave them.
    :ivar judgements: of the images that both runs have.
    :ivar images: those with changes, the worst first.
    :ivar failed: images that failed in one run or in both.
    """

    names: tuple[str, str]
    runs: tuple[LabelledRun, LabelledRun]
    judgements: tuple[Judgement, Judgement]
    images: tuple[ChangedImage, ...]
    failed: tuple[FailedImage, ...]

    @classmethod
    def of(cls, names: tuple[str, str], first: LabelledRun, second: LabelledRun,
           judge: Judge) -> RunComparison:
        """Compare two runs by the images that both have."""
        others = {image.name: image for image in second.images}
        pairs = [(image, others[image.name]) for image in first.images if image.name in others]
        before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        failed = {image.name: image for image in (*first.failed, *second.failed)}
        return cls(names, (first, second),
                   (Judgement.of(before, first.class_names, judge),
                    Judgement.of(after, second.class_names, judge)),
                   changed_images(before, after), tuple(failed.values()))

    @property
    def is_complete(self) -> bool:
        """Whether no run was interrupted."""
        return all(run.is_complete for run in self.runs)

    @property
    def worse_images(self) -> int:
        """The number of images in which the second run has more errors."""
        return sum(image.change.worse > 0 for image in self.images)

    @property
    def better_images(self) -> int:
        """The number of images in which the second run has fewer errors."""
        return sum(image.change.worse < 0 for image in self.images)
