# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The batches of a training, prepared by other processes.

A batch depends on the seed and the number of its step only, not on the batches before it. A
training that was interrupted therefore goes on with the same batches, with any number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
import signal
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fcos_ros.evaluation.datasets import LabelledImage
from training.augment import make_sample
from training.settings import Settings

PLAIN_STEPS = 0.15
"""Fraction of the steps, at the end, without mosaics: the camera does not make any."""


class Batch(NamedTuple):
    """
    The input of a step.

    :ivar images: uint8 of shape (B, 3, H, W), RGB.
    :ivar objects: boxes, (M, 4), and class ids, (M,), of each image.
    """

    images: Tensor
    objects: list[tuple[Tensor, Tensor]]

    def to(self, device: str) -> Batch:
        """Move the batch to a device."""
        return Batch(self.images.to(device), [
            (boxes.to(device), class_ids.to(device)) for boxes, class_ids in self.objects])


class Batches(Dataset[Batch]):
    """All batches of a training, by the numbers of the steps from 0."""

    def __init__(self, images: Sequence[LabelledImage], settings: Settings) -> None:
        self._images, self._settings = images, settings

    def __len__(self) -> int:
        return self._settings.steps

    def __getitem__(self, step: int) -> Batch:
        settings = self._settings
        mosaic = settings.mosaic if step < (1 - PLAIN_STEPS) * settings.steps else 0.0
        samples = [
            make_sample(np.random.default_rng([settings.seed, step, place]), self._images,
                        self._index(step * settings.batch + place), settings, mosaic)
            for place in range(settings.batch)]
        images = np.stack([sample.pixels[..., ::-1].transpose(2, 0, 1) for sample in samples])
        return Batch(torch.from_numpy(images), [
            (torch.from_numpy(sample.boxes), torch.from_numpy(sample.class_ids))
            for sample in samples])

    def _index(self, position: int) -> int:
        """Return the image at a position of the endless order: all once, then all again."""
        epoch, place = divmod(position, len(self._images))
        return int(_order(self._settings.seed, epoch, len(self._images))[place])


def batches(
    images: Sequence[LabelledImage], settings: Settings, first_step: int, workers: int,
) -> Iterator[Batch]:
    """
    Iterate over the batches from a step on.

    :param workers: processes that prepare them; they end with the iterator.
    """
    loader = DataLoader(
        Batches(images, settings), batch_size=None, sampler=range(first_step, settings.steps),
        num_workers=workers, worker_init_fn=_begin_worker,
        prefetch_factor=2 if workers else None,
        multiprocessing_context=_start_fork_server() if workers else None)
    return iter(loader)


def _start_fork_server() -> ForkServerContext:
    """
    Start the process that starts workers, by forks of itself, unless it runs.

    Forks of this process would deadlock on torch's threads, which they do not have. Processes
    that import torch themselves take seconds each, one after the other.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    # Ctrl-C reaches all processes of a terminal; this one ends the workers. They inherit that it
    # is ignored. Here, it is ignored only for the milliseconds until the fork server runs.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, handler)
    return context


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(count)


def _begin_worker(number: int) -> None:
    # The threads of OpenCV would compete with those of the step.
    cv2.setNumThreads(1)
