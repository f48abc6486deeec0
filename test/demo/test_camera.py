# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera of the demo: images of rendered scenes, their ground truth, the frame rate."""

import signal

from hypothesis import given, strategies as st
import numpy as np
from programs import read_output, require_clean_end, start_node
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray
from waiting import wait_until

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.demo.camera import DemoCamera, render_images, to_ground_truth, to_nv12
from fcos_ros.demo.listener import keep_all_qos, to_detections, to_header_key
from fcos_ros.demo.scenes import CLASS_NAMES

SIZE = Size(96, 64)
SEED = 505
SCENES = 3


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


def make_camera(context, **parameters):
    given = {'width': SIZE.width, 'height': SIZE.height, 'scenes': SCENES, **parameters}
    return DemoCamera(context=context, parameter_overrides=[
        Parameter(name, value=value) for name, value in given.items()])


def run(context, camera, count):
    """Run a camera; return its first images and all ground truth."""
    images, ground_truth = [], []
    listener = Node('listener', context=context)
    listener.create_subscription(Image, 'image', images.append, keep_all_qos())
    listener.create_subscription(
        Detection2DArray, 'ground_truth', ground_truth.append, keep_all_qos(latched=True))
    executor = SingleThreadedExecutor(context=context)
    for node in (listener, camera):
        executor.add_node(node)
    # The executor may deliver an image before its ground truth.
    wait_until(lambda: executor.spin_once(timeout_sec=0.1)
               or min(len(images), len(ground_truth) - 1) >= count)
    executor.shutdown()
    listener.destroy_node()
    camera.destroy_node()
    return images[:count], ground_truth


def as_frame(image):
    return Frame.wrap(image.data, Size(image.width, image.height), image.encoding, image.step)


@pytest.mark.parametrize(('encoding', 'tolerance'), [('bgr8', 0.0), ('nv12', 6.0)])
def test_each_image_shows_a_scene_and_has_the_ground_truth_of_that_scene(
        context, encoding, tolerance):
    images, ground_truth = run(context, make_camera(context, encoding=encoding, rate=20.0), 5)
    known = {to_header_key(message.header): message for message in ground_truth}
    rendered, objects = zip(*render_images(SIZE, SEED, SCENES))
    for image in images:
        assert image.encoding == encoding
        pixels = as_frame(image).bgr().astype(int)
        errors = [np.abs(pixels - expected).mean() for expected in rendered]
        shown = int(np.argmin(errors))
        assert errors[shown] <= tolerance
        found = to_detections(known[to_header_key(image.header)])
        np.testing.assert_allclose(found.boxes, objects[shown].boxes, atol=1e-3)
        assert found.class_ids.tolist() == objects[shown].class_ids.tolist()


def test_every_object_of_the_ground_truth_has_the_header_of_its_image(context):
    _, ground_truth = run(context, make_camera(context, rate=20.0), 3)
    for message in ground_truth:
        assert message.header.frame_id == 'demo_camera_optical_frame'
        assert all(detection.header == message.header for detection in message.detections)


def test_objects_are_inside_the_image_and_have_a_class():
    for _, objects in render_images(SIZE, SEED, SCENES):
        assert (objects.boxes >= 0).all()
        assert (objects.boxes <= [*SIZE, *SIZE]).all()
        assert (objects.boxes[:, 2:] > objects.boxes[:, :2]).all()
        assert set(objects.class_ids.tolist()) <= set(range(len(CLASS_NAMES)))


def test_images_are_published_at_the_frame_rate(context):
    camera = make_camera(context, rate=20.0)
    timer, = camera.timers
    assert timer.timer_period_ns == 50_000_000
    images, _ = run(context, camera, 2)
    assert images[0].header.stamp != images[1].header.stamp


def test_another_seed_renders_another_scene(context):
    first, second = (next(render_images(SIZE, seed, 1)) for seed in (SEED, SEED + 1))
    assert (first[0] != second[0]).any()


@given(st.integers(0, 255), st.integers(1, 20), st.integers(1, 20))
def test_nv12_keeps_grey_of_any_even_size(level, half_width, half_height):
    bgr = np.full((2 * half_height, 2 * half_width, 3), level, np.uint8)
    size = Size(2 * half_width, 2 * half_height)
    assert np.abs(Frame.wrap(to_nv12(bgr), size, 'nv12').bgr().astype(int) - level).max() <= 2


def test_nv12_keeps_colours():
    bgr = np.full((8, 8, 3), (200, 60, 30), np.uint8)
    found = Frame.wrap(to_nv12(bgr), Size(8, 8), 'nv12').bgr()
    np.testing.assert_allclose(found, bgr, atol=4)


CORNERS = st.tuples(*[st.floats(0, 2000, width=32)] * 4)


@given(st.lists(CORNERS, max_size=5))
def test_the_ground_truth_is_the_same_after_conversion_to_a_message_and_back(corners):
    boxes = np.array([(min(x), min(y), max(x), max(y)) for a, b, c, d in corners
                      for x, y in [((a, b), (c, d))]], np.float32).reshape(-1, 4)
    ids = np.arange(len(boxes), dtype=np.int32)
    objects = Detections(boxes, np.ones(len(boxes), np.float32), ids)
    found = to_detections(to_ground_truth(objects, Header()))
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-3)
    assert found.class_ids.tolist() == ids.tolist()


@pytest.mark.parametrize(('parameters', 'complaint'), [
    ({'encoding': 'yuv9'}, "encoding is 'yuv9'; accepted: bgr8, nv12"),
    ({'width': 97}, 'width'),
    ({'rate': 0.0}, 'rate'),
    ({'scenes': 0}, 'scenes'),
])
def test_a_wrong_parameter_is_refused_with_its_name(context, parameters, complaint):
    with pytest.raises(Exception, match=complaint):
        make_camera(context, **parameters)


CAMERA = ('-m', 'fcos_ros.demo.camera_program')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_a_signal_ends_the_camera_without_a_traceback(number):
    small = ('width:=96', 'height:=64', 'scenes:=1')
    require_clean_end(start_node(*CAMERA, parameters=small), number, Image, 'image')


def test_a_wrong_parameter_ends_the_camera_with_the_reason():
    camera = start_node(*CAMERA, parameters=('encoding:=yuv9',))
    assert "encoding is 'yuv9'; accepted: bgr8, nv12" in read_output(camera)
    assert camera.returncode == 1
