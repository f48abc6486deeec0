# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Old images expire; wrong stamps are reported, and the images are still processed."""

from node.graph import Graph, image_message
from onnx_models import white_square, write_fcos
import pytest
from rosgraph_msgs.msg import Clock
from waiting import wait_until

SCENE = white_square(128, 5, 3)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return str(write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0))


@pytest.fixture
def graph(model):
    with Graph(model=model) as running:
        yield running.wait_until_connected()


def stamp(graph, age):
    """Return the stamp of an image with an age in seconds; a negative age is in the future."""
    moment = graph.peer.get_clock().now().nanoseconds - round(age * 1e9)
    return divmod(moment, 10**9)


def test_images_older_than_max_age_are_not_processed(graph):
    assert graph.set(max_age=1000.0) == ''
    graph.camera.publish(image_message(SCENE, stamp=stamp(graph, 2000)))
    status = graph.wait_for_report('older than max_age, 1000 s')
    assert status.level == b'\x02'
    assert len(graph.detect(image_message(SCENE, stamp=stamp(graph, 0))).detections) == 1
    values = graph.wait_for_counts(received=2, published=1, expired=1)
    assert values['failed'] == values['superseded'] == values['in_flight'] == '0'
    assert len(graph.arrays) == 1, 'an expired frame must not look like an empty scene'


def test_without_max_age_old_images_are_processed(graph):
    assert len(graph.detect(image_message(SCENE, stamp=stamp(graph, 7000))).detections) == 1
    assert graph.wait_for_counts(published=1)['expired'] == '0'


@pytest.mark.parametrize(('moments', 'words'), [
    pytest.param([(0, 0)], 'stamp is zero', id='zero'),
    pytest.param([(4321, 0)], 'stamp is older than a day', id='time since start'),
    pytest.param([(-5, 0)], 'stamp is before 1970', id='negative'),
    pytest.param([(2**31 - 1, 0)], 'stamp is in the future', id='future'),
    pytest.param([(100, 0), (99, 0)], 'stamp is older than the one before', id='backwards'),
])
def test_wrong_stamps_are_reported_and_the_images_are_processed(graph, moments, words):
    for moment in moments:
        assert len(graph.detect(image_message(SCENE, stamp=moment)).detections) == 1
    status = graph.wait_for_report(words)
    assert status.level == b'\x01'
    assert graph.wait_for_counts(published=len(moments))[words] == '1'


@pytest.mark.parametrize(('moment', 'words'), [
    pytest.param((4321, 0), ['stamp is older than a day', 'mipi_frame_ts_type:=realtime',
                             'use_sim_time'], id='time since start'),
    pytest.param((-5, 0), ['stamp is before 1970'], id='negative'),
])
def test_images_that_expire_because_of_a_wrong_stamp_are_reported_with_the_remedy(
        graph, moment, words):
    assert graph.set(max_age=1.0) == ''
    graph.camera.publish(image_message(SCENE, stamp=moment))
    status = graph.wait_for_report('older than max_age')
    assert status.level == b'\x02'
    for word in words:
        assert word in status.message
    assert 'set the clocks' not in status.message


def test_an_implausible_age_is_not_added_to_the_latencies(graph):
    graph.detect(image_message(SCENE, stamp=(4321, 0)))
    graph.wait_for_counts(published=1)
    assert not graph.wait_for_status('latency').values[-1].key.startswith('age')
    graph.detect(image_message(SCENE, stamp=stamp(graph, 0)))
    status = graph.wait_for_status(
        'latency', lambda status: status.values[-1].key.startswith('age'))
    assert len(set(status.values[-1].value.split(' / '))) == 1, 'percentiles of one age'


def test_an_image_without_a_known_age_does_not_expire(graph):
    assert graph.set(max_age=0.001) == ''
    assert len(graph.detect(image_message(SCENE, stamp=(0, 0))).detections) == 1


def test_the_age_is_computed_from_simulated_time(model):
    with Graph(model=model, use_sim_time=True, max_age=60.0) as graph:
        clock = graph.peer.create_publisher(Clock, '/clock', 10)
        graph.wait_until_connected()
        assert len(graph.detect(image_message(SCENE, stamp=(5, 0))).detections) == 1
        graph.wait_for_report('no time on /clock yet')
        wait_until(clock.get_subscription_count)
        message = Clock()
        message.clock.sec = 1000
        clock.publish(message)
        wait_until(lambda: graph.node.get_clock().now().nanoseconds == 1000 * 10**9)
        assert len(graph.detect(image_message(SCENE, stamp=(990, 0))).detections) == 1
        graph.camera.publish(image_message(SCENE, stamp=(900, 0)))
        graph.wait_for_counts(published=2, expired=1)
