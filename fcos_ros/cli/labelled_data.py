# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open labelled images that a user names: a dataset, a bag, or the scenes of the demo."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import NamedTuple

import numpy as np

from fcos_ros.cli.output import Progress
from fcos_ros.core.detections import Detections
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import CLASS_NAMES, FAR_TOYS, NEAR_TOYS, Toys, render
from fcos_ros.deploy.calibration import spread
from fcos_ros.evaluation.datasets import (
    Dataset,
    DatasetError,
    check,
    open_dataset,
    report,
    split,
    usable,
)
from fcos_ros.evaluation.truth import Truth, with_classes
from fcos_ros.offline.bags.reader import is_bag
from fcos_ros.offline.frames import SourceError, SourceFrame
from fcos_ros.offline.labelled import DatasetSource, LabelledSource, model_classes
from fcos_ros.offline.labelled_bag import LabelledBag


class SceneKind(NamedTuple):
    """The toys of some scenes, and the size of their images."""

    toys: Toys
    size: Size


SCENES: Mapping[str, SceneKind] = {
    'scenes': SceneKind(NEAR_TOYS, Size(640, 480)),
    'far-scenes': SceneKind(FAR_TOYS, Size(1920, 1080)),
}
"""The scenes of the demo, by the word of the user; far ones show what `tiles` gains."""

HELD_OUT_SEEDS = range(500)
"""Scenes that the demo network was not trained with."""


AUTO, ALL = 'auto', 'all'

CHOICES_OF_PART = (AUTO, 'train', 'val', 'test', ALL)
"""`AUTO` is the part for validation, else that for tests, if the dataset states one; else all."""


@dataclass(frozen=True)
class LabelledChoice:
    """
    The choice of labelled images by the user.

    :ivar data: a dataset, a bag, or one of `SCENES`.
    :ivar count: only so many images, spread over all; None for all.
    :ivar part: of a dataset, of `CHOICES_OF_PART`.
    :ivar truth_topic: of a bag; '' if it has one of the type only. Likewise `image_topic`.
    """

    data: str
    count: int | None = None
    part: str = AUTO
    truth_topic: str = ''
    image_topic: str = ''


def open_labelled(choice: LabelledChoice) -> LabelledSource:
    """
    Open labelled images. The problems of a dataset and of a bag are listed on stderr.

    :raises SourceError: there are no images that can be used.
    """
    data, count = choice.data, choice.count
    if choice.part != AUTO and (data in SCENES or is_bag(Path(data))):
        raise SourceError(f'--part is for datasets, and {data} is none')
    if data not in SCENES and is_bag(Path(data)):
        return _bag(choice)
    if choice.truth_topic or choice.image_topic:
        raise SourceError(f'--truth and --image-topic are for bags, and {data} is none')
    if data in SCENES:
        return ScenesSource(spread(len(HELD_OUT_SEEDS), count or len(HELD_OUT_SEEDS)), data)
    dataset = _part(_dataset(Path(data)), choice.part)
    return DatasetSource.of(dataset, spread(len(dataset), count or len(dataset)))


@dataclass(frozen=True)
class ScenesSource:
    """
    Scenes of the demo, rendered when they are read.

    :ivar seeds: one for each scene.
    :ivar name: one of `SCENES`.
    """

    seeds: Sequence[int]
    name: str
    class_names: tuple[str, ...] = CLASS_NAMES

    @property
    def count(self) -> int:
        """The number of scenes."""
        return len(self.seeds)

    def frames(self, only: Collection[str] | None = None) -> Iterator[SourceFrame]:
        """Yield the scenes; see `LabelledSource`."""
        toys, size = SCENES[self.name]
        for seed in self.seeds:
            name = f'scene {seed}'
            if only is None or name in only:
                scene = render(seed, size, toys)
                objects = Detections(scene.boxes, np.ones(len(scene.boxes), np.float32),
                                     scene.class_ids.astype(np.int32))
                yield SourceFrame(name, 0, Frame.from_bgr(scene.image),
                                  context=Truth(objects, Detections.empty()))


class Examples:
    """
    The images of a source with their objects by the class ids of a model, for reading once.

    :raises OfflineError: the model lacks a class of the source.
    """

    def __init__(self, source: LabelledSource, labels: Labels) -> None:
        self._source = source
        self._class_ids = np.array([ids[0] for ids in model_classes(source, labels)], np.int32)

    def __iter__(self) -> Iterator[tuple[Frame, Detections]]:
        with Progress(self._source.count, sys.stderr) as progress:
            progress.begin(f'{self._source.count} images')
            for frame in self._source.frames():
                if isinstance(frame.image, FrameError):
                    raise frame.image
                yield frame.image, with_classes(frame.context.objects, self._class_ids)
                progress.advance()


def _bag(choice: LabelledChoice) -> LabelledSource:
    bag = LabelledBag.open(Path(choice.data), choice.truth_topic, choice.image_topic)
    for problem in bag.problems:
        print(f'{choice.data}: {problem}', file=sys.stderr)
    return bag.spread(choice.count) if choice.count else bag


def _part(dataset: Dataset, wanted: str) -> Dataset:
    """Return the wanted part of a dataset; say so if it is not all of it."""
    stated = {image.part for image in dataset.images}
    if wanted == AUTO:
        wanted = next((part for part in ('val', 'test') if part in stated), ALL)
    if wanted == ALL:
        return dataset
    if wanted in stated:
        part = dataset.with_images(image for image in dataset.images if image.part == wanted)
    elif wanted == 'test':
        raise SourceError(f'{dataset.root} has no part test; accepted: --part train, val or all')
    else:
        part = _divided(dataset)[wanted == 'val']
    if len(part) < len(dataset):
        print(f'{len(part)} of {len(dataset)} images, those of the part {wanted}; '
              '--part all takes all', file=sys.stderr)
    return part


def _divided(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Return the images for training and for validation, as the training divides them."""
    try:
        return split(dataset)
    except DatasetError as error:
        raise SourceError(str(error)) from error


def _dataset(path: Path) -> Dataset:
    try:
        dataset = open_dataset(path)
    except DatasetError as error:
        raise SourceError(str(error)) from error
    findings = check(dataset)
    if findings:
        print(report(findings), file=sys.stderr)
    dataset = usable(dataset, findings)
    if not dataset.images:
        raise SourceError(f'{path} has no images that can be used; see the list above')
    return dataset
