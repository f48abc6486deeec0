# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Changes between the detections of two runs over the same labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Mask
from fcos_ros.core.detections import Detections
from fcos_ros.core.nms import box_iou
from fcos_ros.evaluation.pairing import MIN_IOU, pair
from fcos_ros.evaluation.truth import JudgedImage


@dataclass(frozen=True, eq=False)
class ImageChange:
    """
    The changes of one image from the first run to the second, at IoU 0.50.

    :ivar lost: (M,), objects that only the first run detected; likewise `gained`.
    :ivar new_wrong: (N2,), wrong detections that only the second run has.
    :ivar gone_wrong: (N1,), wrong detections that only the first run has.
    """

    lost: Mask
    gained: Mask
    new_wrong: Mask
    gone_wrong: Mask

    @property
    def worse(self) -> int:
        """The errors of the second run minus those of the first."""
        return int(self.lost.sum() + self.new_wrong.sum()
                   - self.gained.sum() - self.gone_wrong.sum())

    @property
    def count(self) -> int:
        """The number of changes."""
        return int(self.lost.sum() + self.new_wrong.sum()
                   + self.gained.sum() + self.gone_wrong.sum())

    @property
    def rank(self) -> tuple[int, int]:
        """A key that sorts images: the worst first, then those with most changes."""
        return -self.worse, -self.count


@dataclass(frozen=True, eq=False)
class ChangedImage:
    """An image in two runs, and its changes from the first to the second."""

    first: JudgedImage
    second: JudgedImage
    change: ImageChange

    @property
    def name(self) -> str:
        """The name of the image."""
        return self.first.name


def changed_images(
    first: Sequence[JudgedImage], second: Sequence[JudgedImage],
) -> tuple[ChangedImage, ...]:
    """Return the images with changes, the worst first; both runs have the same images."""
    images = [ChangedImage(before, after, find_changes(
        before.kept, after.kept, before.truth.objects, before.truth.crowds))
        for before, after in zip(first, second)]
    return tuple(sorted((image for image in images if image.change.count),
                        key=lambda image: image.change.rank))


def find_changes(
    first: Detections, second: Detections, truth: Detections, crowds: Detections,
) -> ImageChange:
    """Compare the detections of two runs in one image, both above their thresholds."""
    before, after = pair(first, truth, crowds), pair(second, truth, crowds)
    first_wrong, second_wrong = before.wrong.nonzero()[0], after.wrong.nonzero()[0]
    same = _same(first[first_wrong], second[second_wrong])
    return ImageChange(
        ~before.missed & after.missed, before.missed & ~after.missed,
        _without(after.wrong, second_wrong[same[1]]), _without(before.wrong, first_wrong[same[0]]))


def _same(first: Detections, second: Detections) -> tuple[list[int], list[int]]:
    """Return the indices of detections of the same class and place, pair by pair."""
    iou = box_iou(first.boxes, second.boxes)
    iou[first.class_ids[:, None] != second.class_ids] = 0
    pairs: tuple[list[int], list[int]] = [], []
    while iou.size and iou.max() >= MIN_IOU:
        row, column = np.unravel_index(int(iou.argmax()), iou.shape)
        pairs[0].append(int(row))
        pairs[1].append(int(column))
        iou[row], iou[:, column] = 0, 0
    return pairs


def _without(mask: Mask, places: NDArray[np.intp]) -> Mask:
    remaining: Mask = mask.copy()
    remaining[places] = False
    return remaining
