# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detection counts if its anchor is in an include zone and in no exclude zone."""

from __future__ import annotations

import cv2
from hypothesis import assume, given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.resize import Size
from fcos_ros.core.zones import EVERYWHERE, MAX_CORNERS, Zones, parse_polygon

GRID = 8
"""Points on a coarse grid are often on edges and corners, and their fractions are exact."""

CORNERS = st.tuples(st.integers(0, GRID), st.integers(0, GRID))
POLYGONS = st.lists(CORNERS, min_size=3, max_size=8).filter(
    lambda corners: np.linalg.matrix_rank(np.subtract(corners, corners[0])) == 2)
IMAGE = Size(2 * GRID, 4 * GRID)
EVERY_POINT = np.array([(x, y) for x in range(2 * GRID + 1) for y in range(2 * GRID + 1)]) / 2
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))


def fractions(polygon):
    return tuple((x / GRID, y / GRID) for x, y in polygon)


def at(points, side=0.0):
    """Return boxes around points of the grid, in pixels of the image."""
    centres = np.asarray(points, np.float32) * np.float32(IMAGE) / GRID
    return np.hstack([centres - side / 2, centres + side / 2])


def in_polygon(polygon, points):
    """Return which points are inside or on an edge, according to OpenCV."""
    # Twice the size, so that half a step of the grid is a whole number.
    contour = 2 * np.array(polygon, np.int32)
    return np.array([cv2.pointPolygonTest(contour, (2.0 * x, 2.0 * y), False) >= 0
                     for x, y in points.tolist()])


@given(st.lists(POLYGONS, max_size=3), st.lists(POLYGONS, max_size=3))
def test_a_detection_counts_in_an_include_zone_and_in_no_exclude_zone(include, exclude):
    zones = Zones(tuple(map(fractions, include)), tuple(map(fractions, exclude)))
    expected = np.full(len(EVERY_POINT), not include)
    for polygon in include:
        expected |= in_polygon(polygon, EVERY_POINT)
    for polygon in exclude:
        expected &= ~in_polygon(polygon, EVERY_POINT)
    np.testing.assert_array_equal(zones.admits(at(EVERY_POINT), IMAGE), expected)


@given(POLYGONS, st.integers(0, 7), st.booleans())
def test_the_first_corner_and_the_direction_of_a_polygon_do_not_matter(polygon, start, backwards):
    other = polygon[start % len(polygon):] + polygon[:start % len(polygon)]
    other = other[::-1] if backwards else other
    boxes = at(EVERY_POINT)
    np.testing.assert_array_equal(Zones((fractions(other),)).admits(boxes, IMAGE),
                                  Zones((fractions(polygon),)).admits(boxes, IMAGE))


@given(POLYGONS, st.builds(Size, st.integers(1, 5000), st.integers(1, 5000)))
def test_a_zone_is_the_same_at_every_resolution(polygon, size):
    points = EVERY_POINT[~on_edge(polygon, EVERY_POINT)]
    assume(len(points))
    boxes = np.tile(points * size / GRID, 2).astype(np.float32)
    np.testing.assert_array_equal(
        Zones((fractions(polygon),)).admits(boxes, size), in_polygon(polygon, points))


def on_edge(polygon, points):
    contour = 2 * np.array(polygon, np.int32)
    return np.array([cv2.pointPolygonTest(contour, (2.0 * x, 2.0 * y), False) == 0
                     for x, y in points.tolist()])


@pytest.mark.parametrize(('zones', 'counts'), [
    (EVERYWHERE, True),
    (Zones(include=(TOP,)), True),
    (Zones(include=(TOP,), anchor='bottom'), False),
    (Zones(include=(LEFT,), anchor='bottom'), True),
    (Zones(exclude=(TOP,)), False),
    (Zones(include=(LEFT, TOP), exclude=(TOP,), anchor='bottom'), True),
], ids=['no zones', 'centre included', 'bottom not included', 'bottom included',
        'centre excluded', 'bottom not excluded'])
def test_the_anchor_of_a_box_decides(zones, counts):
    boxes = np.array([[10, 10, 50, 60]], np.float32)
    assert zones.admits(boxes, Size(100, 100)).tolist() == [counts]


def test_a_box_that_ends_at_the_bottom_of_the_image_counts():
    boxes = np.array([[10, 50, 20, 100]], np.float32)
    assert Zones(include=(LEFT,), anchor='bottom').admits(boxes, Size(100, 100)).all()


@pytest.mark.parametrize('zones', [Zones(include=(LEFT,)), Zones(exclude=(LEFT,)), EVERYWHERE])
def test_zones_of_zero_boxes_are_empty(zones):
    assert zones.admits(np.empty((0, 4), np.float32), IMAGE).shape == (0,)


@pytest.mark.parametrize(('text', 'polygon'), [
    ('0 0, 1 0, 0 1', ((0, 0), (1, 0), (0, 1))),
    (' 0.25 .5,1e-1   0 ,\t1 1, 0 1', ((0.25, 0.5), (0.1, 0), (1, 1), (0, 1))),
], ids=['plain', 'other spaces and numbers'])
def test_a_polygon_is_parsed(text, polygon):
    assert parse_polygon(text) == polygon


@pytest.mark.parametrize(('text', 'complaint'), [
    ('', 'not all points are pairs of numbers'),
    ('0 0, 1 0', 'it has 2 points'),
    ('0 0, 1 0, one 1', 'not all points are pairs of numbers'),
    ('0 0, 1 0, 0 1,', 'not all points are pairs of numbers'),
    ('0 0 0, 1 0, 0 1', 'not all points are pairs of numbers'),
    ('0 0; 1 0; 0 1', 'not all points are pairs of numbers'),
    ('0 0, 1 0, 0 1.01', 'outside 0 to 1'),
    ('0 0, 1 0, 0 -0.01', 'outside 0 to 1'),
    ('0 0, 640 0, 640 480', 'outside 0 to 1'),
    ('0 0, nan 0, 0 1', 'outside 0 to 1'),
    ('0 0, inf 0, 0 1', 'outside 0 to 1'),
    ('0 0, 0.5 0.5, 1 1', 'on one line'),
    ('0 0, 0 0, 0 0', 'on one line'),
])
def test_an_invalid_polygon_is_refused_with_the_reason(text, complaint):
    with pytest.raises(ValueError, match='accepted: 3 or more points "x y"') as caught:
        parse_polygon(text)
    assert complaint in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(('options', 'complaint'), [
    ({'anchor': 'top'}, "anchor is 'top'; accepted: centre, bottom"),
    ({'include': (LEFT[:2],)}, 'it has 2 points'),
    ({'exclude': (((0.0, 0.0), (2.0, 0.0), (0.0, 2.0)),)}, 'outside 0 to 1'),
])
def test_invalid_zones_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        Zones(**options)


def test_the_corners_of_all_zones_together_are_limited():
    many = tuple((index / MAX_CORNERS, index % 2 * 1.0) for index in range(MAX_CORNERS - 4))
    Zones((many,), (LEFT,))
    with pytest.raises(ValueError, match='zones have 260 corners; accepted: 256 at most'):
        Zones((many, TOP), (LEFT,))


def test_the_error_for_a_polygon_does_not_repeat_a_long_text():
    with pytest.raises(ValueError, match='not all points') as caught:
        parse_polygon('0 0, ' * 100_000)
    assert len(str(caught.value)) < 500
