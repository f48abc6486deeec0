# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a camera publishes, whenever: the node follows, on real Fast DDS."""

import os
import signal
import struct
import subprocess
import sys
import zlib

from camera_process import CameraProcess
from graph import Graph, image_message
from onnx_models import write_fcos
import pytest
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from scene_messages import JPEG, MESSAGES, SCENE, compressed_message, hbm_message
from sensor_msgs.msg import PointCloud2
from waiting import wait_until

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
TRANSIENT_LOCAL = DurabilityPolicy.TRANSIENT_LOCAL
OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return str(write_fcos(path, half_box=8.0))


@pytest.fixture
def start(model):
    """Start the node with these parameters, and no camera."""
    running = []

    def run(**parameters):
        running.append(Graph(model=model, camera_qos=None, **parameters))
        return running[0]

    yield run
    for graph in running:
        graph.__exit__()


@pytest.fixture(scope='module')
def cameras():
    process = CameraProcess()
    yield process
    process.close()


def values(status):
    return {entry.key: entry.value for entry in status.values}


def detect(graph, camera, message, **expected):
    """Publish an image, and wait until its object is found and the diagnostics are as expected."""
    assert len(camera.detect(graph, message).detections) == 1
    published = len(graph.arrays)
    graph.wait_for_status('frames', lambda status: (
        status.level == OK and int(values(status)['published']) >= published
        and expected.items() <= values(status).items()))


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best effort'])
@pytest.mark.parametrize(('transport', 'type_name'), [
    ('raw', 'sensor_msgs/msg/Image'), ('compressed', 'sensor_msgs/msg/CompressedImage')])
def test_a_camera_that_comes_late_is_served(start, cameras, transport, type_name, reliability):
    graph, message = start(), MESSAGES[transport]()
    graph.wait_for_report('nobody publishes /image')
    with cameras.camera(type(message), reliability=reliability) as camera:
        said = 'reliable' if reliability == RELIABLE else 'best effort'
        detect(graph, camera, message, type=type_name, topic='/image', reliability=said)


@pytest.mark.parametrize('name', ['HbmMsg480P', 'HbmMsg540P', 'HbmMsg1080P'])
def test_shared_memory_messages_of_each_size_are_served(start, cameras, name):
    """Reliable here: whether large messages come through best effort is the camera's matter."""
    graph, message = start(), hbm_message(name)
    with cameras.camera(type(message)) as camera:
        detect(graph, camera, message, type=f'hbm_img_msgs/msg/{name}')
    assert graph.arrays[-1].header.frame_id == '7'


def test_a_camera_that_comes_back_as_another_is_followed_and_loses_no_account(start, cameras):
    graph = start()
    subscriptions = len(list(graph.node.subscriptions))
    for transport, reliability in (
            ('raw', RELIABLE), ('compressed', BEST_EFFORT), ('hbmem', RELIABLE),
            ('raw', BEST_EFFORT)):  # The other way round, a lost farewell would count for 20 s.
        message = MESSAGES[transport]()
        with cameras.camera(type(message), reliability=reliability) as camera:
            said = 'reliable' if reliability == RELIABLE else 'best effort'
            detect(graph, camera, message, reliability=said)
        wait_until(lambda: len(list(graph.node.subscriptions)) == subscriptions + 1)
    account = graph.wait_for_counts(in_flight=0)
    parts = [int(account[key]) for key in ('published', 'superseded', 'expired', 'failed')]
    assert sum(parts) == int(account['received']) >= 4
    graph.transit('deactivate')
    assert len(list(graph.node.subscriptions)) == subscriptions


def test_the_successor_of_a_camera_that_crashed_is_heard_while_both_are_listed(start, cameras):
    graph = start()
    with camera_program('raw', 'image', 'reliable') as process:
        assert process.stdout.readline() == '1 detections\n'
        process.send_signal(signal.SIGKILL)
        process.wait()
    message = compressed_message()
    with cameras.camera(type(message)) as camera:
        array = camera.detect(graph, message)
        assert len(array.detections) == 1


def camera_program(transport, topic, reliability, **environment):
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    return subprocess.Popen(
        [sys.executable, f'{os.path.dirname(__file__)}/camera_program.py', transport, topic,
         reliability], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': folders, **environment})


def test_compressed_images_below_the_topic_are_taken_where_nothing_else_is(start, cameras):
    graph = start(cli=('--ros-args', '-r', 'image:=/cam/picture'))
    message = compressed_message()
    below = '/cam/picture/compressed'
    with cameras.camera(type(message), below) as camera:
        detect(graph, camera, message, type='sensor_msgs/msg/CompressedImage', topic=below)
        raw = MESSAGES['raw']()
        with cameras.camera(type(raw), '/cam/picture') as main:
            detect(graph, main, raw, type='sensor_msgs/msg/Image', topic='/cam/picture')


def test_compressed_images_below_the_topic_can_be_asked_for(start, cameras):
    graph, raw, small = start(transport='compressed'), MESSAGES['raw'](), compressed_message()
    with cameras.camera(type(raw)) as main:
        graph.wait_for_report('transport is compressed')
        with cameras.camera(type(small), 'image/compressed') as camera:
            detect(graph, camera, small, topic='/image/compressed')
            wait_until(lambda: not main.subscribers())


def test_two_cameras_on_a_topic_are_heard_as_the_weaker_allows(start, cameras):
    graph, message = start(), MESSAGES['raw']()
    with cameras.camera(type(message)) as strong:
        detect(graph, strong, message, reliability='reliable')
        with cameras.camera(type(message), reliability=BEST_EFFORT) as weak:
            detect(graph, weak, message, reliability='best effort')
            detect(graph, strong, message, reliability='best effort')


@pytest.mark.parametrize(('parameters', 'reliability', 'cure'), [
    pytest.param({'reliability': 'reliable'}, None, 'set the parameter reliability to auto',
                 id='by the parameter'),
    pytest.param({'qos_overrides./image.subscription.reliability': 'reliable'}, None,
                 'remove the parameter qos_overrides./image.subscription.reliability',
                 id='by an override'),
    pytest.param({'reliability': 'reliable',
                  'qos_overrides./image.subscription.reliability': 'best_effort'}, 'best effort',
                 None, id='an override counts more'),
    pytest.param({'reliability': 'best_effort'}, 'best effort', None, id='as it is'),
    pytest.param({'reliability': 'reliable',
                  'qos_overrides./image.subscription.reliability': 'best_available'},
                 'best effort', None, id='an override to follow'),
])
def test_reliability_can_be_forced_and_what_does_not_match_is_named(
        start, cameras, parameters, reliability, cure):
    graph, message = start(**parameters), MESSAGES['raw']()
    with cameras.camera(type(message), reliability=BEST_EFFORT) as camera:
        if reliability:
            detect(graph, camera, message, reliability=reliability)
            return
        status = graph.wait_for_report('/camera')
        assert status.level == ERROR
        for word in ('best effort', 'asks for reliable', cure):
            assert word in status.message


def test_overrides_of_history_work_and_activation_can_be_repeated(start, cameras):
    override = {'qos_overrides./image.subscription.depth': 3,
                'qos_overrides./image.subscription.history': 'keep_last'}
    graph, message = start(**override), MESSAGES['raw']()
    with cameras.camera(type(message)) as camera:
        detect(graph, camera, message)
        graph.transit('deactivate')
        wait_until(lambda: not camera.subscribers())
        graph.transit('activate')
        detect(graph, camera, message)


def test_the_only_image_of_a_latched_publisher_is_worked_on_whenever_it_came(start, cameras):
    message = MESSAGES['raw']()
    with cameras.camera(type(message), durability=TRANSIENT_LOCAL) as camera:
        camera.publish(message)
        graph = start()
        wait_until(lambda: graph.arrays)
        graph.transit('deactivate', 'activate')
        wait_until(lambda: len(graph.arrays) == 2)


def test_a_latched_publisher_is_heard_beside_one_that_is_not(start, cameras):
    graph, message = start(), MESSAGES['raw']()
    with cameras.camera(type(message), durability=TRANSIENT_LOCAL) as latched:
        detect(graph, latched, message)
        with cameras.camera(type(message)) as other:
            detect(graph, other, message)
            detect(graph, latched, message)
        with cameras.camera(type(message), reliability=BEST_EFFORT,
                              durability=TRANSIENT_LOCAL) as weak:
            detect(graph, weak, message, reliability='best effort')


def test_an_override_that_is_no_reliability_keeps_the_node_inactive_with_the_reason(start):
    graph = start(**{'qos_overrides./image.subscription.reliability': 'better'})
    status = graph.wait_for_status('frames', lambda status: status.level == ERROR)
    for word in ('qos_overrides./image.subscription.reliability', "'better'", 'best_effort'):
        assert word in status.message


def test_an_override_that_is_no_history_is_named_and_nothing_seems_connected(start, cameras):
    graph = start(**{'qos_overrides./image.subscription.history': 'sometimes'})
    with cameras.camera(type(MESSAGES['raw']())):
        status = graph.wait_for_report('cannot subscribe')
        assert status.level == ERROR
        for word in ('on /image', 'history', '`sometimes`'):
            assert word in status.message
        said = values(status)
        assert (said['type'], said['reliability'], said['publishers']) == ('', '', '1')


def test_a_topic_without_images_is_named_and_a_camera_beside_it_is_served(start, cameras):
    graph, message = start(), MESSAGES['raw']()
    with cameras.camera(PointCloud2):
        status = graph.wait_for_report('PointCloud2')
        assert status.level == ERROR
        assert 'sensor_msgs/msg/CompressedImage' in status.message, 'what is accepted'
        with cameras.camera(type(message)) as camera:
            assert len(camera.detect(graph, message).detections) == 1


def test_messages_that_are_not_installed_are_named_and_the_next_camera_is_served(
        start, cameras, monkeypatch):
    message, raw = hbm_message(), MESSAGES['raw']()
    with cameras.camera(type(message)):
        monkeypatch.setitem(sys.modules, 'hbm_img_msgs.msg', None)
        graph = start()
        status = graph.wait_for_report('HbmMsg480P')
        assert status.level == ERROR
        assert 'hbm_img_msgs' in status.message
    with cameras.camera(type(raw)) as camera:
        detect(graph, camera, raw, type='sensor_msgs/msg/Image')


def truncated():
    message = image_message(SCENE)
    message.data.pop()
    return message


def bomb():
    """Return the beginning of a PNG file of 60000 x 60000 pixels."""
    body = b'IHDR' + struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    header = struct.pack('>I', 13) + body + struct.pack('>I', zlib.crc32(body))
    return b'\x89PNG\r\n\x1a\n' + header + b'\0' * 64


@pytest.mark.parametrize(('transport', 'message', 'words'), [
    pytest.param('raw', lambda: image_message(SCENE, 'yuv9'), 'yuv9', id='raw, encoding'),
    pytest.param('raw', lambda: truncated(), '49151', id='raw, truncated'),
    pytest.param('compressed', lambda: compressed_message(JPEG[:len(JPEG) // 2]), 'cut off',
                 id='compressed, truncated'),
    pytest.param('compressed', lambda: compressed_message(b'no picture'), 'accepted are jpeg, png',
                 id='compressed, no file'),
    pytest.param('compressed', lambda: compressed_message(bomb(), 'png'), '60000x60000',
                 id='compressed, bomb'),
    pytest.param('hbmem', lambda: hbm_message(encoding=b'yuv9'), 'yuv9', id='hbmem, encoding'),
    pytest.param('hbmem', lambda: hbm_message(length=2**32 - 1), '4294967295',
                 id='hbmem, hostile data_size'),
    pytest.param('hbmem', lambda: hbm_message(length=99), '99', id='hbmem, wrong data_size'),
])
def test_bad_input_is_counted_with_what_was_given_and_the_next_frame_is_served(
        start, cameras, transport, message, words):
    graph, bad, good = start(), message(), MESSAGES[transport]()
    with cameras.camera(type(good)) as camera:
        account = camera.publish_until(lambda: failure(graph), bad)
        assert words in account['last_error']
        assert account['published'] == '0', 'a failed frame must not look like an empty scene'
        assert len(camera.detect(graph, good).detections) == 1


def failure(graph):
    """Return the values of the newest report when a frame has failed, else None."""
    newest = graph.reports[-1].status if graph.reports else []
    return next((values(status) for status in newest
                 if status.name.endswith(': frames') and values(status)['failed'] != '0'), None)
