# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the cost of the outputs: annotated images, and messages with detections.

Run `python benchmarks/outputs.py`; it prints Markdown tables. Images are drawn on a separate
thread, so detections only wait for the time in the column `publish`. The baseline draws on the
whole image and scales it afterwards. Messages are converted and serialised before the next frame
is published. Except for Detection2DArray, this happens only if there is a subscriber. Messages
whose package is not installed are left out. The baseline of Detection2DArray is made with the
constructors of its parts, and serialised by rclpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
import sys
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs import msg as vision_msgs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import Table, note
from common.timing import ROUNDS, interleaved_medians

from fcos_ros.backends import load
from fcos_ros.core.annotate import annotate, draw
from fcos_ros.core.arrays import Pixels
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import COCO
from fcos_ros.core.resize import Size
from fcos_ros.messages.detections import serialise_detections
from fcos_ros.node.output.annotated_image import AnnotatedImageOutput
from fcos_ros.node.output.foxglove_annotations import FoxgloveConverter
from fcos_ros.node.output.messages import to_compressed_image, to_image
from fcos_ros.node.output.perception_targets import PerceptionTargetsConverter
from fcos_ros.node.output.publisher import FrameDetections
from fcos_ros.runtime.detector import StageTimes

CHECKOUT = Path(__file__).resolve().parents[1]
IMAGES = ((Size(640, 480), 0), (Size(1920, 1080), 0), (Size(1920, 1080), 640))
"""Sizes of frames, and values of the parameter `annotated_width`."""

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]


def main() -> None:
    """Print the tables."""
    cv2.setNumThreads(1)
    note(f'OpenCV {cv2.__version__}, one thread; milliseconds, medians of {ROUNDS} rounds')
    rclpy.init()
    node = LifecycleNode('outputs')
    _print_images(node)
    _print_detections()
    _print_messages(node)
    node.destroy_node()
    rclpy.shutdown()


def _print_images(node: LifecycleNode) -> None:
    output = AnnotatedImageOutput(node, '~/', COCO)
    node.create_subscription(CompressedImage, '~/annotated_image/compressed', print, 1)
    table = Table({'nv12 frame, 10 detections': '', 'image': '', 'draw, then scale': '.2f',
                   'scale, then draw': '.2f', 'raw message': '.2f', 'JPEG message': '.2f',
                   'publish': '.2f'})
    for size, width in IMAGES:
        found = _detections(10, size)
        image = draw(found.frame, found.detections, COCO, width)
        times = interleaved_medians(
            partial(_draw_then_scale, found, image.shape[1::-1]),
            partial(draw, found.frame, found.detections, COCO, width),
            partial(to_image, image, found.header),
            partial(_to_jpeg_message, image),
            partial(_publish, output, found))
        shape = 'x'.join(map(str, image.shape[1::-1]))
        table.add(str(size), shape, *times)
    output.close()


def _print_detections() -> None:
    print()
    table = Table({'detections in an array': 'd', 'constructors': '.3f',
                   'serialised by rclpy': '.3f', 'serialised by us': '.3f'})
    for count in (0, 1, 8, 30, 100):
        found = _detections(count)
        times = interleaved_medians(
            partial(_to_array, found), partial(serialize_message, _to_array(found)),
            partial(serialise_detections, found.detections, found.header))
        table.add(count, *times)


def _to_array(found: FrameDetections) -> vision_msgs.Detection2DArray:
    message = vision_msgs.Detection2DArray(header=found.header)
    detections = found.detections
    for (x1, y1, x2, y2), score, class_id in zip(
            detections.boxes.tolist(), detections.scores.tolist(),
            detections.class_ids.tolist()):
        centre = vision_msgs.Pose2D(
            position=vision_msgs.Point2D(x=(x1 + x2) / 2, y=(y1 + y2) / 2))
        hypothesis = vision_msgs.ObjectHypothesis(class_id=str(class_id), score=score)
        message.detections.append(vision_msgs.Detection2D(
            header=found.header,
            bbox=vision_msgs.BoundingBox2D(center=centre, size_x=x2 - x1, size_y=y2 - y1),
            results=[vision_msgs.ObjectHypothesisWithPose(hypothesis=hypothesis)]))
    return message


def _print_messages(node: LifecycleNode) -> None:
    print()
    table = Table({'message': '', 'detections': 'd', 'convert': '.3f', 'serialise': '.3f'})
    for name, to_message in _converters(node):
        for count in (0, 1, 30):
            found = _detections(count)
            convert, serialise = interleaved_medians(
                partial(to_message, found), partial(serialize_message, to_message(found)))
            table.add(name, count, convert, serialise)


def _converters(node: LifecycleNode) -> Iterator[tuple[str, Callable[[FrameDetections], Any]]]:
    """Yield the name of each message type, and the function that makes such messages."""
    model = load(CHECKOUT / 'models' / 'fcos_demo.onnx').info
    with suppress(ModuleNotFoundError):
        from ai_msgs import msg as ai_msgs
        converter = PerceptionTargetsConverter(ai_msgs, model, node.get_clock())
        yield 'PerceptionTargets', converter.to_message
    with suppress(ModuleNotFoundError):
        from foxglove_msgs import msg as foxglove_msgs
        yield 'ImageAnnotations', FoxgloveConverter(foxglove_msgs, model.labels).to_message


def _publish(output: AnnotatedImageOutput, found: FrameDetections) -> None:
    if output.wanted():
        output.publish(found)


def _draw_then_scale(found: FrameDetections, size: tuple[int, int]) -> Pixels:
    canvas = np.array(found.frame.bgr())
    annotate(canvas, found.detections, COCO)
    if canvas.shape[1::-1] == size:
        return canvas
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)


def _to_jpeg_message(image: Pixels) -> CompressedImage:
    return to_compressed_image(cv2.imencode('.jpg', image, QUALITY)[1], Header())


def _detections(count: int, size: Size = Size(640, 480)) -> FrameDetections:
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 0.8, (count, 2))
    boxes = np.hstack([corners, corners + generator.uniform(0.05, 0.2, (count, 2))])
    detections = Detections(
        (boxes * [*size, *size]).astype(np.float32),
        np.linspace(1, 0.5, count, dtype=np.float32), (np.arange(count) % 3).astype(np.int32))
    return FrameDetections(_frame(size), Header(frame_id='camera_optical'), detections,
                           StageTimes(0.001, 0.01, 0.001), perf_counter(), 0.0)


def _frame(size: Size) -> Frame:
    """Return smooth colours with a little noise, as a camera does; noise makes JPEG slower."""
    y, x = np.mgrid[:size.height * 3 // 2, :size.width]
    waves = 127 + 90 * np.sin(x / 90) * np.sin(y / 70)
    noise = np.random.default_rng(0).normal(0, 4, waves.shape)
    return Frame.wrap(np.clip(waves + noise, 0, 255).astype(np.uint8), size, 'nv12')


if __name__ == '__main__':
    main()
