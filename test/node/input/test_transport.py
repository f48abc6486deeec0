# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscription follows the type and QoS of the publishers, with Fast DDS."""

import os
from pathlib import Path
import re
import signal
import struct
import subprocess
import sys
from threading import Event
import time
import zlib

from node.camera_process import CameraProcess
from node.graph import COUNT_NAMES, Graph, image_message
from node.scene_messages import JPEG, MESSAGES, SCENE, compressed_message, hbm_message
from onnx_models import write_fcos
import pytest
from rclpy import subscription as rclpy_subscription
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2
from waiting import TIMEOUT, wait_until

from fcos_ros.node import camera as camera_module
from fcos_ros.node.input import subscription
from fcos_ros.node.input.message_types import image_header

HAS_MESSAGE_INFO = hasattr(rclpy_subscription, 'MessageInfo')
"""Whether rclpy gives the sequence number of a message; ROS 2 Humble does not."""

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
RELIABILITIES = {RELIABLE: 'reliable', BEST_EFFORT: 'best effort'}
TRANSIENT_LOCAL = DurabilityPolicy.TRANSIENT_LOCAL
OK, ERROR = b'\x00', b'\x02'

CAMERA_PROGRAM = Path(__file__).parents[1] / 'camera_program.py'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'squares.onnx'
    return str(write_fcos(path, half_box=8.0))


@pytest.fixture
def start(model):
    """Return a function that starts the node with parameters and without a camera."""
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
    """Publish an image; wait for its detection, and for diagnostics with the expected values."""
    assert len(camera.detect(graph, message).detections) == 1
    published = len(graph.arrays)
    graph.wait_for_status('frames', lambda status: (
        status.level == OK and int(values(status)['published']) >= published
        and expected.items() <= values(status).items()))


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best effort'])
@pytest.mark.parametrize(('transport', 'type_name'), [
    ('raw', 'sensor_msgs/msg/Image'), ('compressed', 'sensor_msgs/msg/CompressedImage')])
def test_a_camera_that_starts_after_the_node_is_received(
        start, cameras, transport, type_name, reliability):
    graph, message = start(), MESSAGES[transport]()
    graph.wait_for_report('no publisher on /image')
    with cameras.camera(type(message), reliability=reliability) as camera:
        detect(graph, camera, message, type=type_name, topic='/image',
               reliability=RELIABILITIES[reliability])


@pytest.mark.parametrize('name', ['HbmMsg480P', 'HbmMsg540P', 'HbmMsg1080P'])
def test_shared_memory_messages_of_each_size_are_received(start, cameras, name):
    # Reliable, as best effort may lose such large messages.
    graph, message = start(), hbm_message(name)
    with cameras.camera(type(message)) as camera:
        detect(graph, camera, message, type=f'hbm_img_msgs/msg/{name}')
    assert graph.arrays[-1].header.frame_id == '7'


def test_cameras_of_different_types_can_replace_each_other_and_the_counts_continue(start, cameras):
    graph = start()
    subscriptions = len(list(graph.node.subscriptions))
    for transport, reliability in (
            ('raw', RELIABLE), ('compressed', BEST_EFFORT), ('hbmem', RELIABLE),
            # Reliable comes first: a camera that ended may remain in the graph for 20 s, and a
            # best-effort one would then decide the reliability.
            ('raw', BEST_EFFORT)):
        message = MESSAGES[transport]()
        with cameras.camera(type(message), reliability=reliability) as camera:
            detect(graph, camera, message, reliability=RELIABILITIES[reliability])
        wait_until(lambda: len(list(graph.node.subscriptions)) == subscriptions + 1)
    counts = graph.wait_for_counts(in_flight=0)
    assert sum(int(counts[name]) for name in COUNT_NAMES) == int(counts['received']) >= 4
    graph.transit('deactivate')
    assert len(list(graph.node.subscriptions)) == subscriptions


def test_the_successor_of_a_crashed_camera_is_received_while_both_are_in_the_graph(start, cameras):
    graph = start()
    with camera_program('raw', 'image', 'reliable') as process:
        assert process.stdout.readline() == '1 detections\n'
        process.send_signal(signal.SIGKILL)
        process.wait()
    message = compressed_message()
    with cameras.camera(type(message)) as camera:
        assert len(camera.detect(graph, message).detections) == 1


def camera_program(transport, topic, reliability):
    """Start a camera in a process of its own."""
    folders = os.pathsep.join(folder for folder in sys.path if folder)
    return subprocess.Popen(
        [sys.executable, str(CAMERA_PROGRAM), transport, topic, reliability],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': folders})


def test_compressed_images_below_the_topic_are_received_while_the_topic_has_no_images(
        start, cameras):
    graph = start(cli=('--ros-args', '-r', 'image:=/cam/picture'))
    message = compressed_message()
    below = '/cam/picture/compressed'
    with cameras.camera(type(message), below) as camera:
        detect(graph, camera, message, type='sensor_msgs/msg/CompressedImage', topic=below)
        raw = MESSAGES['raw']()
        with cameras.camera(type(raw), '/cam/picture') as main:
            detect(graph, main, raw, type='sensor_msgs/msg/Image', topic='/cam/picture')


def test_the_transport_compressed_selects_the_compressed_images_below_the_topic(start, cameras):
    graph, raw, small = start(transport='compressed'), MESSAGES['raw'](), compressed_message()
    with cameras.camera(type(raw)) as main:
        graph.wait_for_report('transport is compressed')
        with cameras.camera(type(small), 'image/compressed') as camera:
            detect(graph, camera, small, topic='/image/compressed')
            wait_until(lambda: not main.subscribers())


def test_images_on_the_topic_below_are_received_while_the_advertised_topic_stays_silent(
        start, cameras, capfd):
    graph, raw, small = start(), MESSAGES['raw'](), compressed_message()
    with cameras.camera(type(raw)) as main, \
            cameras.camera(type(small), 'image/compressed') as camera:
        wait_until(main.subscribers)
        detect(graph, camera, small, topic='/image/compressed')
        log = capfd.readouterr().err
        assert '/image has had no image for' in log
        assert '/image/compressed has: subscribed to sensor_msgs/msg/CompressedImage' in log
        wait_until(lambda: not main.subscribers())
        with cameras.camera(type(raw)) as restarted:
            detect(graph, restarted, raw, topic='/image')


def test_a_slow_camera_with_both_topics_is_received_on_the_first(start, cameras):
    graph, raw, small = start(), MESSAGES['raw'](), compressed_message()
    with cameras.camera(type(raw)) as main, \
            cameras.camera(type(small), 'image/compressed') as camera:
        wait_until(main.subscribers)
        for number in range(1, 4):
            wait_until(camera.subscribers)
            camera.publish(small)
            main.publish(raw)
            graph.wait_for_counts(published=number)
            wait_until(lambda: not camera.subscribers())
        detect(graph, main, raw, topic='/image')


@pytest.mark.parametrize(('name', 'has_info'), [
    pytest.param('raw', True, id='by the numbers of the middleware', marks=pytest.mark.skipif(
        not HAS_MESSAGE_INFO, reason='ROS 2 Humble does not give the numbers')),
    pytest.param('hbmem', False, id='by the index of the message, as in ROS 2 Humble'),
])
def test_images_that_are_overwritten_before_they_are_taken_are_counted(
        start, cameras, monkeypatch, name, has_info):
    begun, go_on = hold_images(monkeypatch)
    if not has_info:
        monkeypatch.setattr(subscription, 'publisher_of', lambda info: b'')
        monkeypatch.setattr(subscription, 'number_of', lambda info: None)
    graph = start()
    messages = [MESSAGES[name]() for _ in range(9)]
    if name == 'hbmem':
        for index, message in enumerate(messages):
            message.index = index
    with cameras.camera(type(messages[0])) as camera:
        detect(graph, camera, messages[0])
        taken = int(graph.wait_for_counts(in_flight=0)['received'])
        begun.clear()
        go_on.clear()
        camera.publish(messages[1])
        assert begun.wait(TIMEOUT)
        for message in messages[2:]:
            camera.publish(message)
        go_on.set()

        def total(status):
            found = values(status)
            return int(found['received']) + int(found['missed']) == taken + 8
        found = values(graph.wait_for_status('frames', total))
        assert int(found['missed']) >= 1


def hold_images(monkeypatch):
    """
    Let the receiver wait with each image while the second event is not set.

    :returns: two events: an image has arrived, and the receiver may go on. Both may be cleared.
    """
    begun, go_on = Event(), Event()
    go_on.set()

    def held(source, message):
        begun.set()
        assert go_on.wait(TIMEOUT)
        return image_header(source, message)
    monkeypatch.setattr(camera_module, 'image_header', held)
    return begun, go_on


@pytest.mark.parametrize(('transport', 'topic'), [
    ('raw', '/image'), ('compressed', '/image/compressed')])
def test_with_transport_and_reliability_the_node_subscribes_before_there_is_a_publisher(
        start, cameras, transport, topic):
    graph = start(transport=transport, reliability='reliable')
    wait_until(lambda: graph.peer.count_subscribers(topic) == 1)
    graph.wait_for_report('no publisher on /image')
    message = MESSAGES[transport]()
    with cameras.camera(type(message), topic) as camera:
        detect(graph, camera, message, topic=topic)
    with cameras.camera(type(message), durability=TRANSIENT_LOCAL) as camera:
        detect(graph, camera, message, topic='/image')


def test_the_time_without_a_publisher_does_not_count_as_silence(start, cameras):
    graph, message = start(max_silence=0.5), MESSAGES['raw']()
    time.sleep(3.0)
    graph.wait_for_report('no publisher on /image')
    opened = time.monotonic()
    with cameras.camera(type(message)):
        status = graph.wait_for_report('no image on /image for')
        silence = int(re.search(r'for (\d+) s', status.message)[1])
        assert silence <= time.monotonic() - opened + 1.0


def test_a_missing_publisher_is_logged_with_the_topics_that_have_images(start, cameras, capfd):
    small = compressed_message()
    graph = start()
    with cameras.camera(type(small), 'cam/color/compressed'):
        graph.wait_for_report('images are published on /cam/color: add --ros-args -r '
                              'image:=/cam/color')
        log = ''

        def warning():
            nonlocal log
            log += capfd.readouterr().err
            return 'no publisher on /image' in log and 'image:=/cam/color' in log
        wait_until(warning)


def test_only_topics_of_other_cameras_are_offered_for_a_missing_one(start, cameras):
    """The images of a detector and those of the node's other camera are no remedy."""
    graph = start(cameras=['front', 'rear'])

    def wait_for(words):
        graph.wait_for_status('rear frames', lambda status: words in status.message)

    with cameras.camera(Image, 'detector/annotated_image'), cameras.camera(Image, 'front/image'):
        wait_for('no publisher on /rear/image: start the camera, or remap rear/image; no other')
        with cameras.camera(Image, 'depth'), cameras.camera(Image, 'camera/image_raw'):
            wait_for('images are published on /camera/image_raw, /depth: add --ros-args -r '
                     'rear/image:=/camera/image_raw')


def test_two_cameras_on_a_topic_are_received_with_the_weaker_reliability(start, cameras):
    graph, message = start(), MESSAGES['raw']()
    with cameras.camera(type(message)) as strong:
        detect(graph, strong, message, reliability='reliable')
        with cameras.camera(type(message), reliability=BEST_EFFORT) as weak:
            detect(graph, weak, message, reliability='best effort')
            detect(graph, strong, message, reliability='best effort')


@pytest.mark.parametrize(('parameters', 'reliability', 'remedy'), [
    pytest.param({'reliability': 'reliable'}, None, 'set the parameter reliability to auto',
                 id='parameter'),
    pytest.param({'qos_overrides./image.subscription.reliability': 'reliable'}, None,
                 'remove the parameter qos_overrides./image.subscription.reliability',
                 id='override'),
    pytest.param({'reliability': 'reliable',
                  'qos_overrides./image.subscription.reliability': 'best_effort'}, 'best effort',
                 None, id='an override has priority'),
    pytest.param({'reliability': 'best_effort'}, 'best effort', None,
                 id='parameter equals the publisher'),
    pytest.param({'reliability': 'reliable',
                  'qos_overrides./image.subscription.reliability': 'best_available'},
                 'best effort', None, id='an override to follow the publisher'),
])
def test_the_user_can_set_the_reliability_and_a_mismatch_is_reported_with_the_remedy(
        start, cameras, parameters, reliability, remedy):
    graph, message = start(**parameters), MESSAGES['raw']()
    with cameras.camera(type(message), reliability=BEST_EFFORT) as camera:
        if reliability:
            detect(graph, camera, message, reliability=reliability)
            return
        status = graph.wait_for_report('/camera')
        assert status.level == ERROR
        for word in ('best effort', 'requests reliable', remedy):
            assert word in status.message


def test_overrides_of_the_history_hold_after_repeated_activation(start, cameras):
    override = {'qos_overrides./image.subscription.depth': 3,
                'qos_overrides./image.subscription.history': 'keep_last'}
    graph, message = start(**override), MESSAGES['raw']()
    with cameras.camera(type(message)) as camera:
        detect(graph, camera, message)
        graph.transit('deactivate')
        wait_until(lambda: not camera.subscribers())
        graph.transit('activate')
        detect(graph, camera, message)


def test_the_last_image_of_a_latched_publisher_is_processed_by_late_subscriptions(start, cameras):
    message = MESSAGES['raw']()
    with cameras.camera(type(message), durability=TRANSIENT_LOCAL) as camera:
        camera.publish(message)
        graph = start()
        wait_until(lambda: graph.arrays)
        graph.transit('deactivate', 'activate')
        wait_until(lambda: len(graph.arrays) == 2)


def test_a_latched_publisher_and_another_one_are_both_received(start, cameras):
    graph, message = start(), MESSAGES['raw']()
    with cameras.camera(type(message), durability=TRANSIENT_LOCAL) as latched:
        detect(graph, latched, message)
        with cameras.camera(type(message)) as other:
            detect(graph, other, message)
            detect(graph, latched, message)
        with cameras.camera(type(message), reliability=BEST_EFFORT,
                            durability=TRANSIENT_LOCAL) as weak:
            detect(graph, weak, message, reliability='best effort')


def test_a_wrong_override_of_the_reliability_leaves_the_node_inactive_with_the_reason(start):
    graph = start(**{'qos_overrides./image.subscription.reliability': 'better'})
    status = graph.wait_for_status('frames', lambda status: status.level == ERROR)
    for word in ('qos_overrides./image.subscription.reliability', "'better'", 'best_effort'):
        assert word in status.message


def test_a_wrong_override_of_the_history_is_reported_as_a_failed_subscription(start, cameras):
    graph = start(**{'qos_overrides./image.subscription.history': 'sometimes'})
    with cameras.camera(type(MESSAGES['raw']())):
        status = graph.wait_for_report('cannot subscribe')
        assert status.level == ERROR
        for word in ('on /image', 'history', '`sometimes`'):
            assert word in status.message
        found = values(status)
        assert (found['type'], found['reliability'], found['publishers']) == ('', '', '1')


def test_a_publisher_without_images_is_reported_and_a_camera_on_its_topic_is_received(
        start, cameras):
    graph, message = start(), MESSAGES['raw']()
    with cameras.camera(PointCloud2):
        status = graph.wait_for_report('PointCloud2')
        assert status.level == ERROR
        assert 'sensor_msgs/msg/CompressedImage' in status.message, 'the accepted types'
        with cameras.camera(type(message)) as camera:
            assert len(camera.detect(graph, message).detections) == 1


def test_a_missing_message_package_is_reported_and_the_next_camera_is_received(
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


def truncated_image():
    """Return an image whose last byte is missing."""
    message = image_message(SCENE)
    message.data.pop()
    return message


def huge_png():
    """Return the beginning of a PNG file of 60000 x 60000 pixels."""
    body = b'IHDR' + struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    header = struct.pack('>I', 13) + body + struct.pack('>I', zlib.crc32(body))
    return b'\x89PNG\r\n\x1a\n' + header + b'\0' * 64


@pytest.mark.parametrize(('transport', 'message', 'words'), [
    pytest.param('raw', lambda: image_message(SCENE, 'yuv9'), 'yuv9', id='raw, encoding'),
    pytest.param('raw', truncated_image, '49151', id='raw, truncated'),
    pytest.param('compressed', lambda: compressed_message(JPEG[:len(JPEG) // 2]), 'truncated',
                 id='compressed, truncated'),
    pytest.param('compressed', lambda: compressed_message(b'a text'), 'accepted: jpeg, png',
                 id='compressed, no image file'),
    pytest.param('compressed', lambda: compressed_message(huge_png(), 'png'), '60000x60000',
                 id='compressed, huge'),
    pytest.param('hbmem', lambda: hbm_message(encoding=b'yuv9'), 'yuv9', id='hbmem, encoding'),
    pytest.param('hbmem', lambda: hbm_message(length=2**32 - 1), '4294967295',
                 id='hbmem, maximum data_size'),
    pytest.param('hbmem', lambda: hbm_message(length=99), '99', id='hbmem, wrong data_size'),
])
def test_a_wrong_image_is_counted_with_the_reason_and_the_next_image_is_processed(
        start, cameras, transport, message, words):
    graph, wrong, right = start(), message(), MESSAGES[transport]()
    with cameras.camera(type(right)) as camera:
        counts = camera.publish_until(lambda: failure(graph), wrong)
        assert words in counts['last_error']
        assert counts['published'] == '0', 'a failed frame must not look like an empty scene'
        assert len(camera.detect(graph, right).detections) == 1


def test_flaws_of_image_files_are_logged_with_the_topic_and_their_lines_are_not_printed(
        start, cameras, capfd):
    # A revision that libjpeg does not know, in an intact file.
    flawed = compressed_message(JPEG.replace(b'JFIF\0\x01\x01', b'JFIF\0\x09\x01'))
    graph, annotated = start(), []
    graph.listen(Image, 'fcos/annotated_image', annotated)
    with cameras.camera(type(flawed)) as camera:
        camera.publish_until(lambda: len(graph.arrays) >= 2 and annotated, flawed)
        counts = graph.wait_for_counts(in_flight=0)
        assert counts['image file has flaws'] == counts['published']
    log = capfd.readouterr().err
    line = 'image files of /image have flaws and are used: Warning: unknown JFIF revision'
    assert log.count(line) == 1
    assert log.count('unknown JFIF revision') == 1


def failure(graph):
    """Return the values of the newest report if a frame has failed, else None."""
    newest = graph.reports[-1].status if graph.reports else []
    return next((values(status) for status in newest
                 if status.name.endswith(': frames') and values(status)['failed'] != '0'), None)
