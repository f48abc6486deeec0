# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `annotate` promises: boxes and names that can be seen, on any image."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st
import numpy as np

from fcos_ros.core.annotate import annotate, colour
from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import COCO, Labels


def detections(boxes, class_ids):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(boxes, np.linspace(1, 0.5, len(boxes), dtype=np.float32),
                      np.array(class_ids, np.int32))


@given(st.integers(1, 300), st.integers(1, 300),
       st.lists(st.tuples(*[st.floats(-1e9, 1e9, width=32)] * 4), max_size=5))
def test_any_image_takes_any_boxes(width, height, boxes):
    image = np.zeros((height, width, 3), np.uint8)
    annotate(image, detections(boxes, range(len(boxes))), COCO)
    assert image.any() == bool(boxes)


def test_a_box_is_drawn_where_it_is_in_the_colour_of_its_class():
    image = np.zeros((200, 300, 3), np.uint8)
    annotate(image, detections([[50, 60, 250, 180]], [3]), COCO)
    for x, y in ((150, 180), (250, 120), (50, 120)):
        assert tuple(image[y, x]) == colour(3)
    assert not image[80:170, 60:240].any()
    assert not image[190:].any()


def test_the_name_of_a_box_at_the_top_stays_inside_the_image():
    image = np.zeros((200, 300, 3), np.uint8)
    annotate(image, detections([[0, 0, 299, 150]], [0]), COCO)
    tag = (image[:25, :100] == colour(0)).all(axis=-1)
    assert tag.mean() > 0.3


def test_the_name_of_a_box_at_the_right_stays_inside_the_image():
    image = np.zeros((200, 300, 3), np.uint8)
    annotate(image, detections([[280, 100, 299, 150]], [0]), COCO)
    assert image[80:100, 220:270].any()


def test_the_best_detection_is_on_top():
    image = np.zeros((100, 100, 3), np.uint8)
    annotate(image, detections([[10, 50, 90, 90], [10, 50, 90, 90]], [1, 2]), COCO)
    assert tuple(image[90, 50]) == colour(1)


def test_a_name_outside_ascii_is_no_obstacle():
    image = np.zeros((100, 100, 3), np.uint8)
    annotate(image, detections([[10, 50, 90, 90]], [0]), Labels(('Straße',)))
    assert image.any()


def test_colours_are_bright_stable_and_tell_classes_apart():
    colours = [colour(class_id) for class_id in range(80)]
    assert len(set(colours)) == 80
    assert all(max(each) == 255 for each in colours)
    assert colours == [colour(class_id) for class_id in range(80)]
    for one, next_one in pairwise(colours):
        assert np.abs(np.subtract(one, next_one)).sum() > 100
