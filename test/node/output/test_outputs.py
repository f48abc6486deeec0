# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All outputs of a node: optional ones, failing ones, and those of several cameras."""

import sys
from types import ModuleType

import cv2
from node.graph import LATCHED, Graph, image_message
from node.topic_recorder import TopicRecorder
import numpy as np
from onnx_models import white_square
import pytest
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo
from waiting import wait_until

from fcos_ros.node.output.foxglove_annotations import FoxgloveConverter
from fcos_ros.node.output.perception_targets import PerceptionTargetsConverter

SIZE = 128
SCENE = white_square(SIZE, 5, 3)

TOPICS = {'ai_msgs': 'perception_targets', 'foxglove_msgs': 'annotations'}
"""The topic of the optional output that needs a package."""


@pytest.mark.parametrize('package', TOPICS)
def test_an_output_whose_package_is_missing_is_left_out(model, monkeypatch, capfd, package):
    for module in (package, f'{package}.msg'):
        monkeypatch.setitem(sys.modules, module, None)
    with Graph(model=model) as running:
        assert len(running.wait_until_connected().detect(image_message(SCENE)).detections) == 1
        assert not running.node.count_publishers(f'fcos/{TOPICS[package]}')
    assert 'is not published' not in capfd.readouterr().err, 'a missing package is no problem'


class PackageWithoutItsLibrary(ModuleType):
    """A package whose shared library cannot be loaded."""

    def __getattr__(self, name):
        raise ImportError('undefined symbol')


class PackageWithoutMessages(ModuleType):
    """A package of another version, without the messages that the output needs."""

    msg = ModuleType('msg')


@pytest.mark.parametrize('package', TOPICS)
@pytest.mark.parametrize(('broken', 'reason'), [
    (PackageWithoutItsLibrary, 'undefined symbol'), (PackageWithoutMessages, 'no attribute')])
def test_an_output_whose_package_is_broken_is_logged_and_does_not_stop_the_node(
        model, monkeypatch, capfd, package, broken, reason):
    monkeypatch.setitem(sys.modules, package, broken(package))
    with Graph(model=model) as running:
        assert len(running.wait_until_connected().detect(image_message(SCENE)).detections) == 1
        assert not running.node.count_publishers(f'fcos/{TOPICS[package]}')
        assert running.node.count_publishers('fcos/annotated_image')
    warning, = [line for line in capfd.readouterr().err.splitlines()
                if 'WARN' in line and 'is not published' in line]
    assert f'~/{TOPICS[package]} is not published: ' in warning
    assert reason in warning


@pytest.mark.parametrize(('package', 'message', 'converter'), [
    ('ai_msgs', 'PerceptionTargets', PerceptionTargetsConverter),
    ('foxglove_msgs', 'ImageAnnotations', FoxgloveConverter)], ids=TOPICS)
def test_an_output_that_fails_is_logged_and_does_not_fail_the_frame(
        model, monkeypatch, capfd, package, message, converter):
    messages = pytest.importorskip(f'{package}.msg')

    def fail(converter, found):
        raise ValueError('no room')

    monkeypatch.setattr(converter, 'to_message', fail)
    topic = f'fcos/{TOPICS[package]}'
    with Graph(model=model) as running:
        running.wait_until_connected()
        running.listen(getattr(messages, message), topic, [])
        wait_until(lambda: running.subscribers(topic))
        assert len(running.detect(image_message(SCENE)).detections) == 1
        assert running.wait_for_counts(in_flight=0, published=1)['failed'] == '0'
    assert f'cannot publish /{topic}: no room' in capfd.readouterr().err


def test_each_camera_has_all_outputs_with_its_own_settings(model):
    settings = {'cameras': ['front', 'rear'], 'rear.class_id': 'name', 'rear.annotated_width': 32,
                'front.score_threshold': 0.25}
    with Graph(model=model, **settings) as running:
        for name, threshold, width in (('front', 0.25, SIZE), ('rear', 0.5, 32)):
            camera = running.peer.create_publisher(Image, f'{name}/image', 10)
            wait_until(camera.get_subscription_count)
            labels = []
            running.listen(LabelInfo, f'fcos/{name}/label_info', labels, LATCHED)
            assert wait_until(lambda: labels)[0].threshold == threshold  # noqa: B023 - called now
            topic = f'fcos/{name}/annotated_image/compressed'
            recorder = TopicRecorder(running, CompressedImage, topic, camera)
            annotated = recorder.next(SCENE, frame_id=name)
            pixels = cv2.imdecode(np.frombuffer(annotated.data, np.uint8), cv2.IMREAD_COLOR)
            assert pixels.shape == (width, width, 3)
            assert annotated.header.frame_id == name
        topics = {topic for topic, _ in running.node.get_topic_names_and_types()}
        for name in ('front', 'rear'):
            assert {f'/fcos/{name}/{topic}' for topic in (
                'detections', 'vision_info', 'annotated_image')} <= topics
