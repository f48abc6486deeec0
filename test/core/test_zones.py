# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Zones` promise: an object counts by where its anchor is, edges included."""

from __future__ import annotations

import cv2
from hypothesis import assume, given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.resize import Size
from fcos_ros.core.zones import EVERYWHERE, Zones, parse_polygon

GRID = 8
"""Points on a coarse grid meet edges and corners all the time, and fractions of it are exact."""

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
    """Make boxes around points of the grid, in pixels of the image."""
    centres = np.asarray(points, np.float32) * np.float32(IMAGE) / GRID
    return np.hstack([centres - side / 2, centres + side / 2])


def in_polygon(polygon, points):
    """Ask OpenCV, which counts pixels and knows edges."""
    # Twice the size, so that half a step of the grid is a whole number.
    contour = 2 * np.array(polygon, np.int32)
    return np.array([cv2.pointPolygonTest(contour, (2.0 * x, 2.0 * y), False) >= 0
                     for x, y in points.tolist()])


@given(st.lists(POLYGONS, max_size=3), st.lists(POLYGONS, max_size=3))
def test_an_object_counts_in_any_region_and_no_ignored_zone(regions, ignored):
    zones = Zones(tuple(map(fractions, regions)), tuple(map(fractions, ignored)))
    expected = np.full(len(EVERY_POINT), not regions)
    for polygon in regions:
        expected |= in_polygon(polygon, EVERY_POINT)
    for polygon in ignored:
        expected &= ~in_polygon(polygon, EVERY_POINT)
    np.testing.assert_array_equal(zones.admits(at(EVERY_POINT), IMAGE), expected)


@given(POLYGONS, st.integers(0, 7), st.booleans())
def test_where_a_polygon_begins_and_which_way_it_goes_is_all_the_same(polygon, turn, back):
    turned = polygon[turn % len(polygon):] + polygon[:turn % len(polygon)]
    turned = turned[::-1] if back else turned
    boxes = at(EVERY_POINT)
    np.testing.assert_array_equal(Zones((fractions(turned),)).admits(boxes, IMAGE),
                                  Zones((fractions(polygon),)).admits(boxes, IMAGE))


@given(POLYGONS, st.builds(Size, st.integers(1, 5000), st.integers(1, 5000)))
def test_a_zone_holds_at_any_resolution(polygon, size):
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
    (Zones(regions=(TOP,)), True),
    (Zones(regions=(TOP,), anchor='bottom'), False),
    (Zones(regions=(LEFT,), anchor='bottom'), True),
    (Zones(ignored=(TOP,)), False),
    (Zones(regions=(LEFT, TOP), ignored=(TOP,), anchor='bottom'), True),
], ids=['no zones', 'centre', 'foot outside', 'foot inside', 'ignored', 'foot not ignored'])
def test_the_anchor_of_a_box_decides(zones, counts):
    boxes = np.array([[10, 10, 50, 60]], np.float32)
    assert zones.admits(boxes, Size(100, 100)).tolist() == [counts]


def test_an_object_cut_off_by_the_lower_edge_stands_on_it():
    boxes = np.array([[10, 50, 20, 100]], np.float32)
    assert Zones(regions=(LEFT,), anchor='bottom').admits(boxes, Size(100, 100)).all()


@pytest.mark.parametrize('zones', [Zones(regions=(LEFT,)), Zones(ignored=(LEFT,)), EVERYWHERE])
def test_no_boxes_are_no_boxes(zones):
    assert zones.admits(np.empty((0, 4), np.float32), IMAGE).shape == (0,)


@pytest.mark.parametrize(('text', 'polygon'), [
    ('0 0, 1 0, 0 1', ((0, 0), (1, 0), (0, 1))),
    (' 0.25 .5,1e-1   0 ,\t1 1, 0 1', ((0.25, 0.5), (0.1, 0), (1, 1), (0, 1))),
], ids=['plain', 'careless'])
def test_a_polygon_is_read_as_users_write_it(text, polygon):
    assert parse_polygon(text) == polygon


@pytest.mark.parametrize(('text', 'complaint'), [
    ('', 'not all pairs of numbers'),
    ('0 0, 1 0', 'there must be 3, not 2'),
    ('0 0, 1 0, one 1', 'not all pairs of numbers'),
    ('0 0, 1 0, 0 1,', 'not all pairs of numbers'),
    ('0 0 0, 1 0, 0 1', 'not all pairs of numbers'),
    ('0 0; 1 0; 0 1', 'not all pairs of numbers'),
    ('0 0, 1 0, 0 1.01', 'outside 0 to 1'),
    ('0 0, 1 0, 0 -0.01', 'outside 0 to 1'),
    ('0 0, 640 0, 640 480', 'outside 0 to 1'),
    ('0 0, nan 0, 0 1', 'outside 0 to 1'),
    ('0 0, inf 0, 0 1', 'outside 0 to 1'),
    ('0 0, 0.5 0.5, 1 1', 'on one line'),
    ('0 0, 0 0, 0 0', 'on one line'),
])
def test_what_is_no_polygon_is_refused_with_the_reason(text, complaint):
    with pytest.raises(ValueError, match='accepted are 3 or more points "x y"') as caught:
        parse_polygon(text)
    assert complaint in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(('options', 'complaint'), [
    ({'anchor': 'top'}, "anchor is 'top': accepted are centre, bottom"),
    ({'regions': (LEFT[:2],)}, 'there must be 3'),
    ({'ignored': (((0.0, 0.0), (2.0, 0.0), (0.0, 2.0)),)}, 'outside 0 to 1'),
])
def test_zones_that_cannot_be_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        Zones(**options)
