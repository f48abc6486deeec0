# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered scenes on disk, and the crops that the network is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from fcos_ros.core.resize import Boxes, Size
from fcos_ros.demo.scenes import render
from training.loss import IGNORED

FIRST_SEED = 1_000_000
"""Scenes for training have this seed or a higher one; the evaluation uses 0 to 499."""

CROP = Size(384, 256)
SCALE = 0.8
"""What the letterbox does to a scene of 640x480 on a canvas of 512x512."""

Sample = tuple[Tensor, Tensor, Tensor]


def save_scene(folder: Path, seed: int) -> None:
    """Render a scene into the folder, unless it is there."""
    path = scene_path(folder, seed)
    if path.exists():
        return
    scene = render(seed)
    _, jpeg = cv2.imencode('.jpg', scene.image, [cv2.IMWRITE_JPEG_QUALITY, 96])
    # Under another name first: a reader finds whole files only.
    part = folder / f'{seed}.part.npz'
    np.savez(part, jpeg=jpeg, boxes=scene.boxes, class_ids=scene.class_ids)
    part.rename(path)


def save_scenes(folder: Path, count: int, worker: int, workers: int) -> None:
    """Render one worker's share of the first `count` scenes."""
    cv2.setNumThreads(1)
    for seed in range(FIRST_SEED + worker, FIRST_SEED + count, workers):
        save_scene(folder, seed)


def scene_path(folder: Path, seed: int) -> Path:
    """Name the file of a scene."""
    return folder / f'{seed}.npz'


class Crops(torch.utils.data.IterableDataset[Sample]):
    """Endless random crops of the scenes in a folder, of which more may appear meanwhile."""

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
                yield sample(rng, image, scene['boxes'], scene['class_ids'])


def collate(samples: list[Sample]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Pictures as uint8 of shape (B, 3, H, W), and boxes and class ids of each."""
    return torch.stack([s[0] for s in samples]), [(s[1], s[2]) for s in samples]


def sample(
    rng: np.random.Generator, image: np.ndarray, boxes: Boxes, class_ids: np.ndarray,
) -> Sample:
    """Cut a crop at about the scale of the demo, perhaps mirrored, in other light."""
    scale = SCALE * np.exp(rng.uniform(-0.35, 0.3))
    left, top = _corner(rng, Size(image.shape[1], image.shape[0]), scale)
    place = np.array([[scale, 0, 0.5 * scale - 0.5 - left], [0, scale, 0.5 * scale - 0.5 - top]])
    crop = cv2.warpAffine(image, place, CROP, flags=cv2.INTER_LINEAR)
    boxes = boxes * np.float32(scale) - np.array([left, top, left, top], np.float32)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
        boxes = np.stack([CROP.width - boxes[:, 2], boxes[:, 1],
                          CROP.width - boxes[:, 0], boxes[:, 3]], 1)
    boxes, class_ids = _cut(boxes, class_ids)
    picture = np.ascontiguousarray(_relit(rng, crop)[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(picture), torch.from_numpy(boxes), torch.from_numpy(class_ids)


def _corner(rng: np.random.Generator, size: Size, scale: float) -> tuple[float, float]:
    """Place the crop; sometimes it reaches beyond the picture, where all is black."""
    beyond = 0.3 if rng.random() < 0.3 else 0.0
    slack = [side * scale - crop for side, crop in zip(size, CROP)]
    corners = [rng.uniform(min(0, gap) - beyond * crop, max(0, gap) + beyond * crop)
               for gap, crop in zip(slack, CROP)]
    return corners[0], corners[1]


def _cut(boxes: Boxes, class_ids: np.ndarray) -> tuple[Boxes, np.ndarray]:
    """Cut the boxes at the border; who loses much is ignored, who loses all goes."""
    cut = np.clip(boxes, 0, [*CROP, *CROP]).astype(np.float32)
    sides = cut[:, 2:] - cut[:, :2]
    left = sides.prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
    shown = sides.min(1) > 1
    class_ids = np.where((left > 0.4) & (sides.min(1) > 7), class_ids, IGNORED)
    return cut[shown], class_ids[shown].astype(np.int64)


def _relit(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """Change exposure, contrast and white balance a little, and add noise to some."""
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
    light = crop * gain.astype(np.float32) + np.float32(rng.uniform(-12, 12))
    if rng.random() < 0.25:
        light += rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(2, 8))
    # What is black outside stays black.
    return np.clip(light * (crop.max(2, keepdims=True) > 0), 0, 255).astype(np.uint8)
