# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The COCO figures, calculated by the library faster-coco-eval if it is installed.

It gives the figures of pycocotools and is several times as fast as `average_precision`, which
needs numpy only and gives the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.evaluation.average_precision import Evaluation, evaluate, evaluation_of
from fcos_ros.evaluation.matching import require_pairs

INSTALL = 'python3 -m pip install --no-deps faster-coco-eval'

LIBRARY, OWN = 'faster-coco-eval', 'fcos_ros'
"""The names of the judges."""

JUDGES = ('auto', LIBRARY, OWN)


class Judge(NamedTuple):
    """
    A judge of detections.

    :ivar name: with its version, for the user.
    :ivar evaluate: has the parameters of `average_precision.evaluate`.
    """

    name: str
    evaluate: Callable[..., Evaluation]


def find_judge(name: str = 'auto') -> Judge:
    """
    Return a judge.

    :param name: one of `JUDGES`; `auto` takes the library if it is installed.
    :raises ImportError: the library is wanted and cannot be imported.
    """
    if name == 'auto':
        with suppress(ImportError):
            return find_judge(LIBRARY)
    if name != LIBRARY:
        return Judge(OWN, evaluate)
    try:
        library = import_module('faster_coco_eval')
    except ImportError as error:
        raise ImportError(f'{LIBRARY} cannot be imported: {error}; run: {INSTALL}') from error
    return Judge(f'{LIBRARY} {library.__version__}', _LibraryJudge(library).evaluate)


class _LibraryJudge:
    """Judge with the library, whose classes are those of pycocotools."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def evaluate(
        self, found: Sequence[Detections], truth: Sequence[Detections],
        crowds: Sequence[Detections] | None = None,
    ) -> Evaluation:
        """Calculate the figures; see `average_precision.evaluate`."""
        crowds = require_pairs(found, truth, crowds)
        class_ids = _class_ids(truth)
        if not class_ids:
            return evaluation_of({})
        objects = [*_entries(truth, class_ids, iscrowd=0), *_entries(crowds, class_ids, iscrowd=1)]
        dataset = self._library.COCO({
            'images': [{'id': number} for number in range(len(truth))],
            'categories': [{'id': class_id, 'name': str(class_id)} for class_id in class_ids],
            'annotations': [{'id': number, **entry}
                            for number, entry in enumerate(objects, start=1)]})
        results = dataset.loadRes(list(_entries(found, class_ids)))
        run = self._library.COCOeval_faster(dataset, results, 'bbox', print_function=_ignore)
        run.evaluate()
        run.accumulate()
        # (IoU, recall, class, area, limit of detections); -1 without objects.
        precision = run.eval['precision'][..., -1]
        tables = np.where(precision > -1, precision, np.nan).mean(axis=1).transpose(1, 2, 0)
        return evaluation_of(dict(zip(class_ids, tables)))


def _class_ids(images: Sequence[Detections]) -> list[int]:
    return sorted({class_id for image in images for class_id in image.class_ids.tolist()})


def _entries(
    images: Sequence[Detections], class_ids: Sequence[int], **facts: int,
) -> Iterator[dict[str, Any]]:
    """Yield the boxes of known classes in the form of COCO."""
    for number, image in enumerate(images):
        corners = image.boxes.astype(np.float64)
        boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
        for box, score, class_id in zip(
                boxes.tolist(), image.scores.tolist(), image.class_ids.tolist()):
            if class_id in class_ids:
                yield {'image_id': number, 'category_id': class_id, 'bbox': box, 'score': score,
                       'area': box[2] * box[3], **facts}


def _ignore(*_: object) -> None:
    """Discard the library's lines about its progress."""
