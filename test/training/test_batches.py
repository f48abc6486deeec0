# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches depend on the seed and the number of their step only."""

from dataclasses import replace
import signal

import pytest
import torch

from fcos_ros.core.errors import FrameError
from training.batches import PLAIN_STEPS, Batches, batches
from training.settings import Settings


def assert_equal(one, other):
    assert torch.equal(one.images, other.images)
    for objects, same in zip(one.objects, other.objects):
        assert all(map(torch.equal, objects, same))


@pytest.fixture(name='task')
def make_task(trainings):
    run = trainings.run(steps=6, batch=3)
    return run.train.images, run.settings


def test_batches_from_a_step_on_are_those_of_a_whole_training(task):
    images, settings = task
    whole = list(batches(images, settings, 0, workers=0))
    assert len(whole) == 6
    for one, other in zip(whole[4:], batches(images, settings, 4, workers=0)):
        assert_equal(one, other)


@pytest.mark.parametrize('workers', [1, 2])
def test_the_number_of_workers_does_not_matter(task, workers):
    images, settings = task
    for one, other in zip(batches(images, settings, 0, 0), batches(images, settings, 0, workers)):
        assert_equal(one, other)


def test_ctrl_c_is_not_ignored_while_workers_start(task):
    """It would be lost: the start takes seconds."""
    handlers = []

    class Images(list):
        def __reduce__(self):  # called when a worker gets its copy
            handlers.append(signal.getsignal(signal.SIGINT))
            return list, ()

    batches(Images(), task[1], 0, workers=2)
    assert handlers == [signal.getsignal(signal.SIGINT)] * 2


def test_another_seed_makes_other_batches(task):
    images, settings = task
    one, other = (Batches(images, replace(settings, seed=seed))[0] for seed in (1, 2))
    assert not torch.equal(one.images, other.images)


def test_every_image_is_used_once_in_an_epoch(task):
    images, settings = task
    order = [Batches(images, settings)._index(position) for position in range(3 * len(images))]
    epochs = [order[start:start + len(images)] for start in range(0, len(order), len(images))]
    assert all(sorted(epoch) == list(range(len(images))) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_images_are_rgb_and_objects_have_a_row_each(task):
    images, settings = task
    batch = Batches(images, settings)[0]
    assert batch.images.shape == (3, 3, 64, 64)
    assert batch.images.dtype == torch.uint8
    for boxes, class_ids in batch.objects:
        assert boxes.shape == (len(class_ids), 4)
        assert boxes.dtype == torch.float32
        assert class_ids.dtype == torch.int64


def test_the_last_steps_have_no_mosaics(task, monkeypatch):
    images, _ = task
    settings = Settings(steps=100, batch=1, mosaic=0.8)
    chances = []
    monkeypatch.setattr('training.batches.make_sample',
                        lambda rng, images, index, settings, mosaic: chances.append(mosaic)
                        or 1 / 0)
    for step in range(100):
        with pytest.raises(ZeroDivisionError):
            Batches(images, settings)[step]
    plain = round(100 * PLAIN_STEPS)
    assert chances == [0.8] * (100 - plain) + [0.0] * plain


def test_an_image_that_vanishes_is_named_also_by_a_worker(task, tmp_path):
    images, settings = task
    gone = [replace(image, path=tmp_path / 'gone.png') for image in images]
    with pytest.raises(FrameError, match=r'gone\.png cannot be read'):
        next(batches(gone, settings, 0, workers=1))
