# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find the problems of a dataset before it is used, all at once.

`check` reads every image. `usable` removes what cannot be used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import hashlib
import os
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Boxes
from fcos_ros.core.errors import FrameError
from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets.dataset import UNKNOWN, Dataset, LabelledImage
from fcos_ros.evaluation.datasets.findings import Finding
from fcos_ros.evaluation.datasets.pixels import read_size

MARGIN = 1.0
"""Pixels by which a box may reach beyond the image without a word: labels are often rounded."""

FEW_OBJECTS = 20
"""Objects of a class from which a network hardly learns it."""

RARE = 0.02
"""Fraction of the objects of the most frequent class; rarer classes are reported."""

IMAGE_KINDS = ('missing image', 'unreadable image', 'wrong size')
"""Kinds of problems of a whole image; their place is its name."""


def check(
    dataset: Dataset, advance: Callable[[], object] = lambda: None,
) -> tuple[Finding, ...]:
    """
    Return all problems of labels and images. Every image is read and decoded.

    :param advance: called after each image.
    """
    findings = list(dataset.findings)
    digests: dict[str, list[LabelledImage]] = defaultdict(list)
    # OpenCV releases the GIL while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for image, (digest, own) in zip(dataset.images, threads.map(_examine, dataset.images)):
            findings += own
            digests[digest].append(image)
            advance()
    digests.pop('', None)
    findings += _duplicate_images(digests.values())
    findings += _empty_images(dataset)
    findings += _rare_classes(dataset)
    return tuple(findings)


def usable(dataset: Dataset, findings: Sequence[Finding]) -> Dataset:
    """
    Return the dataset without what cannot be used, and with boxes clipped to the images.

    :param findings: the result of `check`, which names the images that cannot be used.
    """
    left_out = {finding.place for finding in findings if finding.kind in IMAGE_KINDS}
    return dataset.with_images(
        _usable_objects(image) for image in dataset.images if image.name not in left_out)


class _Examined(NamedTuple):
    """
    The result for one image.

    :ivar digest: SHA-256 of the pixels; '' if they cannot be read.
    """

    digest: str
    findings: Sequence[Finding]


def _examine(image: LabelledImage) -> _Examined:
    if not image.path.is_file():
        return _Examined('', [Finding('missing image', image.name)])
    try:
        pixels = image.read()
    except FrameError as error:
        return _Examined('', [Finding('unreadable image', image.name, str(error))])
    size = Size(*pixels.shape[1::-1])
    if image.size not in (None, size):
        return _Examined('', [Finding('wrong size', image.name, f'the labels state {image.size}, '
                                      f'the file is {size}')])
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return _Examined(digest, list(_box_findings(image, size)))


def _box_findings(image: LabelledImage, size: Size) -> Iterator[Finding]:
    kinds = _kinds(image.boxes, size)
    seen: set[tuple[float, ...]] = set()
    for index, (box, class_id) in enumerate(zip(image.boxes.tolist(), image.class_ids.tolist())):
        place = f'{image.name}: object {index + 1}'
        corners = ', '.join(f'{value:g}' for value in box)
        if kinds[index]:
            yield Finding(kinds[index], place, f'({corners}) in {size}')
        elif (*box, class_id) in seen:
            yield Finding('duplicate box', place, f'({corners})')
        seen.add((*box, class_id))


def _kinds(boxes: Boxes, size: Size) -> list[str]:
    """Return the kind of problem of each box; '' for none."""
    x1, y1, x2, y2 = boxes.T
    width, height = x2 - x1, y2 - y1
    beyond = np.max([-x1, -y1, x2 - size.width, y2 - size.height], axis=0, initial=-np.inf)
    outside = (x1 >= size.width) | (y1 >= size.height) | (x2 <= 0) | (y2 <= 0)
    kinds = np.select(
        [(width < 0) | (height < 0), (width == 0) | (height == 0), outside, beyond > MARGIN],
        ['inverted box', 'empty box', 'box outside', 'box partly outside'], '')
    return [str(kind) for kind in kinds]


def _duplicate_images(groups: Iterable[Sequence[LabelledImage]]) -> Iterator[Finding]:
    for first, *others in groups:
        if others:
            parts = sorted({image.part for image in (first, *others)} - {''})
            across = f'in {" and ".join(parts)}: ' if len(parts) > 1 else ''
            yield Finding('duplicate image', first.name, across
                          + f'the same pixels as {", ".join(image.name for image in others)}')


def _empty_images(dataset: Dataset) -> Iterator[Finding]:
    count = sum(not len(image.boxes) for image in dataset.images)
    if count:
        yield Finding('images without objects', str(dataset.root),
                      f'{count} of {len(dataset)} images')


def _rare_classes(dataset: Dataset) -> Iterator[Finding]:
    counts = dataset.counts().tolist()
    for name, count in zip(dataset.class_names, counts):
        if not count:
            yield Finding('class without objects', name)
        elif count < max(FEW_OBJECTS, RARE * max(counts)):
            yield Finding('rare class', name, f'{count} objects; the most frequent class has '
                          f'{max(counts)}')


def _usable_objects(image: LabelledImage) -> LabelledImage:
    size = read_size(image.path, image.size)
    kinds = np.array(_kinds(image.boxes, size), object)
    kept = np.isin(kinds, ('', 'box partly outside')) & (image.class_ids != UNKNOWN)
    rows = np.column_stack([image.boxes, image.class_ids])
    first = np.zeros(len(rows), bool)
    first[np.unique(rows, axis=0, return_index=True)[1]] = True
    own = image.objects(kept & first)
    return replace(own, boxes=np.clip(own.boxes, 0, np.array([*size, *size], np.float32)))
