# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training images: boxes stay on their objects, whatever is done to the pixels."""

from dataclasses import replace

import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets import LabelledImage
from fcos_ros.evaluation.datasets.dataset import LabelledObject
from training.augment import (
    IGNORED,
    MIN_REMAINING,
    MIN_SIDE,
    SCALES,
    _vary_light,
    make_sample,
)
from training.settings import Settings

SETTINGS = Settings(size=Size(128, 96), crop=Size(96, 64))
COLOURS = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)])
"""BGR of the classes 0, 1 and 2."""


@pytest.fixture(name='images', scope='module')
def write_images(tmp_path_factory):
    """Return three grey images with one rectangle each, in the colour of its class."""
    folder = tmp_path_factory.mktemp('images')
    images = []
    sizes = ((160, 120), (80, 120), (300, 100))
    boxes = ((30, 40, 90, 85), (10, 20, 60, 70), (90, 10, 220, 90))
    for class_id, ((width, height), box) in enumerate(zip(sizes, boxes)):
        pixels = np.full((height, width, 3), 60, np.uint8)
        x1, y1, x2, y2 = box
        pixels[y1:y2, x1:x2] = COLOURS[class_id]
        path = folder / f'{class_id}.png'
        cv2.imwrite(str(path), pixels)
        images.append(LabelledImage.of(path, folder, [LabelledObject(box, class_id)]))
    return images


def visible_box(pixels, class_id):
    """Return the box of the pixels of a class; None if there are fewer than 12."""
    channel = int(COLOURS[class_id].argmax())
    others = np.delete(pixels, channel, 2).max(2).astype(int)
    rows, columns = np.nonzero(pixels[..., channel] > others + 60)
    if len(rows) < 12:
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@given(seed=st.integers(0, 2 ** 32), index=st.integers(0, 2))
def test_the_box_is_where_the_object_is(images, seed, index):
    sample = make_sample(np.random.default_rng(seed), images, index, SETTINGS, mosaic=0.0)
    assert sample.pixels.shape == (64, 96, 3)
    assert sample.pixels.dtype == np.uint8
    seen = visible_box(sample.pixels, index)
    if len(sample.boxes):
        assert sample.class_ids[0] in (index, IGNORED)
    if seen is not None and np.min(seen[2:] - seen[:2]) > 3:
        np.testing.assert_allclose(sample.boxes[0], seen, atol=1.6)


@given(seed=st.integers(0, 2 ** 32))
def test_the_boxes_of_a_mosaic_are_inside_and_on_their_colour(images, seed):
    sample = make_sample(np.random.default_rng(seed), images, 0, SETTINGS, mosaic=1.0)
    assert len(sample.boxes) <= 4
    assert (sample.boxes >= 0).all()
    assert (sample.boxes <= [96, 64, 96, 64]).all()
    for box, class_id in zip(sample.boxes, sample.class_ids):
        if class_id != IGNORED:
            x1, y1, x2, y2 = box.round().astype(int)
            inside = sample.pixels[y1 + 2:y2 - 2, x1 + 2:x2 - 2].reshape(-1, 3).mean(0)
            assert inside.argmax() == COLOURS[class_id].argmax()


def test_a_mosaic_shows_several_images(images):
    shown = [set(make_sample(np.random.default_rng(seed), images, 0, SETTINGS, 1.0).class_ids)
             - {IGNORED} for seed in range(40)]
    assert any(len(classes) >= 2 for classes in shown)


@given(seed=st.integers(0, 2 ** 32), index=st.integers(0, 2), mosaic=st.sampled_from([0.0, 1.0]))
def test_the_same_random_numbers_make_the_same_sample(images, seed, index, mosaic):
    one, other = (make_sample(np.random.default_rng(seed), images, index, SETTINGS, mosaic)
                  for _ in range(2))
    assert all(map(np.array_equal, one, other))


@given(seed=st.integers(0, 2 ** 32), index=st.integers(0, 2))
def test_objects_that_hardly_show_are_ignored(images, seed, index):
    sample = make_sample(np.random.default_rng(seed), images, index, SETTINGS, mosaic=0.0)
    x1, y1, x2, y2 = images[index].boxes[0]
    width, height = cv2.imread(str(images[index].path)).shape[1::-1]
    largest = min(128 / width, 96 / height) * np.exp(SCALES[1])
    for box, class_id in zip(sample.boxes, sample.class_ids):
        sides = box[2:] - box[:2]
        if sides.min() < MIN_SIDE:
            assert class_id == IGNORED
        if class_id != IGNORED:
            smallest = min(128 / width, 96 / height) * np.exp(SCALES[0])
            assert sides.prod() > MIN_REMAINING * (x2 - x1) * (y2 - y1) * smallest ** 2
        assert sides.prod() <= (x2 - x1) * (y2 - y1) * largest ** 2 * 1.01


def test_crowds_are_ignored(images):
    crowd = [replace(image, crowd=np.array([True])) for image in images]
    for seed in range(20):
        sample = make_sample(np.random.default_rng(seed), crowd, 0, SETTINGS, 0.5)
        assert set(sample.class_ids.tolist()) <= {IGNORED}


@pytest.mark.parametrize('flip', [True, False])
def test_images_are_mirrored_only_if_that_is_wanted(tmp_path, flip):
    """The image grows brighter to the right, or to the left if it is mirrored."""
    pixels = np.tile(np.linspace(40, 160, 96).astype(np.uint8)[None, :, None], (64, 1, 3))
    cv2.imwrite(str(tmp_path / 'a.png'), pixels)
    image = LabelledImage.of(tmp_path / 'a.png', tmp_path, [LabelledObject((0, 0, 32, 64), 0)])
    settings = replace(SETTINGS, flip=flip, size=Size(96, 64))
    slopes = []
    for seed in range(30):
        sample = make_sample(np.random.default_rng(seed), [image], 0, settings, 0.0)
        row = sample.pixels.max(0).astype(float).mean(1)
        columns, = np.nonzero(row)
        slopes.append(np.polyfit(columns, row[columns], 1)[0])
    assert bool(min(slopes) < 0) is flip
    assert max(slopes) > 0


def plainly_varied_light(rng, pixels):
    """Return the pixels in another light, as the formula says."""
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
    light = pixels * gain.astype(np.float32) + np.float32(rng.uniform(-12, 12))
    if rng.random() < 0.25:
        light += rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 8))
    light[(pixels == 0).all(2)] = 0
    return np.clip(light, 0, 255).astype(np.uint8)


@pytest.mark.parametrize('seed', range(12))
def test_the_light_is_that_of_the_formula(seed):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    pixels[:, 35:] = 0
    pixels[5, 5] = 0, 0, 1
    for image in (pixels, pixels[:, ::-1]):
        np.testing.assert_array_equal(
            _vary_light(np.random.default_rng(seed), image),
            plainly_varied_light(np.random.default_rng(seed), image))


def test_the_light_varies_and_black_borders_stay_black(images):
    means, black = set(), 0
    for seed in range(30):
        sample = make_sample(np.random.default_rng(seed), images, 0, SETTINGS, 0.0)
        grey = sample.pixels[(sample.pixels.max(2) > 0)]
        means.add(round(float(np.median(grey)), 1))
        black += int((sample.pixels.max(2) == 0).sum())
    assert len(means) > 10
    assert black > 0
