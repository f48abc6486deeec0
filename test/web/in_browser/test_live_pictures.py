# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures of the page move, and their boxes are those of the same image."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import numpy as np
from playwright.sync_api import expect
from waiting import wait_until
from web.in_browser.canvas import outline_share, read_canvas, read_stamped_canvas

MIN_SHARE = 0.4
"""Of each edge of a box in sight: the boxes of other classes cover the rest."""


def pause(page):
    """Pause the page, and return the stamp of the picture that stays."""
    page.locator('#pause').click()
    expect(page.locator('#state')).to_have_text('paused')
    view = page.locator('.camera')
    stamps = [view.get_attribute('data-stamp')]
    while len(stamps) < 2 or stamps[-1] != stamps[-2]:
        page.wait_for_timeout(700)
        stamps.append(view.get_attribute('data-stamp'))
    return stamps[-1]


def pause_where_boxes_show(page, peer):
    """Pause at a picture of which tags hide at most half of the boxes; return its stamp."""
    wait_until(lambda: len(peer.detections) > 3)

    def found():
        stamp = pause(page)
        if stamp in peer.detections and 2 * len(shares_in_sight(page, peer, stamp)) \
                >= len(peer.detections[stamp].detections) > 0:
            return stamp
        page.locator('#pause').click()
        expect(page.locator('.camera')).not_to_have_attribute('data-stamp', stamp)
        return None
    return wait_until(found)


def test_the_pictures_move(page):
    shown = {}

    def look():
        stamp, picture = read_stamped_canvas(page.locator('.camera'), 'picture')
        shown[stamp] = picture.astype(int)
        return len(shown) >= 4
    wait_until(look)
    assert all(np.abs(one - other).mean() > 1 for one, other in pairwise(shown.values()))


def test_boxes_belong_to_the_picture_and_sit_within_two_pixels(page, peer):
    stamp = pause_where_boxes_show(page, peer)
    picture = read_canvas(page.locator('.camera'), 'picture')
    assert stamp in nearest_images(picture, peer.images)
    assert min(shares_in_sight(page, peer, stamp)) > MIN_SHARE
    assert median(shares_in_sight(page, peer, stamp, offset=6)) < MIN_SHARE / 2


def test_the_boxes_follow_the_size_of_the_page(page, peer):
    page.set_viewport_size({'width': 700, 'height': 800})  # tags hide the most boxes
    stamp = pause_where_boxes_show(page, peer)
    for width in (700, 1300):
        page.set_viewport_size({'width': width, 'height': 800})
        page.wait_for_timeout(300)
        overlay = read_canvas(page.locator('.camera'), 'overlay')
        picture = page.locator('canvas.picture')
        assert overlay.shape[1] == picture.evaluate('canvas => canvas.clientWidth')
        shares = shares_in_sight(page, peer, stamp)
        assert 2 * len(shares) >= len(peer.detections[stamp].detections)
        assert min(shares) > MIN_SHARE


def test_the_page_continues_after_a_pause(page):
    stamp = pause(page)
    page.keyboard.press('Escape')
    page.locator('body').press(' ')
    expect(page.locator('#state')).to_have_text('running')
    expect(page.locator('.camera')).not_to_have_attribute('data-stamp', stamp)


def test_full_screen_shows_only_the_picture(page):
    page.locator('button.full_screen').click()
    wait_until(lambda: page.evaluate('document.fullscreenElement?.className') == 'camera')
    stage = page.locator('.stage').bounding_box()
    assert stage['height'] > 700
    page.evaluate('document.exitFullscreen()')
    wait_until(lambda: page.evaluate('document.fullscreenElement') is None)


def nearest_images(picture, images):
    """Return the stamps of the images that are most similar to a picture; the scenes repeat."""
    differences = {}
    for stamp, image in list(images.items()):
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        differences[stamp] = np.abs(pixels.astype(int) - picture[..., :3]).mean()
    least = min(differences.values())
    return {stamp for stamp, value in differences.items() if value == least}


def shares_in_sight(page, peer, stamp, offset=0):
    """
    Return `outline_share` of the boxes of a picture that tags do not cover.

    :param offset: added to the boxes, in pixels of the page.
    """
    overlay = read_canvas(page.locator('.camera'), 'overlay')
    scale = overlay.shape[1] / peer.images[stamp].width
    shares = [outline_share(overlay, box * scale + offset, class_id)
              for box, class_id in boxes_of(peer.detections[stamp])]
    return [share for share in shares if share is not None]


def boxes_of(message):
    """Return the boxes and classes of a message."""
    found = []
    for detection in message.detections:
        box, hypothesis = detection.bbox, detection.results[0].hypothesis
        centre = np.array([box.center.position.x, box.center.position.y])
        half = np.array([box.size_x, box.size_y]) / 2
        found.append((np.concatenate([centre - half, centre + half]), int(hypothesis.class_id)))
    return found
