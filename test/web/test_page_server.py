# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The server between a real detector and pages: pictures, figures, parameters."""

import cv2
from node.graph import Graph, image_message
import numpy as np
import pytest
from waiting import wait_until
from web.page_client import Page, port_of, serving


@pytest.fixture(scope='module')
def graph(model):
    """Run a detector for all tests that change it back."""
    with Graph(model=model) as running:
        yield running.wait_until_connected()


@pytest.fixture(scope='module')
def page(graph):
    with serving(graph) as server, Page(port_of(server)) as opened:
        opened.wait_for('parameters', lambda text: text['parameters'])
        yield opened


def square_at(x, y, size=(64, 48)):
    """Return a black image with a white square of 8 pixels, whose middle is there."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[y - 4:y + 4, x - 4:x + 4] = 255
    return pixels


class Camera:
    """Publishes images with a square that moves, each with a stamp of its own."""

    def __init__(self, graph):
        self.places = {}
        self._graph = graph
        self._second = 1000

    def publish(self):
        self._second += 1
        x = 8 + 4 * (self._second % 12)
        self.places[self._second] = x
        self._graph.camera.publish(
            image_message(square_at(x, 24), stamp=(self._second, 7)))

    def show(self, page, wanted=bool):
        """Publish until a picture arrives for whose header `wanted` is true; return it."""
        def found():
            self.publish()
            return [picture for picture in list(page.pictures) if wanted(picture.header)]
        return wait_until(found)[-1]


def test_a_picture_comes_with_the_boxes_of_the_same_image(graph, page):
    camera = Camera(graph)
    camera.show(page, lambda header: len(page.pictures) > 5 and header['detections'])
    for header, jpeg in page.pictures:
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        x = camera.places[header['stamp']['sec']]
        assert (header['width'], header['height']) == (64, 48)
        assert header['frame_id'] == 'camera_optical'
        assert abs(np.argmax(image[24] > 128) - (x - 4)) <= 1  # the picture of this stamp
        for found in header['detections'] or ():
            assert abs((found['box'][0] + found['box'][2]) / 2 - x) <= 4
            assert found['label'] == 'cube'


def test_the_figures_are_those_of_the_diagnostics(graph, page):
    Camera(graph).show(page)
    status = page.wait_for('status', lambda text: text['level'] and
                           text['cameras'][0]['counts']['published'] > 0)
    assert status['model']['name'] == 'squares'
    assert {'infer', 'decode', 'total'} <= status['cameras'][0]['stages'].keys()
    assert status['process']['workers'] == 1


def test_a_parameter_is_changed_and_put_back(graph, page):
    reply = page.set(score_threshold=0.4, classes=['cube', 'ball'])
    assert (reply['ok'], reply['before']) == (True, {'score_threshold': 0.0, 'classes': ['']})
    assert graph.node.get_parameter('score_threshold').value == 0.4
    page.wait_for('parameters', lambda text: any(
        entry['name'] == 'score_threshold' and entry['value'] == 0.4
        for entry in text['parameters']))
    assert page.request('set', values=reply['before'])['ok']
    assert graph.node.get_parameter('classes').value == ['']


@pytest.mark.parametrize(('values', 'reason'), [
    ({'score_threshold': 7}, 'score_threshold is 7.0; accepted: 0.0 to 1.0'),
    ({'score_threshold': 0.4, 'classes': ['cub']}, "unknown class 'cub'; did you mean 'cube'?"),
    ({'exclude_zones': ['0 0, 1 0']}, 'it has 2 points; accepted: 3 or more points'),
    ({'workers': 2}, 'workers cannot change while a model is loaded'),
    ({'autostart': False}, 'is read-only'),
    ({'score_threshold': None}, 'score_threshold cannot be unset; set it to its default, 0.0'),
    ({'score_threshold': {'a': 1}}, "score_threshold is {'a': 1}; accepted: a number"),
    ({'max_detections': 2**70}, 'max_detections is 1180591620717411303424; accepted: 1 to'),
    ({'scor_threshold': 1}, 'unknown parameter scor_threshold; did you mean score_threshold?'),
    ({'use_sim_time': True}, 'unknown parameter use_sim_time'),
])
def test_a_refusal_has_the_reason_of_the_node_and_changes_nothing(graph, page, values, reason):
    reply = page.request('set', values=values)
    assert not reply['ok']
    assert reason in reply['error']
    assert graph.node.get_parameter('score_threshold').value == 0.0


@pytest.mark.parametrize('values', [{'classes': ['\ud800']}, {'\ud800.track': True}])
def test_a_page_is_answered_after_a_text_that_ros_cannot_send(page, values):
    refusal = page.request('set', values=values)
    assert not refusal['ok']
    assert refusal['error']
    assert page.set(max_age=0.0)['ok']


def test_a_change_by_others_reaches_the_page(graph, page):
    assert graph.set(max_age=2.5) == ''
    page.wait_for('parameters', lambda text: any(
        entry['name'] == 'max_age' and entry['value'] == 2.5 for entry in text['parameters']))
    assert page.set(max_age=0.0)['ok']


def test_a_detector_without_a_page_has_no_subscriber(model):
    with Graph(model=model, namespace='alone') as graph, serving(graph) as server:
        graph.wait_until_connected()

        def subscribers():
            return [graph.node.count_subscribers(topic) for topic in (
                '/alone/image', '/alone/fcos/detections', '/diagnostics')]
        alone = subscribers()
        with Page(port_of(server)):
            wait_until(lambda: subscribers() == [count + 1 for count in alone])
        wait_until(lambda: subscribers() == alone)
