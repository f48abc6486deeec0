# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Labelled images: which file shows which objects where.

A reader (`coco`, `yolo`, `voc`) returns a `Dataset` as the files state it, also with boxes that
make no sense: `checking.check` lists them, and `usable` removes them. Pixels are read only when
they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes, Mask, Pixels
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets.findings import Finding
from fcos_ros.evaluation.datasets.pixels import read_pixels

UNKNOWN = -1
"""The class id of an object whose class is not among the names."""

PARTS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val',
         'validation': 'val', 'test': 'test', 'testing': 'test'}
"""The parts of a dataset by the words that files and folders use for them."""

VAL_FRACTION = 0.15
"""Fraction of the images for validation, if the dataset does not state a part for it."""


class DatasetError(ValueError):
    """A dataset cannot be read at all. The message lists what is accepted."""


class LabelledObject(NamedTuple):
    """
    An object as a reader finds it.

    :ivar box: x1, y1, x2, y2 in pixels.
    :ivar class_id: index into the class names, or `UNKNOWN`.
    :ivar crowd: whether it is to be ignored: a crowd in COCO, a difficult object in VOC.
    """

    box: tuple[float, float, float, float]
    class_id: int
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """
    One image and its objects, as stated by the labels.

    :ivar name: its path relative to the dataset, with '/' between the parts.
    :ivar boxes: float32 of shape (N, 4), rows (x1, y1, x2, y2) in pixels of the upright image.
    :ivar class_ids: int32 of shape (N,), indices into the class names, or `UNKNOWN`.
    :ivar crowd: bool of shape (N,): boxes in which detections are neither right nor wrong.
    :ivar size: as the labels state it; None if they do not.
    :ivar part: 'train', 'val' or 'test'; '' if the dataset is not divided.
    """

    path: Path
    name: str
    boxes: Boxes
    class_ids: NDArray[np.int32]
    crowd: Mask
    size: Size | None = None
    part: str = ''

    @classmethod
    def of(cls, path: Path, root: Path, objects: Sequence[LabelledObject],
           size: Size | None = None, part: str = '') -> LabelledImage:
        """Create an image from a list of objects; `root` is the folder of the dataset."""
        name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
        return cls(
            path, name,
            np.array([found.box for found in objects], np.float32).reshape(-1, 4),
            np.array([found.class_id for found in objects], np.int32),
            np.array([found.crowd for found in objects], bool), size, part)

    def read(self) -> Pixels:
        """
        Read its pixels, uint8 of shape (H, W, 3) in BGR order.

        :raises FrameError: the file is missing, damaged or of an unknown format.
        """
        return read_pixels(self.path, self.size)

    def frame(self) -> Frame:
        """
        Read its pixels as a frame for a detector.

        :raises FrameError: as for `read`.
        """
        return Frame.from_bgr(self.read())

    def objects(self, kept: Mask) -> LabelledImage:
        """Return the image with some of its objects."""
        return replace(self, boxes=self.boxes[kept], class_ids=self.class_ids[kept],
                       crowd=self.crowd[kept])

    def truth(self) -> Detections:
        """Return its objects as ground truth, without crowds."""
        own = self.objects(~self.crowd)
        return Detections(own.boxes, np.ones(len(own.boxes), np.float32), own.class_ids)


@dataclass(frozen=True, eq=False)
class Dataset:
    """
    Labelled images and the names of their classes.

    :ivar root: the folder that the names of the images are relative to.
    :ivar format: the name of the reader.
    :ivar findings: problems of the label files. `check` also finds those of boxes and images.
    """

    root: Path
    format: str
    class_names: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def with_images(self, images: Iterable[LabelledImage]) -> Dataset:
        """Return the dataset with other images."""
        return replace(self, images=tuple(images))

    def part(self, name: str) -> Dataset:
        """Return the images of one part."""
        return self.with_images(image for image in self.images if image.part == name)

    def counts(self) -> NDArray[np.int_]:
        """Return the number of objects of each class, without crowds and unknown classes."""
        ids = [image.class_ids[~image.crowd & (image.class_ids != UNKNOWN)]
               for image in self.images]
        joined = np.concatenate([np.empty(0, np.int32), *ids])
        return np.bincount(joined, minlength=len(self.class_names))


def split(dataset: Dataset, val_fraction: float = VAL_FRACTION) -> tuple[Dataset, Dataset]:
    """
    Return the images for training and for validation.

    A stated validation part is used. Otherwise the hash of an image's name decides, so an image
    stays in its part when others are added or removed. The part 'test' is in neither.

    :raises DatasetError: there are not enough images for both parts.
    """
    images = [image for image in dataset.images if image.part != 'test']
    chosen = [image.part == 'val' for image in images]
    if not any(chosen):
        count = sum(_hashed(image) < val_fraction for image in images)
        # Both parts have at least one image.
        order = sorted(images, key=_hashed)[:max(1, min(count, len(images) - 1))]
        names = {image.name for image in order}
        chosen = [image.name in names for image in images]
    if all(chosen):
        raise DatasetError(f'{dataset.root} has {len(images)} images to train and validate with; '
                           'accepted: at least one for each; add images')
    return (dataset.with_images(image for image, val in zip(images, chosen) if not val),
            dataset.with_images(image for image, val in zip(images, chosen) if val))


def fingerprint(
    dataset: Dataset, advance: Callable[[], object] = lambda: None,
) -> str:
    """
    Return the SHA-256 of the class names, the labels and the image files.

    :param advance: called after each image.
    """
    total = hashlib.sha256('\0'.join(dataset.class_names).encode())
    for image in sorted(dataset.images, key=lambda image: image.name):
        total.update(f'\0{image.name}\0{image.part}\0'.encode())
        for values in (image.boxes, image.class_ids, image.crowd):
            total.update(np.ascontiguousarray(values).tobytes())
        total.update(hashlib.sha256(image.path.read_bytes()).digest())
        advance()
    return total.hexdigest()


def part_of(words: str) -> str:
    """Return the part that a file or folder name states, such as 'val' of 'instances_val2017'."""
    lower = words.lower()
    # Longer words first, as 'validation' begins with 'val'.
    for word in sorted(PARTS, key=len, reverse=True):
        if word in lower:
            return PARTS[word]
    return ''


def _hashed(image: LabelledImage) -> float:
    """Return a number from 0 to 1 that depends on the name only."""
    digest = hashlib.sha256(image.name.encode()).digest()
    return int.from_bytes(digest[:8], 'big') / 2 ** 64
