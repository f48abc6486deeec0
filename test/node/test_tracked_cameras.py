# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""With tracking, an object keeps its track number from image to image."""

from node.graph import Graph, image_message
import numpy as np
from onnx_models import white_square, write_fcos
import pytest
from waiting import wait_until

SIZE = 128
ROW = 5
EMPTY = np.zeros((SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return str(write_fcos(path, half_box=16.0))


def track_ids(graph, columns, start=1, rate=10):
    """Publish a square in each of these columns of cells; return the track ids in each image."""
    numbers = []
    for step, column in enumerate(columns):
        scene = EMPTY if column is None else white_square(SIZE, column, ROW)
        stamp = divmod(start * 10**9 + step * 10**9 // rate, 10**9)
        array = graph.detect(image_message(scene, stamp=stamp))
        numbers.append([detection.id for detection in array.detections])
    return numbers


def test_without_tracking_detections_have_no_id(model):
    with Graph(model=model) as graph:
        assert track_ids(graph.wait_until_connected(), [4, 5, 6, 7]) == [['']] * 4


def test_a_moving_object_keeps_its_number_also_after_it_was_hidden_in_one_image(model):
    with Graph(model=model, track=True) as graph:
        numbers = track_ids(graph.wait_until_connected(), [4, 5, 6, 7, None, 9, 10])
        assert numbers[:2] == [[''], ['']], 'a track gets its number in the third image'
        assert numbers[2:] == [['1'], ['1'], [], ['1'], ['1']]


def test_each_new_object_gets_a_new_number_also_after_tracking_was_switched_off(model):
    with Graph(model=model, track=True) as graph:
        assert track_ids(graph.wait_until_connected(), [4, 4, 4])[-1] == ['1']
        assert track_ids(graph, [12, 12, 12], start=60)[-1] == ['2'], 'long after the timeout'
        assert graph.set(track=False) == ''
        assert track_ids(graph, [12], start=61) == [['']]
        assert graph.set(track=True) == ''
        assert track_ids(graph, [12, 12, 12], start=120)[-1] == ['3']


def test_low_scores_for_tracking_are_never_published_while_tracking_is_switched(model):
    with Graph(model=model, track=True, score_threshold=1.0) as graph:
        graph.wait_until_connected()
        for number in range(1, 61):
            graph.camera.publish(image_message(white_square(SIZE, 4, ROW), stamp=(number, 0)))
            # Some of these changes happen between decoding and publishing.
            assert graph.set(track=number % 2 == 0) == ''
        wait_until(lambda: graph.arrays and graph.arrays[-1].header.stamp.sec == 60)
        assert [array.detections for array in graph.arrays] == [[]] * len(graph.arrays)


def test_the_track_timeout_can_change_while_the_node_is_active(model):
    columns = [4, 4, 4, 4, None, None, None, 4, 4, 4, 4]
    with Graph(model=model, track=True, track_timeout=0.05) as graph:
        graph.wait_until_connected()
        assert track_ids(graph, columns)[-1] == ['2'], 'images are 0.1 s apart'
        assert graph.set(track_timeout=1.0) == ''
        assert track_ids(graph, columns, start=10)[3] == ['3']
        assert track_ids(graph, [4], start=11)[0] == ['3']


def test_images_without_stamps_are_tracked_by_their_time_of_arrival(model):
    with Graph(model=model, track=True, track_timeout=60.0) as graph:
        graph.wait_until_connected()
        for _ in range(3):
            array = graph.detect(image_message(white_square(SIZE, 4, ROW), stamp=(0, 0)))
        assert [detection.id for detection in array.detections] == ['1']
