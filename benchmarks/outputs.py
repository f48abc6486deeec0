# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What listeners cost: pictures with detections in them, and the messages that tell of detections.

Prints Markdown tables; run `python benchmarks/outputs.py`. Pictures are drawn on a thread of their
own, so `way of the frame` is all that detections wait for them; the baseline draws on the whole
image and scales afterwards. Of messages, the time to build and the time to serialise count, both
on the way of the frame, for listeners only but for Detection2DArray.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import sys
from time import perf_counter

import cv2
import numpy as np
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.timing import ROUNDS, interleaved_medians

from fcos_ros.backends import load
from fcos_ros.core.annotate import annotate, draw
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame, Pixels
from fcos_ros.core.labels import COCO
from fcos_ros.core.resize import Size
from fcos_ros.node.annotations import Annotations
from fcos_ros.node.messages import to_compressed_image, to_image
from fcos_ros.node.outlet import Finding
from fcos_ros.node.outlets import Arrays
from fcos_ros.node.perception import Perception
from fcos_ros.node.pictures import Pictures
from fcos_ros.runtime.detector import StageTimes

CHECKOUT = Path(__file__).resolve().parents[1]
PICTURES = ((Size(640, 480), 0), (Size(1920, 1080), 0), (Size(1920, 1080), 640))
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]


def main() -> None:
    """Print the tables."""
    cv2.setNumThreads(1)
    print(f'OpenCV {cv2.__version__}, one thread; milliseconds, medians of {ROUNDS} rounds\n')
    rclpy.init()
    node = LifecycleNode('outputs')
    _print_pictures(node)
    _print_messages(node)
    node.destroy_node()
    rclpy.shutdown()


def _print_pictures(node: LifecycleNode) -> None:
    pictures = Pictures(node, '~/', COCO)
    node.create_subscription(CompressedImage, f'{pictures.topic}/compressed', print, 1)
    print('| nv12 frame, 10 detections | picture | draw, then scale | scale, then draw '
          '| raw message | JPEG message | way of the frame |')
    print('| --- | --- | ---: | ---: | ---: | ---: | ---: |')
    for size, width in PICTURES:
        finding = _finding(10, size)
        picture = draw(finding.frame, finding.detections, COCO, width)

        def late() -> Pixels:
            return _scaled_late(finding, picture.shape[1::-1])  # noqa: B023 - called now

        def early() -> Pixels:
            return draw(finding.frame, finding.detections, COCO, width)  # noqa: B023 - called now

        times = interleaved_medians(
            late, early,
            lambda: to_image(picture, finding.header),  # noqa: B023 - called now
            lambda: _jpeg(picture),  # noqa: B023 - called now
            lambda: pictures.wanted() and pictures.publish(finding))  # noqa: B023 - called now
        shape = 'x'.join(map(str, picture.shape[1::-1]))
        print(f'| {size} | {shape} | ' + ' | '.join(f'{spent:.2f}' for spent in times) + ' |',
              flush=True)
    pictures.close()


def _print_messages(node: LifecycleNode) -> None:
    model = load(CHECKOUT / 'models' / 'fcos_demo.onnx').info
    outlets = {'Detection2DArray': Arrays(node, '~/', model.labels)}
    for kind in (Perception, Annotations):
        try:
            outlet = kind(node, '~/', model)
        except ModuleNotFoundError as error:
            print(f'\n{kind.__name__}: {error}')
        else:
            outlets[type(outlet.message(_finding(0))).__name__] = outlet
    print('\n| message | detections | build | serialise |')
    print('| --- | ---: | ---: | ---: |')
    for name, outlet in outlets.items():
        for count in (0, 1, 30):
            finding = _finding(count)
            message = outlet.message(finding)
            build, send = interleaved_medians(
                _calling(outlet.message, finding), _calling(serialize_message, message))
            print(f'| {name} | {count} | {build:.3f} | {send:.3f} |', flush=True)


def _calling(function: Callable[..., object], *given: object) -> Callable[[], object]:
    return lambda: function(*given)


def _scaled_late(finding: Finding, size: tuple[int, int]) -> Pixels:
    canvas = np.array(finding.frame.bgr())
    annotate(canvas, finding.detections, COCO)
    if canvas.shape[1::-1] == size:
        return canvas
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(picture: Pixels) -> CompressedImage:
    return to_compressed_image(cv2.imencode('.jpg', picture, QUALITY)[1], Header())


def _finding(count: int, size: Size = Size(640, 480)) -> Finding:
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 0.8, (count, 2))
    boxes = np.hstack([corners, corners + generator.uniform(0.05, 0.2, (count, 2))])
    detections = Detections(
        (boxes * [*size, *size]).astype(np.float32),
        np.linspace(1, 0.5, count, dtype=np.float32), (np.arange(count) % 3).astype(np.int32))
    return Finding(_frame(size), Header(frame_id='camera_optical'), detections,
                   StageTimes(0.001, 0.01, 0.001), perf_counter(), 0.0)


def _frame(size: Size) -> Frame:
    """Smooth colours under a little noise, as of a camera; JPEG takes longer for more of it."""
    y, x = np.mgrid[:size.height * 3 // 2, :size.width]
    waves = 127 + 90 * np.sin(x / 90) * np.sin(y / 70)
    noise = np.random.default_rng(0).normal(0, 4, waves.shape)
    return Frame.wrap(np.clip(waves + noise, 0, 255).astype(np.uint8), size, 'nv12')


if __name__ == '__main__':
    main()
