# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Make training images from labelled images: scaled, cropped, joined, mirrored, in varied light.

All choices come from the given random numbers, so a sample can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Array, Boxes, Pixels
from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets import LabelledImage
from training.settings import Settings

IGNORED = -2
"""The class id of objects that are neither right nor wrong: crowds, and those that hardly show."""

SCALES = (-0.35, 0.3)
"""Logarithms of the smallest and the largest scale, relative to that of the letterbox."""

MOSAIC_SCALES = (0.5, 1.0)
"""The smallest and the largest scale of the images in a mosaic, relative to those of others."""

MIN_REMAINING = 0.4
"""Fraction of an object that a crop must keep; the network need not detect others."""

MIN_SIDE = 7.0
"""Minimum side of an object in a crop, in pixels, likewise."""

BLACK = (0, 0, 0)

Random = np.random.Generator


class Sample(NamedTuple):
    """
    A training image and its objects.

    :ivar pixels: uint8 of shape (H, W, 3), BGR.
    :ivar boxes: float32 of shape (N, 4), in its pixels.
    :ivar class_ids: int64 of shape (N,), some of them `IGNORED`.
    """

    pixels: Pixels
    boxes: Boxes
    class_ids: NDArray[np.int64]

    @classmethod
    def read(cls, image: LabelledImage) -> Sample:
        """Read an image; crowds are ignored."""
        class_ids = np.where(image.crowd, IGNORED, image.class_ids).astype(np.int64)
        return cls(image.read(), image.boxes, class_ids)


def make_sample(
    rng: Random, images: Sequence[LabelledImage], index: int, settings: Settings, mosaic: float,
) -> Sample:
    """
    Make a training image of one image, or of this one and three others.

    :param mosaic: the probability of four images.
    """
    if rng.random() < mosaic:
        others = rng.integers(len(images), size=3).tolist()
        sample = _mosaic(rng, [Sample.read(images[i]) for i in (index, *others)], settings)
    else:
        sample = _crop(rng, Sample.read(images[index]), settings.crop, settings.size)
    if settings.flip and rng.random() < 0.5:
        sample = _mirrored(sample)
    return sample._replace(pixels=_vary_light(rng, sample.pixels))


def _mosaic(rng: Random, samples: Sequence[Sample], settings: Settings) -> Sample:
    """Join crops of four images around a random point."""
    width, height = settings.crop
    x, y = (round(rng.uniform(0.3, 0.7) * side) for side in settings.crop)
    corners = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    pixels = np.empty((height, width, 3), np.uint8)
    parts = []
    for sample, (left, top, right, bottom) in zip(samples, corners):
        part = _crop(rng, sample, Size(right - left, bottom - top), settings.size,
                     rng.uniform(*MOSAIC_SCALES))
        pixels[top:bottom, left:right] = part.pixels
        offset = np.array([left, top, left, top], np.float32)
        parts.append(part._replace(boxes=part.boxes + offset))
    return Sample(pixels, np.concatenate([part.boxes for part in parts]),
                  np.concatenate([part.class_ids for part in parts]))


def _crop(rng: Random, sample: Sample, size: Size, canvas: Size, factor: float = 1.0) -> Sample:
    """Cut a random crop of about the scale that the image has on the canvas."""
    image = Size(*sample.pixels.shape[1::-1])
    scale = min(canvas.width / image.width, canvas.height / image.height)
    scale *= factor * np.exp(rng.uniform(*SCALES))
    left, top = _random_corner(rng, image, size, scale)
    place = np.array([[scale, 0, 0.5 * scale - 0.5 - left], [0, scale, 0.5 * scale - 0.5 - top]])
    pixels = cv2.warpAffine(sample.pixels, place, size, flags=cv2.INTER_LINEAR)
    boxes = sample.boxes * np.float32(scale) - np.array([left, top, left, top], np.float32)
    return _clipped(Sample(np.asarray(pixels, np.uint8), boxes, sample.class_ids), size)


def _random_corner(rng: Random, image: Size, size: Size, scale: float) -> tuple[float, float]:
    """Choose the left and top of a crop. Some crops reach beyond the image, where all is black."""
    beyond = 0.3 if rng.random() < 0.3 else 0.0
    slack = [side * scale - crop for side, crop in zip(image, size)]
    corners = [rng.uniform(min(0, gap) - beyond * crop, max(0, gap) + beyond * crop)
               for gap, crop in zip(slack, size)]
    return corners[0], corners[1]


def _clipped(sample: Sample, size: Size) -> Sample:
    """Clip boxes to the crop; ignore objects that lose much, and remove those that lose all."""
    boxes = np.clip(sample.boxes, 0, [*size, *size]).astype(np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    remaining = sides.prod(1) / (sample.boxes[:, 2:] - sample.boxes[:, :2]).prod(1)
    kept = (remaining > MIN_REMAINING) & (sides.min(1) > MIN_SIDE)
    shown = sides.min(1) > 1
    return Sample(sample.pixels, boxes[shown],
                  np.where(kept, sample.class_ids, IGNORED)[shown])


def _mirrored(sample: Sample) -> Sample:
    width = sample.pixels.shape[1]
    x1, y1, x2, y2 = sample.boxes.T
    return sample._replace(pixels=np.asarray(cv2.flip(sample.pixels, 1), np.uint8),
                           boxes=np.stack([width - x2, y1, width - x1, y2], 1))


def _vary_light(rng: Random, pixels: Pixels) -> Pixels:
    """Vary exposure, brightness and white balance; add noise to a quarter of the images."""
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
    offset = np.float32(rng.uniform(-12, 12))
    # The values of a channel are few: it is faster to look up their results.
    table = np.arange(256, dtype=np.float32)[:, None] * gain.astype(np.float32) + offset
    if rng.random() < 0.25:
        noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 8))
        light: Array = _to_bytes(cv2.LUT(pixels, table[None]) + noise)
    else:
        light = cv2.LUT(pixels, _to_bytes(table)[None])
    # The black area outside the image stays black.
    outside = cv2.inRange(pixels, BLACK, BLACK)
    return np.asarray(cv2.bitwise_and(light, light, mask=cv2.bitwise_not(outside)), np.uint8)


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
