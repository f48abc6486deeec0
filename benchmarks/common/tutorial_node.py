# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A detector node as tutorials write it: the baseline of `whole_node.py`.

The image is converted to BGR, and inferred in the callback. All outputs are decoded in the order
of the vendor's published sample. Each image is drawn and published. It shares the engines with
`fcos_ros`, so that both run the same inferences.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.spin import spin
import cv2
from decode import Baseline
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from fcos_ros.backends import load
from fcos_ros.core.detections import Detections

COLOUR = (0, 200, 0)

Pixels = NDArray[np.uint8]


class TutorialNode(Node):
    """
    Subscribe to NV12 images on `image`; publish detections and annotated images.

    :param path: the model file.
    :param backend: a key of `backends.BACKENDS`.
    """

    def __init__(self, path: Path, backend: str) -> None:
        super().__init__('fcos')
        self._backend = load(path, backend)
        info = self._backend.info
        self._size, self._pixels = info.input.size, info.input.pixels
        self._labels, self._criteria = info.labels, info.criteria
        self._decoder = Baseline(list(info.outputs), self._size.width)
        self._detections = self.create_publisher(Detection2DArray, '~/detections', 10)
        self._annotated = self.create_publisher(Image, '~/annotated_image', 10)
        self.create_subscription(Image, 'image', self._detect, 10)

    def _detect(self, message: Image) -> None:
        image = to_bgr(message)
        outputs = self._backend.infer(self._to_tensor(image))
        found = self._decoder.decode(list(outputs), self._criteria)
        height, width = image.shape[:2]
        boxes = found.boxes * np.float32([width, height] * 2) / np.float32([*self._size] * 2)
        found = found.with_boxes(boxes)
        self._detections.publish(self._to_message(found, message))
        self._draw(image, found)
        self._annotated.publish(to_message(image, message))

    def _to_tensor(self, image: Pixels) -> Any:
        canvas = cv2.resize(image, self._size)
        if self._pixels == 'rgb':
            return np.ascontiguousarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)[None])
        area = self._size.width * self._size.height
        planes = cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        chroma = planes[area:].reshape(2, -1).transpose().reshape(-1)
        return np.concatenate([planes[:area], chroma])

    def _to_message(self, found: Detections, image: Image) -> Detection2DArray:
        message = Detection2DArray(header=image.header)
        for box, score, class_id in zip(found.boxes, found.scores, found.class_ids):
            x1, y1, x2, y2 = map(float, box)
            detection = Detection2D(header=image.header)
            detection.bbox.center.position.x = (x1 + x2) / 2
            detection.bbox.center.position.y = (y1 + y2) / 2
            detection.bbox.size_x = x2 - x1
            detection.bbox.size_y = y2 - y1
            result = ObjectHypothesisWithPose()
            result.hypothesis.class_id = str(class_id)
            result.hypothesis.score = float(score)
            detection.results.append(result)
            message.detections.append(detection)
        return message

    def _draw(self, image: Pixels, found: Detections) -> None:
        for box, score, class_id in zip(found.boxes, found.scores, found.class_ids):
            x1, y1, x2, y2 = map(int, box)
            cv2.rectangle(image, (x1, y1), (x2, y2), COLOUR, 2)
            text = f'{self._labels.name(int(class_id))}: {score:.2f}'
            cv2.putText(image, text, (x1, y1 - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, COLOUR, 1)


def to_bgr(message: Image) -> Pixels:
    """Convert an NV12 message to BGR, as `cv_bridge` converts messages."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height * 3 // 2, message.step)
    return np.asarray(cv2.cvtColor(rows, cv2.COLOR_YUV2BGR_NV12), np.uint8)


def to_message(image: Pixels, camera: Image) -> Image:
    """Convert BGR pixels to a message, as `cv_bridge` does."""
    height, width = image.shape[:2]
    message = Image(header=camera.header, height=height, width=width, encoding='bgr8',
                    step=3 * width)
    message.data.frombytes(image.tobytes())
    return message


def run(path: str, backend: str, arguments: Sequence[str]) -> None:
    """Run the node until it is interrupted."""
    rclpy.init(args=list(arguments))
    node = TutorialNode(Path(path), backend)
    spin(node)
