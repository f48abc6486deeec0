# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page follows a detector that leaves and returns, and shows hostile names as text."""

from __future__ import annotations

import json
from threading import Event, Thread

import numpy as np
from onnx_models import white_square, write_fcos
from playwright.sync_api import expect
import pytest
from sensor_msgs.msg import Image
from waiting import wait_until
from web.in_browser.canvas import outline_share, read_canvas
from web.in_browser.conftest import wait_for_picture
from web.in_browser.stack import Peer, Programs

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"

DETECTOR = '/other/second'
"""Its namespace keeps its camera apart from that of the other tests."""

PERIOD = 0.3
"""Seconds between two images."""


class SquareCamera:
    """Publish images of a white square whose frame_id is hostile, until the `with` block ends."""

    def __init__(self, peer, topics):
        self._peer = peer
        self._publishers = [peer.node.create_publisher(Image, topic, 1) for topic in topics]
        self._stopped = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()
        for publisher in self._publishers:
            self._peer.call(self._peer.node.destroy_publisher, publisher)

    def _run(self):
        pixels = white_square(128, 5, 7)
        while not self._stopped.wait(PERIOD):
            message = Image(width=128, height=128, encoding='bgr8', step=384)
            message.header.stamp = self._peer.node.get_clock().now().to_msg()
            message.header.frame_id = HOSTILE
            message.data.frombytes(np.ascontiguousarray(pixels).data.cast('B'))
            for publisher in self._publishers:
                publisher.publish(message)


@pytest.fixture
def squares(tmp_path):
    """Write a network that detects a white square of 8 pixels as a box of 16 pixels."""
    return str(write_fcos(tmp_path / 'squares.onnx', half_box=8.0, metadata={
        'labels': json.dumps([HOSTILE, 'ball', 'cone'])}))


@pytest.fixture
def own_programs(tmp_path):
    """Run a server of the page for another detector than the other tests have."""
    with Programs(tmp_path) as running:
        running.start('page', 'fcos_ros.web', {'web_port': 0, 'detector': DETECTOR})
        yield running


def test_hostile_names_are_shown_as_text(own_programs, squares, open_page):
    own_programs.start('detector', 'fcos_ros.node', {'model': squares}, name=DETECTOR)
    with Peer(DETECTOR) as peer, SquareCamera(peer, ['image']):
        page = wait_for_picture(open_page(own_programs.address()))
        first = page.locator('.class_list li').first
        expect(first).to_contain_text("<img src=x onerror='window.hacked=1'>")
        expect(page.locator('#system')).to_contain_text('<script>')
        assert page.locator('.reading').get_attribute('title') == HOSTILE
        page.wait_for_timeout(1000)
        assert page.evaluate('window.hacked') is None
        assert page.locator('img').count() == 0
        assert page.locator('script:not([src="static/main.js"])').count() == 0


def test_the_box_of_a_white_square_is_around_it(own_programs, squares, open_page):
    own_programs.start('detector', 'fcos_ros.node', {'model': squares}, name=DETECTOR)
    with Peer(DETECTOR) as peer, SquareCamera(peer, ['image']):
        page = wait_for_picture(open_page(own_programs.address()))
        overlay = read_canvas(page.locator('.camera'), 'overlay')
        scale = overlay.shape[1] / 128
        box = np.array([36, 52, 52, 68]) * scale
        assert outline_share(overlay, box, 0) > 0.9
        assert (outline_share(overlay, box + 6, 0) or 0) < 0.5


def test_the_detector_leaves_and_returns_with_other_cameras(own_programs, squares, open_page):
    own_programs.start('detector', 'fcos_ros.node', {'model': squares}, name=DETECTOR)
    with Peer(DETECTOR) as peer, SquareCamera(peer, ['image', 'front/image', 'rear/image']):
        page = wait_for_picture(open_page(own_programs.address()))
        page.evaluate('window.opened_once = true')
        own_programs.stop('detector')
        expect(page.locator('#state')).to_have_text('not running')
        expect(page.locator('.camera')).to_have_class('camera old')
        expect(page.locator('[data-parameter=score_threshold]')).to_have_count(0)
        own_programs.start('detector', 'fcos_ros.node',
                           {'model': squares, 'cameras': '[front, rear]'}, name=DETECTOR)
        for name in ('front', 'rear'):
            expect(page.locator(f'.camera[data-camera={name}][data-stamp]')).to_be_visible()
        expect(page.locator('.camera')).to_have_count(2)
        expect(page.locator('#state')).to_have_text('running')
        assert page.evaluate('window.opened_once')
        _one_camera_is_large(page)
        _a_camera_has_settings_of_its_own(page, peer)


def _one_camera_is_large(page):
    page.keyboard.press('2')
    sizes = [page.locator(f'.camera[data-camera={name}] .stage').bounding_box()['width']
             for name in ('front', 'rear')]
    assert sizes[1] > 2 * sizes[0]
    page.keyboard.press('2')
    expect(page.locator('.camera.large')).to_have_count(0)


def _a_camera_has_settings_of_its_own(page, peer):
    page.locator('#settings > select').select_option('front')
    field = page.locator('[data-parameter=score_threshold] input[type=text]')
    field.fill('0.25')
    field.press('Enter')
    wait_until(lambda: peer.parameter('front.score_threshold') == 0.25)
    assert peer.parameter('score_threshold') == 0.0
    page.locator('[data-parameter=score_threshold] .reset').click()
    wait_until(lambda: peer.parameter('front.score_threshold') is None)


def test_the_page_follows_a_server_that_restarts(own_programs, squares, open_page):
    own_programs.start('detector', 'fcos_ros.node', {'model': squares}, name=DETECTOR)
    with Peer(DETECTOR) as peer, SquareCamera(peer, ['image']):
        page = wait_for_picture(open_page(own_programs.address()))
        port = own_programs.address().rstrip('/').rpartition(':')[2]
        own_programs.stop('page')
        expect(page.locator('#banner')).to_contain_text('No connection')
        stamp = page.locator('.camera').get_attribute('data-stamp')
        own_programs.start('page', 'fcos_ros.web', {'web_port': port, 'detector': DETECTOR})
        expect(page.locator('.camera')).not_to_have_attribute('data-stamp', stamp)
        expect(page.locator('#banner')).to_be_hidden()
        assert len(peer.detections) > 0
