# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node reads samples of any bit depth and range, and reports what it has measured."""

from array import array

from core.camera_formats import encode, join
from node.graph import Graph
from onnx_models import white_square, write_fcos
import pytest
from sensor_msgs.msg import Image

SCENE = white_square(128, 5, 3)
OK = b'\x00'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return str(write_fcos(tmp_path_factory.mktemp('model') / 'squares.onnx', half_box=8.0))


def message(encoding, extra=0, **options):
    data = join(encoding, encode(SCENE, encoding, **options)) + bytes(extra)
    return Image(width=128, height=128, encoding=encoding, data=array('B', data))


def values(graph, **expected):
    status = graph.wait_for_status('frames', lambda status: status.level == OK and (
        expected.items() <= {entry.key: entry.value for entry in status.values}.items()))
    return {entry.key: entry.value for entry in status.values}


@pytest.mark.parametrize('bit_depth', [10, 12])
@pytest.mark.parametrize('stated', [True, False], ids=['stated', 'measured'])
def test_an_object_is_detected_in_samples_of_few_bits(model, bit_depth, stated):
    with Graph(model=model, **({'bit_depth': bit_depth} if stated else {})) as graph:
        graph.wait_until_connected()
        for encoding in ('mono16', 'bgr16'):
            assert len(graph.detect(message(encoding, bit_depth=bit_depth)).detections) == 1
        values(graph, published='2', **{'measured bit_depth': str(bit_depth)})


@pytest.mark.parametrize(('bit_depth', 'named'), [(8, False), (9, True), (12, True)])
def test_samples_of_more_bits_than_stated_are_named(model, bit_depth, named, capfd):
    with Graph(model=model, bit_depth=8) as graph:
        graph.wait_until_connected()
        graph.detect(message('mono16', bit_depth=bit_depth))
        values(graph, published='1')
    complaint = f'/image have samples up to {2**bit_depth - 1}, but bit_depth is 8'
    assert (complaint in capfd.readouterr().err) == named


@pytest.mark.parametrize('yuv_range', ['full', 'limited'])
def test_the_range_of_nv12_is_measured_and_may_be_stated_at_any_time(model, yuv_range):
    with Graph(model=model) as graph:
        graph.wait_until_connected()
        scores = []
        for stated in ('auto', yuv_range):
            assert graph.set(nv12_range=stated) == ''
            detection, = graph.detect(message('nv12', yuv_range=yuv_range)).detections
            scores.append(detection.results[0].hypothesis.score)
        assert scores[0] == scores[1]
        values(graph, **{'measured nv12_range': yuv_range})


def test_nv12_in_a_longer_buffer_is_detected_in_and_reported(model):
    with Graph(model=model) as graph:
        graph.wait_until_connected()
        assert len(graph.detect(message('nv12', extra=4096)).detections) == 1
        values(graph, **{'images with bytes after them': '1'})
