# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rendered scenes: reproducible images with the exact box of each object."""

from collections import Counter

import numpy as np
import pytest

from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import (
    CLASS_NAMES,
    FAR_TOYS,
    MIN_VISIBLE,
    NEAR_TOYS,
    SUPERSAMPLING,
    SWING_PERIOD,
    AnimatedScene,
    render,
)

SMALL = Size(320, 240)
SEEDS = range(500, 512)


@pytest.fixture(scope='module', name='scenes')
def render_scenes():
    return [render(seed, SMALL) for seed in SEEDS]


def test_a_seed_determines_the_image():
    one, again, other = render(7, SMALL), render(7, SMALL), render(8, SMALL)
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.boxes, again.boxes)
    assert (one.image != other.image).any()


@pytest.mark.parametrize('size', [
    pytest.param(Size(640, 480), id='default size of the demo'),
    pytest.param(Size(320, 180), id='wide'),
    pytest.param(Size(180, 320), id='upright'),
])
def test_the_image_has_the_requested_size(size):
    scene = render(3, size)
    assert scene.image.shape == (size.height, size.width, 3)
    assert scene.image.dtype == np.uint8
    assert scene.object_indices.shape == (
        SUPERSAMPLING * size.height, SUPERSAMPLING * size.width)


def test_a_box_is_the_exact_extent_of_the_visible_part_of_its_object(scenes):
    for scene in scenes:
        for number, box in enumerate(scene.boxes):
            rows, columns = np.nonzero(scene.object_indices == number)
            extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box * SUPERSAMPLING, extent)


def test_every_visible_object_has_a_box(scenes):
    for scene in scenes:
        assert set(np.unique(scene.object_indices)) - {-1} == set(range(len(scene.boxes)))
        assert len(scene.boxes) == len(scene.class_ids) == len(scene.visible)


def test_boxes_are_inside_the_image(scenes):
    boxes = np.concatenate([scene.boxes for scene in scenes])
    assert boxes.dtype == np.float32
    assert (boxes >= 0).all()
    assert (boxes <= [*SMALL, *SMALL]).all()


def test_every_object_is_large_enough_and_visible_enough(scenes):
    for scene in scenes:
        sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
        assert (sides >= NEAR_TOYS.min_side * SMALL.width).all()
        assert (scene.visible >= MIN_VISIBLE).all()


def test_some_objects_are_fully_visible_and_some_are_partly_hidden(scenes):
    visible = np.concatenate([scene.visible for scene in scenes])
    assert (visible > 0.999).any()
    assert (visible < 0.9).any()
    assert (visible <= 1).all()


def test_all_classes_appear(scenes):
    seen = Counter(CLASS_NAMES[i] for scene in scenes for i in scene.class_ids)
    assert set(seen) == set(CLASS_NAMES)
    assert len(seen) >= 5


def test_images_are_neither_too_dark_nor_too_bright(scenes):
    means = [scene.image.mean() for scene in scenes]
    assert min(means) > 20
    assert max(means) < 230


def test_far_toys_are_many_and_small_and_have_exact_boxes():
    size = Size(1280, 720)
    scene = render(3, size, FAR_TOYS)
    np.testing.assert_array_equal(scene.image, render(3, size, FAR_TOYS).image)
    sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
    assert len(scene.boxes) >= 10
    assert (sides >= FAR_TOYS.min_side * size.width).all()
    assert np.median(sides) < 0.03 * size.width
    test_a_box_is_the_exact_extent_of_the_visible_part_of_its_object([scene])


class TestAnimatedScene:
    @pytest.fixture(scope='class', name='scene')
    def make_scene(self):
        return AnimatedScene(501, SMALL)

    def test_the_objects_stay_the_same_and_move_in_the_image(self, scene):
        start, later = scene.render(0), scene.render(SWING_PERIOD / 8)
        np.testing.assert_array_equal(start.class_ids, later.class_ids)
        assert len(start.boxes)
        assert np.abs(start.boxes - later.boxes).max() > 2

    def test_objects_move_little_from_one_image_to_the_next(self, scene):
        start, later = scene.render(1), scene.render(1 + 1 / 30)
        assert np.abs(start.boxes - later.boxes).max() < 3

    def test_the_camera_is_at_the_same_place_after_one_period(self, scene):
        np.testing.assert_allclose(
            scene.render(2).boxes, scene.render(2 + SWING_PERIOD).boxes, atol=1)

    def test_each_time_has_its_own_reproducible_noise(self, scene):
        np.testing.assert_array_equal(scene.render(3).image, scene.render(3).image)
        assert (scene.render(0).image != scene.render(SWING_PERIOD).image).any()

    def test_all_objects_are_visible_at_every_time(self, scene):
        for second in np.linspace(0, SWING_PERIOD, 7):
            rendered = scene.render(second)
            assert (rendered.visible >= MIN_VISIBLE).all()
            assert len(rendered.boxes) == len(scene.render(0).boxes)
