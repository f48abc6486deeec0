# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Judge a model by labelled images, or compare a compiled model with the float one.

The figures are those of the COCO benchmark: average precision over IoU 0.50 to 0.95, and at 0.50
and 0.75.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from functools import partial
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends import ModelError, load
from fcos_ros.cli.compiled_comparison import (
    compare_compiled,
    figures,
    figures_row,
    require_comparable,
)
from fcos_ros.cli.options import MODEL_HELP, whole_number
from fcos_ros.cli.output import Progress, plain_table
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.deploy.calibration import spread
from fcos_ros.evaluation.average_precision import evaluate, precision_recall
from fcos_ros.evaluation.comparison import LOWEST_SCORE
from fcos_ros.evaluation.datasets import (
    Dataset,
    DatasetError,
    LabelledImage,
    check,
    open_dataset,
    report,
    usable,
)
from fcos_ros.runtime.detector import Detector

SUMMARY = 'judge a model by labelled images, or compare two'

SCENES = 'scenes'
HELD_OUT_SEEDS = range(500)
"""Scenes that the demo network was not trained with."""

Example = tuple[Frame, Detections]
"""An image and its objects."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        'data', help='dataset in the form of COCO, YOLO or Pascal VOC, or "scenes" for those of '
                     'the demo')
    parser.add_argument('--model', default='auto', help=MODEL_HELP)
    parser.add_argument(
        '--compare', nargs=2, type=Path, metavar=('FLOAT', 'COMPILED'),
        help='compare a compiled model with the ONNX file that it was made of')
    parser.add_argument('--images', type=whole_number(), metavar='N',
                        help='only so many images, spread over the dataset')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(options: argparse.Namespace) -> int:
    """Evaluate; print the figures."""
    if options.compare:
        return _run_comparison(options)
    with closing(Detector.load(options.model)) as detector:
        examples = _Examples.open(options.data, options.images, detector.labels)
        criteria = replace(detector.info.criteria, score_threshold=LOWEST_SCORE)
        found, truth = zip(*((detector.detect(frame, criteria).detections, objects)
                             for frame, objects in examples))
        threshold = detector.info.criteria.score_threshold
        result = evaluate(found, truth)
        at_threshold = precision_recall(found, truth, threshold)
    if options.json:
        print(json.dumps({'images': len(found), **figures(result, detector.labels),
                          'score_threshold': threshold, **asdict(at_threshold)}, indent=2))
        return 0
    print(plain_table([('', 'AP', 'AP50', 'AP75'), figures_row('all classes', result),
                       *((detector.labels.name(class_id), f'{ap:.3f}', '', '')
                         for class_id, ap in result.by_class.items())]))
    print(f'{len(found)} images; at score {threshold:g}: precision {at_threshold.precision:.3f}, '
          f'recall {at_threshold.recall:.3f}')
    return 0


def _run_comparison(options: argparse.Namespace) -> int:
    with ExitStack() as engines:
        reference, compiled = (engines.enter_context(closing(load(path)))
                               for path in options.compare)
        require_comparable(reference.info, compiled.info)
        examples = _Examples.open(options.data, options.images, compiled.info.labels)
        return compare_compiled(reference, compiled, examples, len(examples), options.json)


class _Examples:
    """
    Labelled images, read one at a time, with their progress.

    :ivar classes: the id in the model of each class of the dataset.
    """

    def __init__(self, images: Sequence[Any], read: Callable[[Any], Example]) -> None:
        self._images = images
        self._read = read

    @classmethod
    def open(cls, data: str, count: int | None, labels: Labels) -> _Examples:
        """
        Open a dataset, or the scenes of the demo.

        :raises ModelError: it cannot be used, or the model lacks one of its classes.
        """
        if data == SCENES:
            _require_classes(CLASS_NAMES, labels, data)
            images: Sequence[Any] = HELD_OUT_SEEDS
            read = partial(_scene, _class_ids(CLASS_NAMES, labels))
        else:
            dataset = _dataset(Path(data))
            _require_classes(dataset.class_names, labels, data)
            images = dataset.images
            read = partial(_labelled, _class_ids(dataset.class_names, labels))
        chosen = spread(len(images), count or len(images))
        return cls([images[index] for index in chosen], read)

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Example]:
        progress = Progress(len(self._images), sys.stderr)
        progress.begin(f'{len(self._images)} images')
        try:
            for image in self._images:
                yield self._read(image)
                progress.advance()
        finally:
            progress.end()


def _dataset(path: Path) -> Dataset:
    try:
        dataset = open_dataset(path)
    except DatasetError as error:
        raise ModelError(str(error)) from error
    findings = check(dataset)
    if findings:
        print(report(findings), file=sys.stderr)
    dataset = usable(dataset, findings)
    if not dataset.images:
        raise ModelError(f'{path} has no images that can be used; see the list above')
    return dataset


def _require_classes(names: Sequence[str], labels: Labels, data: str) -> None:
    missing = [name for name in names if name not in labels.names]
    if missing:
        raise ModelError(f'{data} has the classes {", ".join(missing)}, which the model does not '
                         f'have; it has {", ".join(labels.names[:10])}')


def _class_ids(names: Sequence[str], labels: Labels) -> NDArray[np.int32]:
    return np.array([labels.names.index(name) for name in names], np.int32)


def _scene(class_ids: NDArray[np.int32], seed: int) -> Example:
    scene = render(seed)
    truth = Detections(scene.boxes, np.ones(len(scene.boxes), np.float32),
                       class_ids[scene.class_ids])
    return Frame.from_bgr(scene.image), truth


def _labelled(class_ids: NDArray[np.int32], image: LabelledImage) -> Example:
    truth = image.truth()
    return image.frame(), replace(truth, class_ids=class_ids[truth.class_ids])
