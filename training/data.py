# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Store rendered scenes as files, and read random crops of them for the training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from fcos_ros.core.arrays import Boxes
from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import render
from training.loss import IGNORED

FIRST_SEED = 1_000_000
"""The lowest seed of a scene for training; the evaluation uses seeds 0 to 499."""

CROP_SIZE = Size(384, 256)
DEMO_SCALE = 0.8
"""The scale of the letterbox from a scene of 640x480 to the canvas of 512x512."""

Sample = tuple[Tensor, Tensor, Tensor]
"""Image, uint8 RGB of shape (3, H, W); boxes, (M, 4) in its pixels; class ids, (M,)."""


def save_scene(folder: Path, seed: int) -> None:
    """Render a scene and save it in the folder, unless its file exists."""
    path = scene_path(folder, seed)
    if path.exists():
        return
    scene = render(seed)
    _, jpeg = cv2.imencode('.jpg', scene.image, [cv2.IMWRITE_JPEG_QUALITY, 96])
    # Renamed when it is complete, as other processes read the folder.
    part = folder / f'{seed}.part.npz'
    np.savez(part, jpeg=jpeg, boxes=scene.boxes, class_ids=scene.class_ids)
    part.rename(path)


def save_scenes(folder: Path, count: int, worker: int, workers: int) -> None:
    """Save every `workers`-th of the first `count` scenes, beginning with number `worker`."""
    cv2.setNumThreads(1)
    for seed in range(FIRST_SEED + worker, FIRST_SEED + count, workers):
        save_scene(folder, seed)


def scene_path(folder: Path, seed: int) -> Path:
    """Return the path of the file of a scene."""
    return folder / f'{seed}.npz'


class Crops(torch.utils.data.IterableDataset[Sample]):
    """An endless series of random crops of the scenes in a folder, which may grow meanwhile."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed

    def __iter__(self) -> Iterator[Sample]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng(self._seed)
        while True:
            paths = sorted(self._folder.glob('[0-9]*[0-9].npz'))
            for index in rng.permutation(len(paths))[:500]:
                scene = np.load(paths[index])
                image = cv2.imdecode(scene['jpeg'], cv2.IMREAD_COLOR)
                yield make_sample(rng, image, scene['boxes'], scene['class_ids'])


def collate(samples: list[Sample]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """
    Combine samples to a batch.

    :returns: images, uint8 of shape (B, 3, H, W), and the boxes and class ids of each image.
    """
    return torch.stack([s[0] for s in samples]), [(s[1], s[2]) for s in samples]


def make_sample(
    rng: np.random.Generator, image: np.ndarray, boxes: Boxes, class_ids: np.ndarray,
) -> Sample:
    """Cut a random crop at about the scale of the demo; mirror half, and vary the light."""
    scale = DEMO_SCALE * np.exp(rng.uniform(-0.35, 0.3))
    left, top = _random_corner(rng, Size(image.shape[1], image.shape[0]), scale)
    place = np.array([[scale, 0, 0.5 * scale - 0.5 - left], [0, scale, 0.5 * scale - 0.5 - top]])
    crop = cv2.warpAffine(image, place, CROP_SIZE, flags=cv2.INTER_LINEAR)
    boxes = boxes * np.float32(scale) - np.array([left, top, left, top], np.float32)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
        boxes = np.stack([CROP_SIZE.width - boxes[:, 2], boxes[:, 1],
                          CROP_SIZE.width - boxes[:, 0], boxes[:, 3]], 1)
    boxes, class_ids = _clip(boxes, class_ids)
    rgb = np.ascontiguousarray(_vary_light(rng, crop)[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb), torch.from_numpy(boxes), torch.from_numpy(class_ids)


def _random_corner(rng: np.random.Generator, size: Size, scale: float) -> tuple[float, float]:
    """Choose the left and top of a crop. Some crops reach beyond the image, where all is black."""
    beyond = 0.3 if rng.random() < 0.3 else 0.0
    slack = [side * scale - crop for side, crop in zip(size, CROP_SIZE)]
    corners = [rng.uniform(min(0, gap) - beyond * crop, max(0, gap) + beyond * crop)
               for gap, crop in zip(slack, CROP_SIZE)]
    return corners[0], corners[1]


def _clip(boxes: Boxes, class_ids: np.ndarray) -> tuple[Boxes, np.ndarray]:
    """Clip boxes to the crop; ignore objects that lose much, and remove those that lose all."""
    clipped = np.clip(boxes, 0, [*CROP_SIZE, *CROP_SIZE]).astype(np.float32)
    sides = clipped[:, 2:] - clipped[:, :2]
    remaining = sides.prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
    shown = sides.min(1) > 1
    class_ids = np.where((remaining > 0.4) & (sides.min(1) > 7), class_ids, IGNORED)
    return clipped[shown], class_ids[shown].astype(np.int64)


def _vary_light(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """Vary exposure, brightness and white balance; add noise to a quarter of the crops."""
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
    light = crop * gain.astype(np.float32) + np.float32(rng.uniform(-12, 12))
    if rng.random() < 0.25:
        light += rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(2, 8))
    # The black area outside the scene stays black.
    return np.clip(light * (crop.max(2, keepdims=True) > 0), 0, 255).astype(np.uint8)
