# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera without hardware: it publishes rendered images and the exact boxes of their objects.

It publishes `image` (sensor_msgs/Image) and `ground_truth` (vision_msgs/Detection2DArray). Both
have the same header; boxes are in image pixels.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
import sys
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
)

from fcos_ros.core.detections import Detections
from fcos_ros.core.resize import Size
from fcos_ros.demo.camera_options import OPTIONS
from fcos_ros.demo.scenes import SWING_PERIOD, AnimatedScene
from fcos_ros.node.program import run_node
from fcos_ros.node.qos import latest_qos
from fcos_ros.runtime.end_signals import EndSignals
from fcos_ros.runtime.stop_request import StopRequest
from fcos_ros.settings.schema import Option

FRAME_ID = 'demo_camera_optical_frame'

IMAGES_PER_SCENE = 12
"""Images of one scene before the next one: one second of motion at the default frame rate."""

ACKNOWLEDGE_TIMEOUT = 4.0
"""Seconds to wait for acknowledgements; DDS repeats lost messages every 3 s."""


class RenderedImage(NamedTuple):
    """The data of an image message, uint8 of shape (bytes,), and the objects in the image."""

    data: NDArray[np.uint8]
    objects: Detections


class Packing(NamedTuple):
    """
    The conversion of BGR pixels to an encoding.

    :ivar pack: converts (H, W, 3) to the bytes of a message.
    :ivar step_per_pixel: bytes of `Image.step` for each pixel of the width.
    """

    pack: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    step_per_pixel: int


def to_nv12(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert (H, W, 3) BGR pixels with even sides to H rows of Y and H / 2 rows of U, V pairs."""
    luma_size = bgr.shape[0] * bgr.shape[1]
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).ravel()
    chroma = planes[luma_size:].reshape(2, -1).T
    return np.concatenate([planes[:luma_size], chroma.ravel()])


PACKINGS: Mapping[str, Packing] = {'bgr8': Packing(np.ravel, 3), 'nv12': Packing(to_nv12, 1)}


class DemoCamera(Node):
    """
    Publish rendered images at a fixed rate, over and over.

    All images are rendered at the start, as rendering is slower than the frame rate.

    :param stop_request: ends the rendering when the process shall end.
    :param node_arguments: passed to `rclpy.node.Node`.
    :raises ValueError: the encoding is not accepted.
    :raises StopRequested: the process shall end.
    """

    def __init__(
        self, stop_request: StopRequest | None = None, **node_arguments: Any,
    ) -> None:
        super().__init__('demo_camera', **node_arguments)
        self._stop_request = stop_request or StopRequest()
        values = {name: self._declare(name, option) for name, option in OPTIONS.items()}
        complaint = OPTIONS['encoding'].complaint(values['encoding'])
        if complaint:
            raise ValueError(f'encoding {complaint}')
        self._encoding: str = values['encoding']
        self._size = Size(values['width'], values['height'])
        # Created before the rendering, so that subscribers discover the topics meanwhile.
        self._image_publisher = self.create_publisher(Image, 'image', latest_qos())
        self._ground_truth_publisher = self.create_publisher(
            Detection2DArray, 'ground_truth', ground_truth_qos())
        images = self._render(values['seed'], values['scenes'])
        self._images = cycle(images)
        self.create_timer(1 / values['rate'], self._publish)
        self.get_logger().info(
            f'{self._encoding} {self._size} at {values["rate"]:g} Hz, {len(images)} scenes')

    def destroy_node(self) -> None:
        """Wait until the ground truth is received, as DDS repeats lost messages late."""
        if self.context.ok():
            self._ground_truth_publisher.wait_for_all_acked(
                Duration(seconds=ACKNOWLEDGE_TIMEOUT))
        super().destroy_node()

    def _declare(self, name: str, option: Option) -> Any:
        descriptor = ParameterDescriptor(description=option.description, read_only=True)
        if option.limits is not None:
            minimum, maximum = option.limits
            if isinstance(option.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(minimum), to_value=float(maximum))]
            else:
                descriptor.integer_range = [IntegerRange(
                    from_value=int(minimum), to_value=int(maximum), step=option.step)]
        return self.declare_parameter(name, option.default, descriptor).value

    def _render(self, seed: int, count: int) -> Sequence[RenderedImage]:
        pack = PACKINGS[self._encoding].pack
        images = []
        for bgr, objects in render_images(self._size, seed, count):
            self._stop_request.check()
            images.append(RenderedImage(pack(bgr), objects))
        return images

    def _publish(self) -> None:
        image = next(self._images)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        # The ground truth goes first, so that it is there when the image arrives.
        self._ground_truth_publisher.publish(to_ground_truth(image.objects, header))
        self._image_publisher.publish(self._to_image(image.data, header))

    def _to_image(self, pixels: NDArray[np.uint8], header: Header) -> Image:
        width, height = self._size
        message = Image(header=header, width=width, height=height, encoding=self._encoding,
                        step=width * PACKINGS[self._encoding].step_per_pixel)
        # The fastest way on every distribution: the setter copies, or checks each byte in Python.
        data: array[int] = message.data
        data.frombytes(pixels.data)
        return message


def render_images(
    size: Size, seed: int, count: int,
) -> Iterator[tuple[NDArray[np.uint8], Detections]]:
    """
    Render images of several scenes from a moving camera.

    :returns: BGR images, uint8 of shape (H, W, 3), and the objects in each.
    """
    for number in range(count):
        if number % IMAGES_PER_SCENE == 0:
            animation = AnimatedScene(seed + number // IMAGES_PER_SCENE, size)
        scene = animation.render(number * SWING_PERIOD / count)
        scores = np.ones(len(scene.class_ids), np.float32)
        yield scene.image, Detections(scene.boxes, scores, scene.class_ids)


def ground_truth_qos() -> QoSProfile:
    """Return a profile that also gives late subscriptions the last 100 messages."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL)


def to_ground_truth(objects: Detections, header: Header) -> Detection2DArray:
    """
    Convert the objects of an image to a message; each object has the header of the image.

    The detector's own conversion is not used, because the ground truth checks it.
    """
    boxes = zip(objects.boxes.tolist(), objects.class_ids.tolist())
    return Detection2DArray(header=header, detections=[
        Detection2D(
            header=header,
            bbox=BoundingBox2D(
                center=Pose2D(position=Point2D(x=(left + right) / 2, y=(top + bottom) / 2)),
                size_x=right - left, size_y=bottom - top),
            results=[ObjectHypothesisWithPose(
                hypothesis=ObjectHypothesis(class_id=str(class_id), score=1.0))])
        for (left, top, right, bottom), class_id in boxes])


def run(signals: EndSignals, arguments: Sequence[str] = sys.argv) -> int:
    """Run the camera as a program until a signal ends it; return the exit code."""
    return run_node('demo_camera', DemoCamera, signals, arguments)
