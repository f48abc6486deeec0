# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras that share a model: each has its own topics, counts and parameters."""

from node.graph import COUNT_NAMES, LATCHED, Graph, image_message
from node.parameter_dump import dump, dump_text
import numpy as np
from onnx_models import white_square
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo
from waiting import wait_until

from fcos_ros.settings.criteria import ActiveCriteria
from fcos_ros.settings.parameter_file import parameters_for

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

    def publish(self, pixels, encoding='bgr8', stamp=(12, 345)):
        self.publisher.publish(image_message(pixels, encoding, stamp=stamp, frame_id=self.name))

    def stamps(self):
        return [array.header.stamp.sec for array in self.arrays]

    def detect(self, pixels):
        known = len(self.arrays)
        self.publish(pixels)
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


def test_each_camera_receives_its_own_detections(cameras):
    front, rear = cameras
    assert len(front.detect(SCENE).detections) == 1
    assert rear.detect(EMPTY).detections == []
    assert (len(front.arrays), len(rear.arrays)) == (1, 1)
    assert front.arrays[0].detections[0].header.frame_id == 'front'


def test_each_camera_has_its_own_counts_of_frames(cameras):
    front, rear = cameras
    front.publish(SCENE, encoding='yuv9')
    assert 'yuv9' in front.wait_for_counts(failed=1)['last_error']
    rear.detect(SCENE)
    front.detect(SCENE)
    assert rear.wait_for_counts(received=1, published=1)['failed'] == '0'
    assert front.wait_for_counts(received=2, published=1)['failed'] == '1'


def test_the_failures_of_one_camera_do_not_hide_those_of_another_in_the_log(cameras, capfd):
    for camera in cameras:
        camera.publish(SCENE, encoding='yuv9')
    for camera in cameras:
        camera.wait_for_counts(failed=1)
    log = capfd.readouterr().err
    assert 'a frame of front failed' in log
    assert 'a frame of rear failed' in log


def test_bytes_behind_the_pictures_of_each_camera_are_in_the_log(cameras, capfd):
    nv12 = image_message(np.zeros((SIZE * 3 // 2, SIZE), np.uint8), 'nv12')
    nv12.height, nv12.data = SIZE, bytes(nv12.data) + bytes(64)
    for camera in cameras:
        camera.publisher.publish(nv12)
    for camera in cameras:
        camera.wait_for_counts(published=1)
    log = capfd.readouterr().err
    assert 'images on front/image are followed by 64 bytes' in log
    assert 'images on rear/image are followed by 64 bytes' in log


def test_the_problems_of_each_camera_are_logged_with_its_name(cameras, capfd):
    log = ''

    def has_both():
        nonlocal log
        log += capfd.readouterr().err
        return all(f'{camera.name}: 1 images since the last report: stamp is older than a day'
                   in log for camera in cameras)

    for camera in cameras:
        camera.detect(SCENE)
    wait_until(has_both)


def test_each_camera_publishes_the_names_of_the_classes(cameras):
    labels = []
    cameras[1].graph.listen(LabelInfo, 'fcos/rear/label_info', labels, LATCHED)
    assert [entry.class_name for entry in wait_until(lambda: labels)[0].class_map] == [
        'cube', 'ball', 'cone']


def test_a_camera_without_its_own_value_uses_the_common_value(cameras):
    front, rear = cameras
    assert front.set(score_threshold=1.0) == ''
    assert front.detect(SCENE).detections == []
    assert len(rear.detect(SCENE).detections) == 1
    assert front.graph.set(score_threshold=0.999) == ''
    assert rear.detect(SCENE).detections == []
    assert rear.set(score_threshold=0) == '', 'a whole number is accepted for a float'
    assert len(rear.detect(SCENE).detections) == 1
    unset = front.graph.call(front.graph.node.set_parameters, [
        Parameter(f'{camera.name}.score_threshold', Parameter.Type.NOT_SET) for camera in cameras])
    assert all(result.successful for result in unset)
    assert front.graph.set(score_threshold=0.3) == ''
    assert [len(camera.detect(SCENE).detections) for camera in cameras] == [1, 1]
    assert front.set(score_threshold=1.0) == '', 'an unset parameter can be set again'
    assert [len(camera.detect(SCENE).detections) for camera in cameras] == [0, 1]


def test_parameters_of_one_camera_can_be_given_at_the_start(model):
    with Graph(model=model, cameras=['front', 'rear'], classes=['ball'],
               **{'front.classes': ['cube']}) as running:
        front, rear = GraphCamera(running, 'front'), GraphCamera(running, 'rear')
        assert len(front.detect(SCENE).detections) == 1
        assert rear.detect(SCENE).detections == []
        unset = Parameter('front.classes', Parameter.Type.NOT_SET)
        assert running.call(running.node.set_parameters_atomically, [unset]).successful
        assert front.detect(SCENE).detections == []
        assert running.node.get_parameter('front.classes').value is None
        assert front.set(classes=['cube']) == ''
        assert len(front.detect(SCENE).detections) == 1


@pytest.mark.parametrize(('change', 'reason'), [
    pytest.param({'rear.score_threshold': 1.5}, 'rear.score_threshold is 1.5', id='out of range'),
    pytest.param({'rear.score_threshold': 'high'}, 'a number', id='not a number'),
    pytest.param({'rear.classes': 'cube'}, 'a list of texts', id='not a list'),
    pytest.param({'rear.classes': ['cubes']}, "did you mean 'cube'", id='unknown class'),
    pytest.param({'rear.weight': 0.0}, 'rear.weight', id='weight of zero'),
    pytest.param({'front.weight': 2.0, 'rear.max_age': -1.0}, 'rear.max_age',
                 id='one of two values is wrong'),
    pytest.param({'front.weight': 2.0, 'cameras': ['front']}, 'cameras is read-only',
                 id='cameras is read-only'),
])
def test_a_wrong_change_is_refused_as_a_whole_with_the_reason(cameras, change, reason):
    graph = cameras[0].graph
    assert reason in graph.set(**change) != ''
    assert graph.node.get_parameter('front.weight').value is None
    assert len(cameras[1].detect(SCENE).detections) == 1


def test_a_change_that_one_camera_cannot_apply_is_undone_for_the_other_camera(
        cameras, monkeypatch):
    def of(settings, model, of=ActiveCriteria.of):
        if settings.min_size == 99.0:
            raise ValueError('no room')
        return of(settings, model)

    monkeypatch.setattr(ActiveCriteria, 'of', of)
    front, _ = cameras
    change = {'front.score_threshold': 1.0, 'rear.min_size': 99.0}
    assert front.graph.set(**change) == 'no room'
    assert [front.graph.node.get_parameter(name).value for name in change] == [None, None]
    assert [len(camera.detect(SCENE).detections) for camera in cameras] == [1, 1]
    assert front.set(score_threshold=1.0) == ''
    assert [len(camera.detect(SCENE).detections) for camera in cameras] == [0, 1]


@pytest.mark.parametrize(('name', 'accepted'), [
    ('front.weight', (0.01, 100.0)), ('rear.max_detections', (1, 1000)),
    ('rear.zone_anchor', 'one of: centre, bottom'), ('front.classes', '')])
def test_the_description_of_a_cameras_own_parameter_has_the_accepted_values(
        cameras, name, accepted):
    described = cameras[0].graph.node.describe_parameter(name)
    ranges = [*described.floating_point_range, *described.integer_range]
    limits = [(limits.from_value, limits.to_value) for limits in ranges]
    assert (limits[0] if limits else described.additional_constraints) == accepted
    assert described.description.startswith('For this camera only. ')


def test_a_node_accepts_the_dumped_parameters_of_a_running_one(cameras, tmp_path):
    graph = cameras[0].graph
    graph.set(**{'rear.weight': 3, 'score_threshold': 1})
    file = tmp_path / 'dumped.yaml'
    file.write_text(graph.call(dump_text, graph.node), encoding='utf-8')
    assert 'null' in file.read_text(encoding='utf-8')
    assert parameters_for('/fcos', file.read_text(encoding='utf-8'), file).matches
    with Graph(cli=('--ros-args', '--params-file', str(file))) as again:
        first, second = (one.call(dump, one.node) for one in (graph, again))
        # The overrides of a subscription are declared when it is created.
        assert first.pop('qos_overrides').keys() >= second.pop('qos_overrides').keys()
        assert second == first
        assert GraphCamera(again, 'rear').detect(SCENE).detections == []


@pytest.mark.parametrize('names', [['1st'], ['a/b'], ['left', 'left']], ids=' '.join)
def test_camera_names_that_cannot_be_part_of_a_topic_are_refused(model, names):
    with pytest.raises(ValueError, match='cameras is'), Graph(model=model, cameras=names):
        pass


def test_every_frame_of_every_camera_is_counted_and_published_in_order(cameras):
    for number in range(1, 41):
        for camera in cameras:
            camera.publish(SCENE, stamp=(number, 0))
    for camera in cameras:
        # DDS may drop images, but not the last one.
        stamps = wait_until(lambda: camera.stamps()[-1:] == [40] and camera.stamps())  # noqa: B023
        assert stamps == sorted(set(stamps))
        values = camera.wait_for_counts(in_flight=0, published=len(stamps))
        assert sum(int(values[name]) for name in COUNT_NAMES) == int(values['received'])


def test_each_camera_has_its_own_zones(cameras):
    front, rear = cameras
    assert front.set(include_zones=['0.5 0, 1 0, 1 1, 0.5 1']) == ''
    assert rear.set(exclude_zones=['0.5 0, 1 0, 1 1, 0.5 1']) == ''
    assert front.detect(SCENE).detections == []
    assert len(rear.detect(SCENE).detections) == 1
