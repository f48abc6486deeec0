# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the detector over labelled images, and keep what is judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.core.selection import admitted, reapply_criteria
from fcos_ros.evaluation.comparison import LOWEST_SCORE
from fcos_ros.evaluation.datasets import Dataset, LabelledImage
from fcos_ros.evaluation.truth import OTHER, JudgedImage, Truth, with_classes
from fcos_ros.offline.frames import OfflineError, SourceFrame
from fcos_ros.offline.plan import DetectionPlan
from fcos_ros.offline.runner import FrameResult, OfflineDetector
from fcos_ros.runtime.end_signals import finish_result
from fcos_ros.settings.criteria import to_criteria

MOST_LISTED = 10
"""Names of classes that an error lists."""


class LabelledSource(Protocol):
    """Labelled images that can be read several times."""

    @property
    def name(self) -> str:
        """For the user."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, by the class ids of the truth."""
        ...

    @property
    def count(self) -> int:
        """The number of images."""
        ...

    def frames(self, only: Collection[str] | None = None) -> Iterator[SourceFrame]:
        """
        Yield the images in order; the context of each is its `Truth`.

        :param only: the names of the wanted images; None for all.
        """
        ...


@dataclass(frozen=True, eq=False)
class DatasetSource:
    """The images of a dataset."""

    name: str
    class_names: tuple[str, ...]
    images: Sequence[LabelledImage]

    @classmethod
    def of(cls, dataset: Dataset, chosen: Sequence[int]) -> DatasetSource:
        """Return some images of a dataset."""
        return cls(str(dataset.root), dataset.class_names,
                   [dataset.images[index] for index in chosen])

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.images)

    def frames(self, only: Collection[str] | None = None) -> Iterator[SourceFrame]:
        """Yield the images; see `LabelledSource`."""
        for image in self.images:
            if only is None or image.name in only:
                yield SourceFrame(image.name, 0, _pixels(image), context=_truth(image))


@dataclass(frozen=True)
class FailedImage:
    """An image without a result, which is not judged."""

    name: str
    error: Exception | None

    @property
    def reason(self) -> str:
        """The error as text."""
        return str(self.error)


@dataclass(frozen=True, eq=False)
class LabelledRun:
    """
    The results of a detector over labelled images.

    :ivar class_names: by the class ids of truth and detections.
    :ivar criteria: those of the detections that are kept.
    :ivar images: all but the failed ones.
    :ivar is_complete: False if the user interrupted the run.
    """

    plan: DetectionPlan
    info: ModelInfo
    class_names: tuple[str, ...]
    criteria: Criteria
    images: tuple[JudgedImage, ...]
    failed: tuple[FailedImage, ...]
    is_complete: bool


def run_labelled(
    plan: DetectionPlan, source: LabelledSource, advance: Callable[[int], object],
    ignores_excluded: bool = True,
) -> LabelledRun:
    """
    Detect the objects of all images of a source. An interrupt ends the run with fewer images.

    :param advance: called with the number of images that were finished.
    :param ignores_excluded: whether objects that the settings exclude, such as those outside a
        zone, are neither right nor wrong; else they are to be found.
    :raises ModelError: the model cannot be used.
    :raises OfflineError: the model lacks classes of the source, or a setting is not accepted.
    """
    images: list[JudgedImage] = []
    failed: list[FailedImage] = []
    is_complete = True
    with OfflineDetector(_lowered(plan)) as detector:
        info = detector.info
        criteria = _wanted(plan, info)
        ids = model_classes(source, info.labels)
        class_ids = _source_classes(ids, info.head.num_classes)
        try:
            for result in detector.run(source.frames()):
                if result.detections is None:
                    failed.append(FailedImage(result.frame.name, result.error))
                else:
                    images.append(_judged(result, class_ids, criteria, ignores_excluded))
                advance(1)
        except KeyboardInterrupt:
            finish_result()
            is_complete = False
    names = tuple(info.labels.name(own[0]) for own in ids)
    return LabelledRun(plan, info, names, criteria, tuple(images), tuple(failed),
                       is_complete)


def _pixels(image: LabelledImage) -> Frame | FrameError:
    try:
        return image.frame()
    except FrameError as error:
        return error


def _truth(image: LabelledImage) -> Truth:
    crowds = image.objects(image.crowd)
    return Truth(image.truth(), replace(crowds, crowd=~crowds.crowd).truth())


def _lowered(plan: DetectionPlan) -> DetectionPlan:
    """Return the plan with scores low enough for average precision, and without tracking."""
    return replace(plan, settings={
        camera: replace(own, score_threshold=LOWEST_SCORE, class_thresholds=('',), hypotheses=1,
                        track=False)
        for camera, own in plan.settings.items()})


def _wanted(plan: DetectionPlan, info: ModelInfo) -> Criteria:
    """Return the criteria of the plan; those of the detector have lower thresholds."""
    try:
        return to_criteria(plan.settings_of(''), info)
    except ValueError as error:
        raise OfflineError(str(error)) from None


def model_classes(source: LabelledSource, labels: Labels) -> list[tuple[int, ...]]:
    """
    Return the class ids in a model of each class of a source; several may have the same name.

    :raises OfflineError: the model lacks a class.
    """
    ids, missing = [], []
    for name in source.class_names:
        try:
            ids.append(labels.ids([name]))
        except ValueError:
            missing.append(name)
    if missing:
        raise OfflineError(
            f'{source.name} has the classes {", ".join(missing[:MOST_LISTED])}, which the model '
            f'does not have; it has {", ".join(labels.names[:MOST_LISTED])}')
    return ids


def _source_classes(ids: Sequence[tuple[int, ...]], num_classes: int) -> NDArray[np.int32]:
    """Return the class id in the source of each class of the model; `OTHER` for none."""
    classes = np.full(num_classes, OTHER, np.int32)
    for index, own in enumerate(ids):
        classes[list(own)] = index
    return classes


def _judged(
    result: FrameResult, class_ids: NDArray[np.int32], criteria: Criteria, ignores_excluded: bool,
) -> JudgedImage:
    image, found, truth = result.frame.image, result.detections, result.frame.context
    assert isinstance(image, Frame)
    assert found is not None
    kept = reapply_criteria(found, criteria, image.size)
    if ignores_excluded:
        objects = truth.objects
        wanted = class_ids[criteria.wants(np.arange(len(class_ids), dtype=np.int32))]
        truth = truth.ignoring(~np.isin(objects.class_ids, wanted)
                               | ~admitted(objects.boxes, criteria, image.size))
    return JudgedImage(result.frame.name, image.size, truth, with_classes(found, class_ids),
                       with_classes(kept, class_ids))
