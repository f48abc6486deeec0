# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node in a ROS graph, with rclpy and Fast DDS: images, detections, parameters, states."""

from array import array
import os
import time

import cv2
from node.graph import COUNT_NAMES, LATCHED, Graph, image_message
import numpy as np
from onnx_models import white_square
import pytest
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from vision_msgs.msg import LabelInfo
from waiting import wait_until

from fcos_ros.core.text import MAX_LENGTH
from fcos_ros.node import namesakes
from fcos_ros.node.fcos_node import REPORT_PERIOD

SIZE = 128
SCENE = white_square(SIZE, 5, 3)
EMPTY = np.zeros((SIZE, SIZE, 3), np.uint8)
JPEG = cv2.imencode('.jpg', SCENE)[1].tobytes()


def nv12(bgr):
    height, width = bgr.shape[:2]
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    u, v = i420[height:].reshape(2, -1)
    return np.vstack([i420[:height], np.stack([u, v], -1).reshape(height // 2, width)])


def test_a_detection_is_published_in_the_pixels_of_the_image(graph):
    array = graph.detect(image_message(SCENE))
    detection, = array.detections
    box = detection.bbox
    assert (box.center.position.x, box.center.position.y, box.center.theta) == (44.0, 28.0, 0.0)
    assert (box.size_x, box.size_y) == (16.0, 16.0)
    hypothesis = detection.results[0].hypothesis
    assert hypothesis.class_id == '0'
    assert 0.5 <= hypothesis.score <= 1.0


@pytest.mark.parametrize(('stamp', 'frame_id'), [
    pytest.param((1, 1), 'camera', id='early stamp'),
    pytest.param((2**31 - 1, 999_999_999), 'a/b_optical', id='latest stamp'),
    pytest.param((0, 0), '', id='zero stamp, empty frame_id'),
])
def test_the_header_of_the_detections_is_exactly_that_of_the_image(graph, stamp, frame_id):
    message = image_message(SCENE, stamp=stamp, frame_id=frame_id)
    array = graph.detect(message)
    assert array.header == message.header
    assert [detection.header for detection in array.detections] == [message.header]


def test_an_image_without_objects_gives_an_empty_array(graph):
    array = graph.detect(image_message(EMPTY, stamp=(7, 7)))
    assert array.detections == []
    assert array.header.stamp.sec == 7


@pytest.mark.parametrize(('encoding', 'pixels', 'step'), [
    pytest.param('bgr8', SCENE, None, id='bgr8'),
    pytest.param('bgr8', SCENE, 3 * SIZE + 5, id='bgr8 with padded rows'),
    pytest.param('rgb8', SCENE, None, id='rgb8'),
    pytest.param('mono8', SCENE[:, :, 0], None, id='mono8'),
    pytest.param('mono8', SCENE[:, :, 0], 256, id='mono8 with padded rows'),
    pytest.param('nv12', nv12(SCENE), None, id='nv12'),
    pytest.param('nv12', nv12(SCENE), 192, id='nv12 with padded rows'),
    pytest.param('bgra8', np.dstack([SCENE, SCENE[:, :, 0]]), None, id='bgra8'),
    pytest.param('mono16', SCENE[:, :, :2], None, id='mono16'),
    pytest.param('yuv422', np.dstack([np.full((SIZE, SIZE), 128, np.uint8), SCENE[:, :, 0]]), None,
                 id='yuv422'),
    pytest.param('jpeg', np.frombuffer(JPEG, np.uint8)[None], None, id='jpeg'),
])
def test_the_detection_is_the_same_in_every_encoding(graph, encoding, pixels, step):
    array = graph.detect(image_message(pixels, encoding, step))
    detection, = array.detections
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (44.0, 28.0)


@pytest.mark.parametrize(('changes', 'kind', 'complaint'), [
    pytest.param({'encoding': 'yuv9'}, 'encoding', 'yuv9', id='unknown encoding'),
    pytest.param({'step': 3}, 'step', '3', id='step too small'),
    pytest.param({'height': 4000}, 'length', '4000', id='data too short'),
    pytest.param({'width': 0}, 'size', '0x128', id='no width'),
    pytest.param({'data': b''}, 'length', '', id='no data'),
    pytest.param({'encoding': 'nv12', 'step': SIZE, 'height': 127}, 'size', '127', id='odd nv12'),
    pytest.param({'encoding': 'jpeg'}, 'format', 'begins with 00', id='jpeg without a signature'),
    pytest.param({'encoding': 'jpeg', 'data': array('B', JPEG[:-9])}, 'truncated', 'truncated',
                 id='truncated jpeg'),
])
def test_a_damaged_image_is_counted_by_its_kind_and_the_next_image_is_processed(
        graph, changes, kind, complaint):
    message = image_message(SCENE)
    for field, value in changes.items():
        setattr(message, field, value)
    graph.camera.publish(message)
    values = graph.wait_for_counts(failed=1, received=1)
    assert values[f'failed: {kind}'] == '1'
    assert complaint in values['last_error']
    assert len(graph.detect(image_message(SCENE)).detections) == 1
    assert len(graph.arrays) == 1, 'a failed frame must not look like an empty scene'


def test_an_image_with_a_huge_frame_id_fails_and_the_next_one_is_processed(graph):
    graph.camera.publish(image_message(SCENE, frame_id='x' * 1_000_000))
    values = graph.wait_for_counts(failed=1, received=1)
    assert values['failed: frame_id'] == '1'
    assert 'frame_id has 1000000 characters' in values['last_error']
    assert graph.detect(image_message(SCENE, frame_id='x' * 256)).header.frame_id == 'x' * 256
    assert len(graph.arrays) == 1


@pytest.mark.parametrize(('images', 'words'), [
    pytest.param([image_message(SCENE, frame_id=name) for name in ('left', 'right')],
                 'frame_id changes back and forth, between left, right', id='frame_id'),
    pytest.param([image_message(scene) for scene in (SCENE, SCENE[:64])],
                 'size changes back and forth, between 128x128, 128x64', id='size'),
])
def test_two_cameras_on_one_topic_are_reported_in_diagnostics_and_log(
        graph, capfd, images, words):
    for image in images:
        graph.detect(image)
    assert graph.wait_for_counts(published=2)
    for image in images:
        graph.detect(image)
    status = graph.wait_for_report(words)
    assert status.level == b'\x01'
    for part in ('2 images', 'published by /peer', 'give each a topic of its own'):
        assert part in status.message
    assert_logged(capfd, words)


def test_another_node_of_the_same_name_is_reported_in_diagnostics_and_log(
        model, capfd, monkeypatch):
    monkeypatch.setattr(namesakes, 'LEASE', 0.0)
    # Nodes of tests before may still be in the graph.
    namespace = f'/process_{os.getpid()}'
    with Graph(model=model, namespace=namespace) as graph:
        graph.wait_for_counts(failed=0)
        other = Node('fcos', namespace=namespace, context=graph.context, enable_rosout=False)
        try:
            status = graph.wait_for_report('1 more nodes have the name of this node')
            assert status.level == b'\x01'
            assert_logged(capfd, 'have the name of this node')
        finally:
            other.destroy_node()


def assert_logged(capfd, words):
    """Wait until the log has these words."""
    log = ''

    def logged():
        nonlocal log
        log += capfd.readouterr().err
        return words in log
    wait_until(logged)


def test_a_huge_value_of_a_parameter_is_shortened_in_log_and_diagnostics(capfd):
    with Graph(model='x' * 100_000, camera_qos=None) as graph:
        status = graph.wait_for_status('model', lambda status: 'was not found' in status.message)
        assert len(status.message) <= MAX_LENGTH
        assert len(graph.wait_for_report('was not found').message) <= MAX_LENGTH + 20
        assert len(graph.set(fit='y' * 100_000)) <= MAX_LENGTH
    assert len(capfd.readouterr().err) < 5 * MAX_LENGTH


def test_many_wrong_publishers_are_reported_in_a_short_text(model):
    with Graph(model=model, camera_qos=None) as graph:
        for _ in range(20):
            graph.peer.create_publisher(PointCloud2, 'image', 10)
        status = graph.wait_for_report('and 17 more')
        assert status.message.count('which is no image') == 3


def test_every_frame_of_a_burst_is_counted_and_published_in_order(graph):
    for number in range(60):
        graph.camera.publish(image_message(SCENE, stamp=(number, 0)))
    # DDS may drop images, but not the last one.
    wait_until(lambda: graph.arrays and graph.arrays[-1].header.stamp.sec == 59)
    stamps = [array.header.stamp.sec for array in graph.arrays]
    assert stamps == sorted(set(stamps))
    values = graph.wait_for_counts(in_flight=0, published=len(stamps))
    assert sum(int(values[name]) for name in COUNT_NAMES) == int(values['received'])


def test_the_annotated_image_has_the_header_and_the_size_of_the_image(graph):
    received = []
    graph.listen(Image, 'fcos/annotated_image', received)
    message = image_message(nv12(SCENE), 'nv12')

    def annotated_images():
        graph.detect(message)
        return received

    annotated = wait_until(annotated_images)[0]
    assert annotated.header == message.header
    assert (annotated.width, annotated.height, annotated.encoding) == (SIZE, SIZE, 'bgr8')
    assert annotated.step == 3 * SIZE
    pixels = np.frombuffer(annotated.data, np.uint8).reshape(SIZE, SIZE, 3)
    assert np.ptp(pixels, axis=2).max() > 50, 'no colour was drawn on a grey image'


def test_late_subscribers_receive_the_names_of_the_classes(graph):
    labels = []
    graph.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
    info = wait_until(lambda: labels)[0]
    names = {entry.class_id: entry.class_name for entry in info.class_map}
    assert names == {0: 'cube', 1: 'ball', 2: 'cone'}
    assert info.threshold == pytest.approx(0.5)


def test_thresholds_and_classes_can_change_between_frames(graph):
    assert graph.set(score_threshold=1.0) == ''
    assert graph.detect(image_message(SCENE)).detections == []
    assert graph.set(score_threshold=0.3, classes=['ball', '2']) == ''
    assert graph.detect(image_message(SCENE)).detections == []
    assert graph.set(classes=['cube']) == ''
    assert len(graph.detect(image_message(SCENE)).detections) == 1
    assert graph.set(classes=['']) == ''
    assert len(graph.detect(image_message(SCENE)).detections) == 1


@pytest.mark.parametrize(('change', 'count'), [
    pytest.param({'class_thresholds': ['cube: 1.0']}, 0, id='higher threshold of the class'),
    pytest.param({'class_thresholds': ['ball: 1.0', '2: 1']}, 1, id='thresholds of other classes'),
    pytest.param({'score_threshold': 1.0, 'class_thresholds': ['cube:0.3']}, 1,
                 id='lower threshold of the class'),
    pytest.param({'exclude_classes': ['cube']}, 0, id='excluded class'),
    pytest.param({'exclude_classes': ['ball', '2']}, 1, id='other classes excluded'),
    pytest.param({'classes': ['cube', 'ball'], 'exclude_classes': ['0']}, 0,
                 id='included and excluded class'),
    pytest.param({'min_size': 17.0}, 0, id='too small'),
    pytest.param({'min_size': 16.0}, 1, id='just large enough'),
    pytest.param({'include_zones': ['0 0, 0.5 0, 0.5 0.5, 0 0.5']}, 1, id='in an include zone'),
    pytest.param({'include_zones': ['0 0, 0.2 0, 0.2 0.2',
                                    '0.3 0.2, 0.4 0.2, 0.4 0.3, 0.3 0.3']}, 1,
                 id='in one of two include zones'),
    pytest.param({'exclude_zones': ['0 0, 1 0, 1 1, 0 1']}, 0, id='in an exclude zone'),
    pytest.param({'include_zones': ['0 0, 1 0, 1 0.25, 0 0.25']}, 1,
                 id='centre in an include zone'),
    pytest.param({'include_zones': ['0 0, 1 0, 1 0.25, 0 0.25'], 'zone_anchor': 'bottom'}, 0,
                 id='bottom outside of the include zone'),
])
def test_only_detections_that_the_parameters_accept_are_published(graph, change, count):
    assert graph.set(**change) == ''
    assert len(graph.detect(image_message(SCENE)).detections) == count


def test_a_whole_number_is_accepted_for_a_threshold(model):
    with Graph(model=model, score_threshold=1) as running:
        assert running.wait_until_connected().detect(image_message(SCENE)).detections == []


@pytest.mark.parametrize(('change', 'reason'), [
    pytest.param({'score_threshold': 1.5}, '1.5', id='out of range'),
    pytest.param({'score_threshold': 'high'}, 'high', id='not a number'),
    pytest.param({'score_threshold': float('nan')}, 'nan', id='NaN'),
    pytest.param({'classes': ['cubes']}, "did you mean 'cube'", id='unknown class'),
    pytest.param({'max_detections': 0}, '', id='max_detections of zero'),
    pytest.param({'model': 'other.onnx'}, 'model cannot change',
                 id='model while one is loaded'),
    pytest.param({'score_threshold': 0.9, 'classes': ['dog']}, 'dog',
                 id='one of two values is wrong'),
    pytest.param({'class_thresholds': ['cube']}, 'such as person: 0.3',
                 id='class without a threshold'),
    pytest.param({'class_thresholds': ['cube: 7']}, "'cube: 7'", id='threshold too high'),
    pytest.param({'class_thresholds': ['dog: 0.7']}, 'dog', id='threshold of an unknown class'),
    pytest.param({'classes': ['cube'], 'exclude_classes': ['cube']}, 'no class',
                 id='no class is left'),
    pytest.param({'exclude_classes': ['dog']}, 'dog', id='unknown class excluded'),
    pytest.param({'min_size': -1.0}, 'min_size', id='negative size'),
    pytest.param({'include_zones': ['0 0, 1 1']}, 'include_zones: polygon',
                 id='zone of two points'),
    pytest.param({'exclude_zones': ['0 0, 1 0, 640 480']}, 'fraction', id='zone in pixels'),
    pytest.param({'zone_anchor': 'top'}, 'centre', id='unknown anchor'),
    pytest.param({'hypotheses': 0}, '', id='hypotheses of zero'),
    pytest.param({'score_threshold': 0.9, 'autostart': False}, 'read-only',
                 id='autostart is read-only'),
    pytest.param({'score_threshold': 0.9, 'cameras': ['front']}, 'read-only',
                 id='cameras is read-only'),
])
def test_a_wrong_change_is_refused_as_a_whole_with_the_reason(graph, change, reason):
    assert reason in graph.set(**change) != ''
    assert graph.node.get_parameter('score_threshold').value == 0.0
    assert len(graph.detect(image_message(SCENE)).detections) == 1


def test_a_missing_model_leaves_the_node_unconfigured_with_the_reason(model):
    with Graph(model='/nowhere/model.onnx') as running:
        status = running.wait_for_status('frames')
        assert status.level == b'\x02'
        assert '/nowhere/model.onnx' in status.message
        assert running.set(model=model) == ''
        running.transit('configure', 'activate')
        assert len(running.wait_until_connected().detect(image_message(SCENE)).detections) == 1
        running.wait_for_status('frames', lambda status: status.level == b'\x00')


def test_a_class_that_the_model_lacks_is_refused_by_configure(model):
    with Graph(model=model, classes=['zebra']) as running:
        assert running.wait_for_report('zebra').level == b'\x02'
        # The refused model was released, so every parameter may change before the next attempt.
        assert running.set(classes=['cube'], workers=2) == ''
        running.transit('configure', 'activate')
        assert len(running.wait_until_connected().detect(image_message(SCENE)).detections) == 1


def test_without_autostart_the_user_triggers_the_transitions(model):
    with Graph(model=model, autostart=False) as running:
        assert 'unconfigured' in running.wait_for_status('frames').message
        for _ in range(2):
            running.transit('configure')
            for _ in range(2):
                running.transit('activate')
                running.wait_until_connected()
                assert len(running.detect(image_message(SCENE)).detections) == 1
                running.transit('deactivate')
                wait_until(lambda: not running.camera.get_subscription_count())
                running.wait_for_report('inactive')
            running.transit('cleanup')
        running.transit('shutdown')


def test_the_topics_follow_the_namespace_and_remappings(model):
    cli = ('--ros-args', '-r', 'image:=image', '-r', '__node:=fcos')
    with Graph(model=model, namespace='/robot', cli=cli) as running:
        assert running.wait_until_connected().camera.topic_name == '/robot/image'
        assert len(running.detect(image_message(SCENE)).detections) == 1
        assert running.wait_for_status('model').name == 'robot/fcos: model'


def test_diagnostics_are_published_once_a_second(model):
    with Graph(model=model, report_period=REPORT_PERIOD) as running:
        wait_until(lambda: running.reports[1:])
        assert 10**9 in [timer.timer_period_ns for timer in running.node.timers]


def test_a_camera_without_images_is_reported(model):
    with Graph(model=model, max_silence=0.5) as running:
        assert running.wait_until_connected().wait_for_report('no image').level == b'\x01'


def test_stage_times_are_reported(graph):
    graph.detect(image_message(SCENE, stamp=divmod(time.time_ns(), 10**9)))
    status = graph.wait_for_status('latency', lambda status: len(status.values) == 7)
    keys = [entry.key for entry in status.values]
    stages = ('age', 'wait', 'preprocess', 'infer', 'decode', 'publish', 'total')
    assert keys == [f'{stage} p50/p95/p99 ms' for stage in stages]
