# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, names and zones are drawn visibly, on images of any size."""

from __future__ import annotations

from itertools import pairwise

import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.annotate import (
    annotate,
    caption,
    class_colour,
    draw,
    is_drawn_by_opencv,
    text_colour,
)
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import COCO, Labels
from fcos_ros.core.resize import Size
from fcos_ros.core.zones import Zones


def detections(boxes, class_ids):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(boxes, np.linspace(1, 0.5, len(boxes), dtype=np.float32),
                      np.array(class_ids, np.int32))


@given(st.integers(1, 300), st.integers(1, 300),
       st.lists(st.tuples(*[st.floats(-1e9, 1e9, width=32)] * 4), max_size=5))
def test_boxes_of_any_size_and_place_are_drawn(width, height, boxes):
    image = np.zeros((height, width, 3), np.uint8)
    annotate(image, detections(boxes, range(len(boxes))), COCO)
    assert image.any() == bool(boxes)


def test_a_box_is_drawn_in_its_place_and_in_the_colour_of_its_class():
    image = np.zeros((200, 300, 3), np.uint8)
    annotate(image, detections([[50, 60, 250, 180]], [3]), COCO)
    for x, y in ((150, 180), (250, 120), (50, 120)):
        assert tuple(image[y, x]) == class_colour(3)
    assert not image[80:170, 60:240].any()
    assert not image[190:].any()


def test_the_tag_of_a_box_at_the_top_stays_inside_the_image():
    image = np.zeros((200, 300, 3), np.uint8)
    annotate(image, detections([[0, 0, 299, 150]], [0]), COCO)
    tag = (image[:25, :100] == class_colour(0)).all(axis=-1)
    assert tag.mean() > 0.3


def test_the_tag_of_a_box_at_the_right_stays_inside_the_image():
    image = np.zeros((200, 300, 3), np.uint8)
    annotate(image, detections([[280, 100, 299, 150]], [0]), COCO)
    assert image[80:100, 220:270].any()


def test_the_best_detection_is_on_top():
    image = np.zeros((100, 100, 3), np.uint8)
    annotate(image, detections([[10, 50, 90, 90], [10, 50, 90, 90]], [1, 2]), COCO)
    assert tuple(image[90, 50]) == class_colour(1)


class BlockFont:
    """Draw each character as a block of the height of its code point, so that all differ."""

    def render(self, line, height):
        mask = np.zeros((2 * height, height * len(line)), np.uint8)
        for number, character in enumerate(line):
            start = height * number
            mask[:1 + ord(character) % height, start:start + height // 2] = 255
        return mask


def drawn(name, font=None, size=Size(200, 100)):
    image = np.zeros((size.height, size.width, 3), np.uint8)
    annotate(image, detections([[10, 50, 90, 90]], [0]), Labels((name,)), font)
    return image


@pytest.mark.parametrize('names', [('行人', '汽车'), ('Straße', 'Stra?e'), ('кот', '???')])
def test_names_that_are_not_ascii_are_drawn_with_their_characters(names):
    font = None if is_drawn_by_opencv(names[0]) else BlockFont()
    first, second = (drawn(name, font) for name in names)
    assert (first != second).any()


def test_a_font_is_used_only_for_names_that_opencv_cannot_draw():
    np.testing.assert_array_equal(drawn('person', BlockFont()), drawn('person'))


@pytest.mark.parametrize('name', ['ไทย', 'हिन्दी', '\U0001f600', '行 ไทย'])
def test_a_font_draws_characters_that_opencv_lacks(name):
    assert not is_drawn_by_opencv(name)
    assert (drawn(name, BlockFont()) != drawn(name)).any()
    assert is_drawn_by_opencv('cat?')


def test_a_character_that_cannot_be_drawn_becomes_a_question_mark():
    if is_drawn_by_opencv('\u884c'):  # OpenCV 5 does the same with its own fonts
        np.testing.assert_array_equal(drawn('\U00013000'), drawn('?'))
    else:
        np.testing.assert_array_equal(drawn('\u884c'), drawn('?'))


@pytest.mark.parametrize('size', [Size(1, 1), Size(20, 20), Size(300, 30)])
def test_a_tag_that_is_larger_than_the_image_is_cut_off(size, monkeypatch):
    monkeypatch.delattr(cv2, 'FontFace', raising=False)
    assert drawn('行人行人行人', BlockFont(), size).any()


def test_colours_are_bright_constant_and_different():
    colours = [class_colour(class_id) for class_id in range(80)]
    assert len(set(colours)) == 80
    assert all(max(each) == 255 for each in colours)
    assert colours == [class_colour(class_id) for class_id in range(80)]
    for one, next_one in pairwise(colours):
        assert np.abs(np.subtract(one, next_one)).sum() > 100


def frame(size, encoding='bgr8', value=0):
    length = {'bgr8': 3.0, 'nv12': 1.5}[encoding] * size[0] * size[1]
    return Frame.wrap(bytes([value]) * int(length), Size(*size), encoding)


@pytest.mark.parametrize(('size', 'width', 'expected'), [
    pytest.param((1920, 1080), 640, (640, 360), id='full HD'),
    pytest.param((1920, 1080), 0, (1920, 1080), id='same width'),
    pytest.param((640, 480), 1920, (640, 480), id='larger than the frame'),
    pytest.param((641, 479), 640, (640, 478), id='one pixel narrower'),
    pytest.param((641, 479), 301, (300, 224), id='odd width'),
    pytest.param((641, 479), 303, (302, 226), id='odd width after a multiple of four'),
    pytest.param((640, 480), 3, (2, 2), id='smallest'),
    pytest.param((640, 480), 1, (2, 2), id='below the smallest'),
    pytest.param((3000, 2), 10, (10, 2), id='frame of two rows'),
])
def test_the_image_has_the_given_width_and_the_aspect_ratio_of_the_frame(size, width, expected):
    encoding = 'bgr8' if any(side % 2 for side in size) else 'nv12'
    image = draw(frame(size, encoding), Detections.empty(), COCO, width)
    assert image.shape == (expected[1], expected[0], 3)
    assert image.flags.writeable
    assert image.flags.c_contiguous


@given(st.integers(1, 120), st.integers(1, 120), st.integers(0, 130))
def test_a_frame_of_any_size_is_drawn_at_any_width(width, height, wanted):
    found = detections([[0, 0, width, height]], [0])
    image = draw(frame((width, height)), found, COCO, wanted)
    if 0 < wanted < width:
        assert image.shape[1] == max(2, wanted - wanted % 2)
    else:
        assert image.shape[:2] == (height, width)
    assert covered(image, class_colour(0))


def test_a_box_is_scaled_with_the_image():
    image = draw(frame((1280, 960)), detections([[320, 480, 960, 900]], [3]), COCO, 320)
    for x, y in ((80, 180), (240, 180), (160, 225)):
        assert tuple(image[y, x]) == class_colour(3)
    assert not image[140:220, 90:230].any()


def test_drawing_does_not_change_the_frame():
    pixels = np.zeros((100, 100, 3), np.uint8)
    draw(Frame.wrap(pixels, Size(100, 100), 'bgr8'), detections([[1, 1, 90, 90]], [0]), COCO)
    assert not pixels.any()


def covered(image, colour):
    return int((image == colour).all(axis=-1).sum())


def test_tags_of_overlapping_boxes_do_not_hide_each_other():
    apart, together = (np.zeros((300, 400, 3), np.uint8) for _ in range(2))
    annotate(apart, detections([[50, 50, 90, 90], [250, 200, 290, 240]], [1, 2]), COCO)
    annotate(together, detections([[150, 150, 190, 190], [152, 152, 192, 192]], [1, 2]), COCO)
    for class_id in (1, 2):
        colour = class_colour(class_id)
        assert covered(together, colour) > 0.8 * covered(apart, colour)


def test_several_tags_in_a_corner_stay_inside_the_image():
    for x, y in ((0, 0), (370, 0), (0, 270), (370, 270)):
        image = np.zeros((300, 400, 3), np.uint8)
        annotate(image, detections([[x, y, x + 29, y + 29]] * 3, [1, 2, 3]), COCO)
        for class_id in (1, 2, 3):
            assert covered(image, class_colour(class_id)) > 500


def test_a_caption_has_class_score_and_track_and_a_line_for_each_alternative():
    found = Detections(
        np.zeros((2, 4), np.float32), np.array([0.75, 0.5], np.float32),
        np.array([0, 2], np.int32),
        Alternatives(np.array([[1, 5], [-1, -1]], np.int32),
                     np.array([[0.5, 0.25], [0, 0]], np.float32)),
        np.array([12, 0], np.int64))
    assert caption(found, 0, COCO) == ['person 0.75 #12', 'bicycle 0.50', 'bus 0.25']
    assert caption(found, 1, COCO) == ['car 0.50']


def test_alternatives_make_a_tag_taller():
    one, two = (np.zeros((200, 300, 3), np.uint8) for _ in range(2))
    found = detections([[20, 100, 290, 190]], [0])
    annotate(one, found, COCO)
    annotate(two, Detections(found.boxes, found.scores, found.class_ids, Alternatives(
        np.array([[1]], np.int32), np.array([[0.25]], np.float32))), COCO)
    assert covered(two, class_colour(0)) > 1.2 * covered(one, class_colour(0))


def test_text_has_contrast_on_every_class_colour():
    for class_id in range(80):
        colour = class_colour(class_id)
        luma = np.dot(colour, (0.114, 0.587, 0.299))
        assert abs(luma - text_colour(colour)[0]) >= 127


@pytest.mark.parametrize('value', [0, 255], ids=['on black', 'on white'])
def test_outlines_of_zones_are_visible_on_black_and_white(value):
    square = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
    for zones in (Zones(include=(square,)), Zones(exclude=(square,))):
        image = draw(frame((101, 101), value=value), Detections.empty(), COCO, 0, zones)
        assert len(np.unique(image[50, 20:30])) > 1
        assert (image[30:70, 30:70] == value).all()
        assert (image[:20] == value).all()
