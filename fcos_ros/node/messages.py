# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detections and pictures to messages: the border from numpy to ROS types; `images` is the other.

Fields are given true Python numbers and text; newer distributions publish garbage, silently, for
anything else.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
    VisionClass,
)

from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels

Message = TypeVar('Message')


def to_detection_array(detections: Detections, header: Header) -> Detection2DArray:
    """Say detections in image pixels; the header, the image's own, goes into each of them."""
    boxes = detections.boxes.tolist()
    scores = detections.scores.tolist()
    class_ids = detections.class_ids.tolist()
    return Detection2DArray(header=header, detections=[
        _detection(header, box, score, class_id)
        for box, score, class_id in zip(boxes, scores, class_ids)])


def to_image(bgr: NDArray[np.uint8], header: Header) -> Image:
    """Say (H, W, 3) BGR pixels as a packed bgr8 image."""
    height, width, channels = bgr.shape
    message = Image(header=header, height=height, width=width, encoding='bgr8', is_bigendian=0,
                    step=channels * width)
    # The fastest way on every distribution: the setter copies, or checks each byte in Python.
    pixels: array[int] = message.data
    pixels.frombytes(np.ascontiguousarray(bgr).data.cast('B'))
    return message


def to_label_info(labels: Labels, threshold: float, header: Header) -> LabelInfo:
    """Say which name each `class_id` stands for, and the least score that is published."""
    classes: Iterable[Any] = (
        VisionClass(class_id=index, class_name=name) for index, name in enumerate(labels.names))
    return LabelInfo(header=header, class_map=list(classes), threshold=float(threshold))


def _detection(header: Header, box: list[float], score: float, class_id: int) -> Detection2D:
    x1, y1, x2, y2 = box
    point = _new_point()
    point.x, point.y = (x1 + x2) / 2, (y1 + y2) / 2
    centre = _new_pose()
    centre.position = point
    bounds = _new_box()
    bounds.center, bounds.size_x, bounds.size_y = centre, x2 - x1, y2 - y1
    hypothesis = _new_hypothesis()
    hypothesis.class_id, hypothesis.score = str(class_id), score
    result = _new_result()
    result.hypothesis = hypothesis
    detection = _new_detection()
    detection.header, detection.results, detection.bbox = header, [result], bounds
    return detection


def _maker(kind: Callable[[], Message]) -> Callable[[], Message]:
    """
    Make a function that makes messages with the same, shared default values in their fields.

    A constructor makes a message for each field that is one, also for fields it is given, and
    throws it away: detections made by constructors took five times as long. Shared values may
    be replaced, but not changed.
    """
    model = kind()
    slots: Any = [vars(type(model))[name] for name in type(model).__slots__]  # type: ignore[attr-defined]
    defaults = [(slot.__set__, slot.__get__(model)) for slot in slots]

    def make() -> Message:
        message = model.__new__(type(model))
        for fill, value in defaults:
            fill(message, value)
        return message
    return make


_new_point = _maker(Point2D)
_new_pose = _maker(Pose2D)
_new_box = _maker(BoundingBox2D)
_new_hypothesis = _maker(ObjectHypothesis)
_new_result = _maker(ObjectHypothesisWithPose)
_new_detection = _maker(Detection2D)
