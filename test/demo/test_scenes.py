# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the rendered scenes promise: the same again, and the exact truth."""

from collections import Counter

import numpy as np
import pytest

from fcos_ros.core.resize import Size
from fcos_ros.demo.scenes import (
    CLASS_NAMES,
    LEAST_SIDE,
    LEAST_VISIBLE,
    PERIOD,
    SAMPLES,
    Tour,
    render,
)

SMALL = Size(320, 240)
SEEDS = range(500, 512)


@pytest.fixture(scope='module', name='scenes')
def render_some():
    return [render(seed, SMALL) for seed in SEEDS]


def test_a_seed_is_a_picture():
    one, again, other = render(7, SMALL), render(7, SMALL), render(8, SMALL)
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.boxes, again.boxes)
    assert (one.image != other.image).any()


@pytest.mark.parametrize('size', [
    pytest.param(Size(640, 480), id='as the demo shows it'),
    pytest.param(Size(320, 180), id='wide'),
    pytest.param(Size(180, 320), id='upright'),
])
def test_the_picture_has_the_wanted_size(size):
    scene = render(3, size)
    assert scene.image.shape == (size.height, size.width, 3)
    assert scene.image.dtype == np.uint8
    assert scene.owners.shape == (SAMPLES * size.height, SAMPLES * size.width)


def test_boxes_are_the_exact_extent_of_what_is_visible(scenes):
    for scene in scenes:
        for number, box in enumerate(scene.boxes):
            rows, columns = np.nonzero(scene.owners == number)
            extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box * SAMPLES, extent)


def test_every_object_that_is_visible_has_a_box(scenes):
    for scene in scenes:
        assert set(np.unique(scene.owners)) - {-1} == set(range(len(scene.boxes)))
        assert len(scene.boxes) == len(scene.class_ids) == len(scene.visible)


def test_boxes_are_inside_the_picture(scenes):
    boxes = np.concatenate([scene.boxes for scene in scenes])
    assert boxes.dtype == np.float32
    assert (boxes >= 0).all()
    assert (boxes <= [*SMALL, *SMALL]).all()


def test_no_object_is_too_small_or_too_hidden_to_be_found(scenes):
    for scene in scenes:
        sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
        assert (sides >= LEAST_SIDE * SMALL.width).all()
        assert (scene.visible >= LEAST_VISIBLE).all()


def test_objects_hide_each_other_and_some_are_cut_off(scenes):
    visible = np.concatenate([scene.visible for scene in scenes])
    assert (visible > 0.999).any()
    assert (visible < 0.9).any()
    assert (visible <= 1).all()


def test_all_classes_appear(scenes):
    seen = Counter(CLASS_NAMES[i] for scene in scenes for i in scene.class_ids)
    assert set(seen) == set(CLASS_NAMES)
    assert len(seen) >= 5


def test_pictures_are_neither_dark_nor_blown_out(scenes):
    means = [scene.image.mean() for scene in scenes]
    assert min(means) > 20
    assert max(means) < 230


class TestTour:
    @pytest.fixture(scope='class', name='tour')
    def make_tour(self):
        return Tour(501, SMALL)

    def test_the_same_objects_stay_and_move(self, tour):
        start, later = tour.look(0), tour.look(PERIOD / 8)
        np.testing.assert_array_equal(start.class_ids, later.class_ids)
        assert len(start.boxes)
        assert np.abs(start.boxes - later.boxes).max() > 2

    def test_a_moment_later_everything_is_almost_where_it_was(self, tour):
        start, later = tour.look(1), tour.look(1 + 1 / 30)
        assert np.abs(start.boxes - later.boxes).max() < 3

    def test_it_is_back_after_its_period(self, tour):
        np.testing.assert_allclose(tour.look(2).boxes, tour.look(2 + PERIOD).boxes, atol=1)

    def test_every_moment_has_its_own_noise_but_always_the_same(self, tour):
        np.testing.assert_array_equal(tour.look(3).image, tour.look(3).image)
        assert (tour.look(0).image != tour.look(PERIOD).image).any()

    def test_nothing_is_lost_on_the_way(self, tour):
        for second in np.linspace(0, PERIOD, 7):
            scene = tour.look(second)
            assert (scene.visible >= LEAST_VISIBLE).all()
            assert len(scene.boxes) == len(tour.look(0).boxes)
