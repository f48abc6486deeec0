# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera that needs no hardware: synthetic images, and exactly what is to be seen in each.

Publishes `image` (sensor_msgs/Image) and `ground_truth` (vision_msgs/Detection2DArray), both with
the same header; boxes are in image pixels.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
import signal
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
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
from fcos_ros.demo.scenes import PERIOD, Tour
from fcos_ros.node.qos import newest

FRAME_ID = 'demo_camera_optical_frame'

VIEWS = 12
"""Scenes of one world: a second of motion to look at, at the default rate."""

FAREWELL = 4.0
"""Seconds that listeners get to ask for what they missed: DDS asks every three."""


class Shot(NamedTuple):
    """An image as it goes into a message, uint8 of shape (bytes,), and the objects in it."""

    pixels: NDArray[np.uint8]
    truth: Detections


class Packing(NamedTuple):
    """How (H, W, 3) BGR pixels become an encoding's bytes, and the bytes of a pixel in a row."""

    pack: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    stride: int


def to_nv12(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack (H, W, 3) BGR pixels with even sides as H rows of Y and H / 2 of U, V in turn."""
    luma_size = bgr.shape[0] * bgr.shape[1]
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).ravel()
    chroma = planes[luma_size:].reshape(2, -1).T
    return np.concatenate([planes[:luma_size], chroma.ravel()])


PACKINGS: Mapping[str, Packing] = {'bgr8': Packing(np.ravel, 3), 'nv12': Packing(to_nv12, 1)}

PARAMETERS: Mapping[str, tuple[Any, str, tuple[float, float, int] | None]] = {
    'encoding': ('bgr8', f'Pixel format: {", ".join(PACKINGS)}.', None),
    'width': (640, 'Width of the image in pixels.', (64, 4096, 2)),
    'height': (480, 'Height of the image in pixels.', (64, 4096, 2)),
    'rate': (12.0, 'Images a second.', (0.1, 240.0, 0)),
    'seed': (505, 'Another seed shows other worlds.', (0, 2**31 - 1, 1)),
    'scenes': (60, 'Different images, rendered at the start and shown over and over.',
               (1, 1000, 1))}
"""Default, meaning, and for numbers least, greatest and step of each parameter."""


class DemoCamera(Node):
    """
    Renders one round through its worlds first, so that the rate holds, then goes it for ever.

    :param node_arguments: passed on to `rclpy.node.Node`.
    :raises ValueError: when the encoding is not among the accepted ones.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__('demo_camera', **node_arguments)
        values = {name: self._declare(name) for name in PARAMETERS}
        if values['encoding'] not in PACKINGS:
            raise ValueError(f'encoding is {values["encoding"]!r}: '
                             f'accepted are {", ".join(PACKINGS)}')
        self._encoding: str = values['encoding']
        self._size = Size(values['width'], values['height'])
        # Before the rendering: listeners find the topics meanwhile.
        self._images = self.create_publisher(Image, 'image', newest())
        self._truths = self.create_publisher(Detection2DArray, 'ground_truth', history())
        shots = self._render(values['seed'], values['scenes'])
        self._shots = cycle(shots)
        self.create_timer(1 / values['rate'], self._publish)
        self.get_logger().info(
            f'{self._encoding} {self._size} at {values["rate"]:g} Hz, {len(shots)} scenes')

    def destroy_node(self) -> None:
        """Let the listeners first have what was published: a lost message is repaired late."""
        if self.context.ok():
            self._truths.wait_for_all_acked(Duration(seconds=FAREWELL))
        super().destroy_node()

    def _declare(self, name: str) -> Any:
        default, description, limits = PARAMETERS[name]
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if limits is not None and isinstance(default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))]
        elif limits is not None:
            least, greatest, step = limits
            descriptor.integer_range = [
                IntegerRange(from_value=int(least), to_value=int(greatest), step=step)]
        return self.declare_parameter(name, default, descriptor).value

    def _render(self, seed: int, count: int) -> Sequence[Shot]:
        pack = PACKINGS[self._encoding].pack
        return [Shot(pack(bgr), truth) for bgr, truth in tour(self._size, seed, count)]

    def _publish(self) -> None:
        shot = next(self._shots)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        # The truth first: whoever has the image can already look it up.
        self._truths.publish(to_truth(shot.truth, header))
        self._images.publish(self._to_image(shot.pixels, header))

    def _to_image(self, pixels: NDArray[np.uint8], header: Header) -> Image:
        width, height = self._size
        message = Image(header=header, width=width, height=height, encoding=self._encoding,
                        step=width * PACKINGS[self._encoding].stride)
        # The fastest way on every distribution: the setter copies, or checks each byte in Python.
        data: array[int] = message.data
        data.frombytes(pixels.data)
        return message


def tour(size: Size, seed: int, count: int) -> Iterator[tuple[NDArray[np.uint8], Detections]]:
    """Render a round through some worlds: BGR images of shape (H, W, 3), and what is in each."""
    for number in range(count):
        if number % VIEWS == 0:
            world = Tour(seed + number // VIEWS, size)
        scene = world.look(number * PERIOD / count)
        certain = np.ones(len(scene.class_ids), np.float32)
        yield scene.image, Detections(scene.boxes, certain, scene.class_ids)


def history() -> QoSProfile:
    """Tell late listeners, too, what was in the images of the last seconds."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL)


def to_truth(truth: Detections, header: Header) -> Detection2DArray:
    """
    Say what is in an image, each object with the image's header.

    Not the detector's own conversion, which the truth is there to check.
    """
    objects = zip(truth.boxes.tolist(), truth.class_ids.tolist())
    return Detection2DArray(header=header, detections=[
        Detection2D(
            header=header,
            bbox=BoundingBox2D(
                center=Pose2D(position=Point2D(x=(left + right) / 2, y=(top + bottom) / 2)),
                size_x=right - left, size_y=bottom - top),
            results=[ObjectHypothesisWithPose(
                hypothesis=ObjectHypothesis(class_id=str(class_id), score=1.0))])
        for (left, top, right, bottom), class_id in objects])


def main(arguments: list[str] | None = None) -> int:
    """Run the camera until it is told to end."""
    # rclpy's own handlers would shut down the context, and nobody could take leave any more.
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    camera: DemoCamera | None = None
    try:
        camera = DemoCamera()
        rclpy.spin(camera)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, ParameterException) as error:
        rclpy.logging.get_logger('demo_camera').fatal(str(error))
        return 1
    finally:
        # Under `ros2 launch` Ctrl-C arrives twice; the second must not break the clean-up.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if camera is not None:
            camera.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
