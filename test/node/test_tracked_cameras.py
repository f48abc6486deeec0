# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object keeps its number from image to image, when that is asked for."""

from graph import Graph, image_message
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
    """Publish a square that steps from column to column of cells; return its track ids."""
    numbers = []
    for step, column in enumerate(columns):
        scene = EMPTY if column is None else white_square(SIZE, column, ROW)
        stamp = divmod(start * 10**9 + step * 10**9 // rate, 10**9)
        array = graph.detect(image_message(scene, stamp=stamp))
        numbers.append([detection.id for detection in array.detections])
    return numbers


def test_without_tracking_objects_have_no_numbers(model):
    with Graph(model=model) as graph:
        assert track_ids(graph.wait_until_connected(), [4, 5, 6, 7]) == [['']] * 4


def test_a_moving_object_keeps_its_number_also_when_it_is_hidden_for_a_moment(model):
    with Graph(model=model, track=True) as graph:
        numbers = track_ids(graph.wait_until_connected(), [4, 5, 6, 7, None, 9, 10])
        assert numbers[:2] == [[''], ['']], 'not before it has been seen three times'
        assert numbers[2:] == [['1'], ['1'], [], ['1'], ['1']]


def test_another_object_gets_another_number_and_none_comes_twice(model):
    with Graph(model=model, track=True) as graph:
        assert track_ids(graph.wait_until_connected(), [4, 4, 4])[-1] == ['1']
        assert track_ids(graph, [12, 12, 12], start=60)[-1] == ['2'], 'long after the memory'
        assert graph.set(track=False) == ''
        assert track_ids(graph, [12], start=61) == [['']]
        assert graph.set(track=True) == ''
        assert track_ids(graph, [12, 12, 12], start=120)[-1] == ['3']


def test_what_only_a_track_may_continue_is_never_published_without_one(model):
    with Graph(model=model, track=True, score_threshold=1.0) as graph:
        graph.wait_until_connected()
        for number in range(1, 61):
            graph.camera.publish(image_message(white_square(SIZE, 4, ROW), stamp=(number, 0)))
            # Sooner or later this comes between decoding and publishing.
            assert graph.set(track=number % 2 == 0) == ''
        wait_until(lambda: graph.arrays and graph.arrays[-1].header.stamp.sec == 60)
        assert [array.detections for array in graph.arrays] == [[]] * len(graph.arrays)


def test_each_setting_of_the_tracker_is_live(model):
    away = [4, 4, 4, 4, None, None, None, 4, 4, 4, 4]
    with Graph(model=model, track=True, track_memory=0.05) as graph:
        assert track_ids(graph.wait_until_connected(), away)[-1] == ['2'], 'images are 0.1 s apart'
        assert graph.set(track_memory=1.0) == ''
        assert track_ids(graph, away, start=10)[3] == ['3']
        assert track_ids(graph, [4], start=11)[0] == ['3']


def test_a_camera_without_stamps_is_tracked_by_arrival(model):
    with Graph(model=model, track=True, track_memory=60.0) as graph:
        graph.wait_until_connected()
        for _ in range(3):
            array = graph.detect(image_message(white_square(SIZE, 4, ROW), stamp=(0, 0)))
        assert [detection.id for detection in array.detections] == ['1']
