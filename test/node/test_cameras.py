# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one model: each has its topics, its account and what it wants for itself."""

from graph import LATCHED, Graph, image_message
import numpy as np
from onnx_models import white_square
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo
from waiting import wait_until

SIZE = 128
SCENE = white_square(SIZE, 5, 3)
EMPTY = np.zeros((SIZE, SIZE, 3), np.uint8)


class GraphCamera:
    """A camera of a graph, and the detections in its images."""

    def __init__(self, graph, name):
        self.graph = graph
        self.name = name
        self.arrays = []
        self.publisher = graph.peer.create_publisher(Image, f'{name}/image', 10)
        graph.listen(Detection2DArray, f'fcos/{name}/detections', self.arrays)
        wait_until(lambda: self.publisher.get_subscription_count()
                   and graph.subscribers(f'fcos/{name}/detections'))

    def publish(self, pixels, stamp=(12, 345), encoding='bgr8'):
        self.publisher.publish(image_message(pixels, encoding, stamp=stamp, frame_id=self.name))

    def stamps(self):
        return [array.header.stamp.sec for array in self.arrays]

    def detect(self, pixels, **kind):
        known = len(self.arrays)
        self.publish(pixels, **kind)
        return wait_until(lambda: self.arrays[known:])[0]

    def wait_for_counts(self, **expected):
        def wanted(status):
            found = {entry.key: entry.value for entry in status.values}
            return all(found.get(key) == str(value) for key, value in expected.items())
        status = self.graph.wait_for_status(f'{self.name} frames', wanted)
        return {entry.key: entry.value for entry in status.values}

    def set(self, **parameters):
        return self.graph.set(**{f'{self.name}.{key}': value for key, value in parameters.items()})


@pytest.fixture
def cameras(model):
    with Graph(model=model, cameras=['front', 'rear']) as running:
        yield GraphCamera(running, 'front'), GraphCamera(running, 'rear')


def test_each_camera_gets_its_own_detections(cameras):
    front, rear = cameras
    assert len(front.detect(SCENE).detections) == 1
    assert rear.detect(EMPTY).detections == []
    assert (len(front.arrays), len(rear.arrays)) == (1, 1)
    assert front.arrays[0].detections[0].header.frame_id == 'front'


def test_each_camera_has_its_own_account(cameras):
    front, rear = cameras
    front.publish(SCENE, encoding='yuv9')
    assert 'yuv9' in front.wait_for_counts(failed=1)['last_error']
    rear.detect(SCENE)
    front.detect(SCENE)
    assert rear.wait_for_counts(received=1, published=1)['failed'] == '0'
    assert front.wait_for_counts(received=2, published=1)['failed'] == '1'


def test_each_camera_tells_the_names_of_its_classes(cameras):
    heard = []
    cameras[1].graph.listen(LabelInfo, 'fcos/rear/label_info', heard, LATCHED)
    assert [entry.class_name for entry in wait_until(lambda: heard)[0].class_map] == [
        'cube', 'ball', 'cone']


def test_a_camera_without_a_value_of_its_own_has_the_common_one(cameras):
    front, rear = cameras
    assert front.set(score_threshold=1.0) == ''
    assert front.detect(SCENE).detections == []
    assert len(rear.detect(SCENE).detections) == 1
    assert front.graph.set(score_threshold=0.999) == ''
    assert rear.detect(SCENE).detections == []
    assert rear.set(score_threshold=0) == '', 'a whole number is one, too'
    assert len(rear.detect(SCENE).detections) == 1
    unset = front.graph.call(front.graph.node.set_parameters, [
        Parameter(f'{camera.name}.score_threshold', Parameter.Type.NOT_SET) for camera in cameras])
    assert all(result.successful for result in unset)
    assert front.graph.set(score_threshold=0.3) == ''
    assert [len(camera.detect(SCENE).detections) for camera in cameras] == [1, 1]
    assert front.set(score_threshold=1.0) == '', 'what was unset can be set again'
    assert [len(camera.detect(SCENE).detections) for camera in cameras] == [0, 1]


def test_values_of_one_camera_can_be_given_at_the_start(model):
    with Graph(model=model, cameras=['front', 'rear'], classes=['ball'],
               **{'front.classes': ['cube']}) as running:
        front, rear = GraphCamera(running, 'front'), GraphCamera(running, 'rear')
        assert len(front.detect(SCENE).detections) == 1
        assert rear.detect(SCENE).detections == []
        nothing = Parameter('front.classes', Parameter.Type.NOT_SET)
        assert running.call(running.node.set_parameters_atomically, [nothing]).successful
        assert front.detect(SCENE).detections == []
        assert running.node.get_parameter('front.classes').value is None
        assert front.set(classes=['cube']) == ''
        assert len(front.detect(SCENE).detections) == 1


@pytest.mark.parametrize(('change', 'reason'), [
    pytest.param({'rear.score_threshold': 1.5}, 'rear.score_threshold is 1.5', id='out of range'),
    pytest.param({'rear.score_threshold': 'high'}, 'a number', id='not a number'),
    pytest.param({'rear.classes': 'cube'}, 'a list of texts', id='not a list'),
    pytest.param({'rear.classes': ['cubes']}, "did you mean 'cube'", id='unknown class'),
    pytest.param({'rear.weight': 0.0}, 'rear.weight', id='no share at all'),
    pytest.param({'front.weight': 2.0, 'rear.max_age': -1.0}, 'rear.max_age', id='half wrong'),
    pytest.param({'cameras': ['front']}, 'cameras', id='another camera while it runs'),
])
def test_a_wrong_change_is_refused_whole_with_the_reason(cameras, change, reason):
    graph = cameras[0].graph
    assert reason in graph.set(**change) != ''
    assert graph.node.get_parameter('front.weight').value is None
    assert len(cameras[1].detect(SCENE).detections) == 1


@pytest.mark.parametrize(('name', 'accepted'), [
    ('front.weight', '0.01 to 100.0'), ('rear.max_detections', '1 to 500'),
    ('rear.zone_anchor', 'one of: centre, bottom'), ('front.classes', '')])
def test_a_cameras_own_parameter_tells_what_it_accepts(cameras, name, accepted):
    described = cameras[0].graph.node.describe_parameter(name)
    assert described.additional_constraints == accepted
    assert described.description.startswith('Of this camera only. ')


@pytest.mark.parametrize('names', [['1st'], ['a/b'], ['left', 'left']], ids=' '.join)
def test_names_that_cannot_be_topics_are_refused(model, names):
    with pytest.raises(ValueError, match='cameras is'), Graph(model=model, cameras=names):
        pass


def test_every_frame_of_every_camera_is_accounted_for_and_in_order(cameras):
    for number in range(1, 41):
        for camera in cameras:
            camera.publish(SCENE, stamp=(number, 0))
    for camera in cameras:
        stamps = wait_until(lambda: camera.stamps()[-1:] == [40] and camera.stamps())  # noqa: B023
        assert stamps == sorted(set(stamps))
        values = camera.wait_for_counts(in_flight=0, published=len(stamps))
        parts = [int(values[key]) for key in ('published', 'superseded', 'expired', 'failed')]
        assert sum(parts) == int(values['received'])


def test_cameras_have_zones_of_their_own(cameras):
    front, rear = cameras
    assert front.set(regions=['0.5 0, 1 0, 1 1, 0.5 1']) == ''
    assert rear.set(ignored_zones=['0.5 0, 1 0, 1 1, 0.5 1']) == ''
    assert front.detect(SCENE).detections == []
    assert len(rear.detect(SCENE).detections) == 1
