# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Zones are drawn on the picture, with the pointer or with the keyboard."""

from __future__ import annotations

from playwright.sync_api import expect
import pytest
from waiting import wait_until


@pytest.fixture
def view(page, peer):
    """Return the view of the camera while its zones are edited; all are removed at the end."""
    found = page.locator('.camera')
    found.locator('button.zones').click()
    yield found
    for number, kind in enumerate(('include_zones', 'exclude_zones')):
        clear = page.locator('[data-parameter=zones] li button').nth(number)
        if clear.is_enabled():
            clear.click()
        wait_until(lambda name=kind: not zones(peer, name))


def place(view, point):
    """Return the position of a point, in fractions of the picture, on the page."""
    box = view.locator('.zone_layer').bounding_box()
    return box['x'] + point[0] * box['width'], box['y'] + point[1] * box['height']


def draw(page, view, points):
    for point in [*points, points[0]]:
        page.mouse.click(*place(view, point))


def zones(peer, name):
    """Return the polygons of a parameter as lists of points."""
    return [[tuple(map(float, pair.split())) for pair in text.split(',')]
            for text in peer.parameter(name) if text]


TRIANGLE = [(0.2, 0.2), (0.6, 0.3), (0.3, 0.7)]


def is_near(polygon, wanted):
    return len(polygon) == len(wanted) and all(
        abs(value - other) < 0.006 for point, near in zip(polygon, wanted)
        for value, other in zip(point, near))


@pytest.mark.parametrize('kind', ['include_zones', 'exclude_zones'])
def test_a_drawn_polygon_becomes_a_zone(page, view, peer, kind):
    view.locator(f'button.add_{kind[:-1]}').click()
    draw(page, view, TRIANGLE)
    polygon, = wait_until(lambda: zones(peer, kind))
    assert is_near(polygon, TRIANGLE)
    expect(view.locator(f'polygon.{kind}')).to_have_count(1)


def test_an_exclude_zone_removes_the_boxes_in_it(page, view, peer):
    view.locator('button.add_exclude_zone').click()
    draw(page, view, [(0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995)])
    whole = [(0, 0), (1, 0), (1, 1), (0, 1)]  # points near the edge snap to it
    wait_until(lambda: zones(peer, 'exclude_zones') == [whole])
    wait_until(lambda: not list(peer.detections.values())[-1].detections)


def test_a_corner_and_a_zone_are_dragged(page, view, peer):
    view.locator('button.add_exclude_zone').click()
    draw(page, view, TRIANGLE)
    wait_until(lambda: zones(peer, 'exclude_zones'))
    drag(page, place(view, TRIANGLE[1]), place(view, (0.8, 0.1)))
    changed = [TRIANGLE[0], (0.8, 0.1), TRIANGLE[2]]
    wait_until(lambda: is_near(zones(peer, 'exclude_zones')[0], changed))
    drag(page, place(view, (0.4, 0.3)), place(view, (0.45, 0.4)))
    moved = [(x + 0.05, y + 0.1) for x, y in changed]
    wait_until(lambda: is_near(zones(peer, 'exclude_zones')[0], moved))


def test_the_point_between_two_corners_becomes_a_corner(page, view, peer):
    view.locator('button.add_include_zone').click()
    draw(page, view, TRIANGLE)
    wait_until(lambda: zones(peer, 'include_zones'))
    drag(page, place(view, (0.4, 0.25)), place(view, (0.4, 0.1)))
    wait_until(lambda: is_near(
        zones(peer, 'include_zones')[0], [TRIANGLE[0], (0.4, 0.1), *TRIANGLE[1:]]))


def test_a_zone_is_made_and_moved_with_the_keyboard(page, view, peer):
    view.locator('button.add_exclude_zone').focus()
    page.keyboard.press('Enter')
    rectangle = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)]
    wait_until(lambda: zones(peer, 'exclude_zones') == [rectangle])
    corner = view.locator('circle.corner').nth(0)
    corner.focus()
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('Shift+ArrowUp')
    wait_until(lambda: zones(peer, 'exclude_zones')[0][0] == (0.29, 0.25))
    view.locator('circle.corner').nth(2).press('Delete')
    wait_until(lambda: len(zones(peer, 'exclude_zones')[0]) == 3)
    page.keyboard.press('Control+z')
    wait_until(lambda: len(zones(peer, 'exclude_zones')[0]) == 4)


def test_escape_leaves_a_new_zone(page, view, peer):
    view.locator('button.add_exclude_zone').click()
    page.mouse.click(*place(view, (0.2, 0.2)))
    expect(view.locator('polyline.new')).to_have_count(1)
    page.keyboard.press('Escape')
    expect(view.locator('polyline.new')).to_have_count(0)
    assert zones(peer, 'exclude_zones') == []


def test_a_refused_zone_disappears_with_the_reason(page, view, peer):
    view.locator('button.add_exclude_zone').click()
    # No other corner is near the first one, which would close the zone.
    points = [(0.3 + 0.4 * (index % 2), 0.2 + 0.003 * index) for index in range(259)]
    for point in [(0.1, 0.1), *points]:
        page.mouse.click(*place(view, point))
    page.keyboard.press('Enter')
    expect(page.locator('[data-parameter=zones] .refusal')).to_contain_text('256')
    expect(view.locator('polygon')).to_have_count(0)


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()
