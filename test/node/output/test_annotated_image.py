# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The annotated image: raw and compressed, drawn for subscribers only, with limits."""

from itertools import count

import cv2
from hypothesis import given, strategies as st
from node.graph import Graph, image_message
from node.topic_recorder import TopicRecorder
import numpy as np
from onnx_models import white_square
import pytest
from sensor_msgs.msg import CompressedImage, Image
from waiting import wait_until

from fcos_ros.core.frame import Frame
from fcos_ros.node.output import annotated_image
from fcos_ros.node.output.annotated_image import RateLimiter

SIZE = 128
SCENE = white_square(SIZE, 5, 3)
EMPTY = np.zeros((SIZE, SIZE, 3), np.uint8)
RAW, COMPRESSED = 'fcos/annotated_image', 'fcos/annotated_image/compressed'


def to_pixels(message):
    if isinstance(message, CompressedImage):
        return cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def grey_nv12(bgr):
    """Return a grey image as nv12, whose colours are in a separate plane."""
    return np.vstack([bgr[:, :, 0], np.full((len(bgr) // 2, len(bgr)), 128, np.uint8)])


@pytest.mark.parametrize('topics', [(RAW,), (COMPRESSED,), (RAW, COMPRESSED)],
                         ids=['raw', 'compressed', 'both'])
def test_the_annotated_image_is_published_on_each_topic_with_a_subscriber(graph, topics):
    types = {RAW: Image, COMPRESSED: CompressedImage}
    recorders = {topic: TopicRecorder(graph, types[topic], topic) for topic in topics}
    for topic, recorder in recorders.items():
        message = recorder.next(grey_nv12(SCENE), encoding='nv12')
        assert message.header.frame_id == 'camera_optical'
        assert message.header.stamp.nanosec == 7
        pixels = to_pixels(message)
        assert pixels.shape == SCENE.shape, topic
        assert np.ptp(pixels.astype(int), axis=2).max() > 50, 'no colour on a grey image'
    if COMPRESSED in topics:
        assert recorders[COMPRESSED].messages[0].format == 'bgr8; jpeg compressed bgr8'


@pytest.fixture
def widths(monkeypatch):
    """Record the widths of all images that are drawn, and of those converted to a message."""
    def recorded(function, widths):
        def run(image, *rest):
            widths.append(image.size.width if isinstance(image, Frame) else image.shape[1])
            return function(image, *rest)
        return run

    lists = {'draw': [], 'to_image': [], '_to_jpeg': []}
    for name, widths in lists.items():
        function = getattr(annotated_image, name)
        monkeypatch.setattr(annotated_image, name, recorded(function, widths))
    return lists


def test_images_are_drawn_and_converted_only_for_subscribers(widths, graph):
    seconds = count(1)

    def detect_in_width(width):
        graph.detections_of(image_message(
            np.zeros((SIZE, width, 3), np.uint8), stamp=(next(seconds), 0)))

    def without_subscription(width):
        # After the detections in the last image, the others have been drawn or skipped.
        for each in (width, width, width, width + 4):
            detect_in_width(each)

    def with_subscription(message_type, topic, width):
        subscription = graph.listen(message_type, topic, [])
        wait_until(lambda: graph.subscribers(topic))
        for each in (width, width + 4):
            detect_in_width(each)
            wait_until(lambda: each in widths['to_image'] + widths['_to_jpeg'])  # noqa: B023
        graph.call(graph.peer.destroy_subscription, subscription)
        wait_until(lambda: not graph.subscribers(topic))

    without_subscription(8)
    with_subscription(Image, RAW, 16)
    with_subscription(CompressedImage, COMPRESSED, 24)
    without_subscription(32)
    with_subscription(Image, RAW, 40)
    settled = {name: [width for width in found if width % 8 == 0]
               for name, found in widths.items()}
    assert settled == {'draw': [16, 24, 40], 'to_image': [16, 40], '_to_jpeg': [24]}


def test_width_and_quality_can_change_while_the_node_is_active(graph):
    recorder = TopicRecorder(graph, CompressedImage, COMPRESSED)
    noise = np.random.default_rng(0).integers(0, 256, SCENE.shape, np.uint8)
    fine = recorder.next(noise)
    assert graph.set(jpeg_quality=5) == ''
    assert len(recorder.next(noise).data) < len(fine.data) / 3
    for width, expected in ((40, 40), (SIZE + 1, SIZE), (0, SIZE)):
        assert graph.set(annotated_width=width) == ''
        assert to_pixels(recorder.next(SCENE)).shape == (expected, expected, 3)


def test_annotated_rate_limits_the_images_and_not_the_detections(graph):
    recorder = TopicRecorder(graph, Image, RAW)
    recorder.next(SCENE)
    assert graph.set(annotated_rate=0.001) == ''
    for second in range(2001, 2007):
        assert graph.detections_of(image_message(SCENE, stamp=(second, 0))).detections
    assert graph.set(annotated_rate=0.0) == ''
    recorder.next(SCENE)
    stamps = [message.header.stamp.sec for message in recorder.messages]
    assert len({*range(2001, 2007)} & {*stamps}) <= 1


def test_an_image_that_cannot_be_drawn_does_not_fail_the_frame(graph, capfd):
    recorder = TopicRecorder(graph, CompressedImage, COMPRESSED)
    recorder.next(SCENE)
    # A JPEG file cannot be so wide; the detector accepts it.
    wide = np.zeros((8, 65504, 3), np.uint8)
    graph.detections_of(image_message(wide, stamp=(3000, 0)))
    recorder.next(SCENE)
    assert not any(message.header.stamp.sec == 3000 for message in recorder.messages)
    assert graph.wait_for_counts(in_flight=0)['failed'] == '0'
    logged = capfd.readouterr().err
    assert ('cannot publish /fcos/annotated_image: annotated image is 65504x8; accepted: sides up '
            'to 65500 pixels') in logged


def test_zones_are_drawn_on_the_image(model):
    with Graph(model=model, include_zones=['0 0, 1 0, 1 1, 0 1']) as running:
        recorder = TopicRecorder(running.wait_until_connected(), Image, RAW)
        pixels = to_pixels(recorder.next(EMPTY))
        assert (pixels[[0, -1]] == 255).all()
        assert not pixels[10:-10, 10:-10].any()


@given(st.floats(0.1, 100), st.lists(st.floats(0, 10), max_size=50))
def test_the_rate_limiter_never_exceeds_the_rate(rate, gaps):
    limiter, moments = RateLimiter(), np.cumsum([100, *gaps])
    allowed = [moment for moment in moments if limiter.allows(moment, rate)]
    assert len(allowed) <= (moments[-1] - moments[0]) * rate + 2


@pytest.mark.parametrize('rate', [5.0, 10.0, 14.0, 15.0, 20.0, 29.0])
def test_the_rate_limiter_reaches_the_rate_also_with_jitter(rate):
    jitter = np.random.default_rng(0).uniform(-0.005, 0.005, 300)
    moments = (100 + np.arange(300) / 30 + jitter).tolist()
    limiter = RateLimiter()
    allowed = sum(limiter.allows(moment, rate) for moment in moments)
    assert allowed == pytest.approx(10 * rate, rel=0.05)


def test_the_rate_limiter_does_not_catch_up_after_a_pause():
    limiter = RateLimiter()
    moments = [0.0, 100.0, 100.05, 100.1, 100.11]
    assert [limiter.allows(moment, 10.0) for moment in moments] == [
        True, True, False, True, False]


def test_a_higher_rate_applies_at_once():
    limiter = RateLimiter()
    assert limiter.allows(0.0, 0.001)
    assert [limiter.allows(moment, 10.0) for moment in (1.0, 1.05, 1.11, 1.15, 1.21)] == [
        False, False, True, False, True]
