# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert detections and images to messages.

Every field gets a Python number or text. From numpy types, newer distributions silently publish
wrong values.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
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
    VisionInfo,
)

from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.labels import Labels

Message = TypeVar('Message')


def to_detection_array(
    detections: Detections, header: Header, labels: Labels | None = None,
) -> Detection2DArray:
    """
    Return detections as a message.

    :param detections: in image pixels.
    :param header: the header of the image; the message and each detection get it.
    :param labels: if given, `class_id` is the name of the class; else its decimal index.
    """
    boxes = detections.boxes.tolist()
    scores = detections.scores.tolist()
    class_ids = detections.class_ids.tolist()
    message = Detection2DArray(header=header, detections=[
        _detection(header, box, score, class_id)
        for box, score, class_id in zip(boxes, scores, class_ids)])
    _add_alternatives(message.detections, detections.alternatives)
    if detections.track_ids is not None:
        for detection, track_id in zip(message.detections, detections.track_ids.tolist()):
            detection.id = str(track_id or '')
    if labels is not None:
        for detection in message.detections:
            _name(detection, labels)
    return message


def to_image(bgr: NDArray[np.uint8], header: Header) -> Image:
    """Return (H, W, 3) BGR pixels as a packed bgr8 image."""
    height, width, channels = bgr.shape
    message = Image(header=header, height=height, width=width, encoding='bgr8', is_bigendian=0,
                    step=channels * width)
    # The setter of `data` would copy the pixels, or check each byte in Python.
    pixels: array[int] = message.data
    pixels.frombytes(np.ascontiguousarray(bgr).data.cast('B'))
    return message


def to_compressed_image(jpeg: NDArray[np.uint8], header: Header) -> CompressedImage:
    """Return a JPEG file, made of BGR pixels, as a message."""
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    content: array[int] = message.data
    content.frombytes(jpeg.data.cast('B'))
    return message


def to_vision_info(method: str, location: str, version: int, header: Header) -> VisionInfo:
    """Return a message with the detector's name, and the topic and version of its labels."""
    return VisionInfo(header=header, method=method, database_location=location,
                      database_version=version)


def to_label_info(names: Iterable[str], threshold: float, header: Header) -> LabelInfo:
    """Return a message with the name of each class index and the minimum published score."""
    classes: Iterable[Any] = (
        VisionClass(class_id=index, class_name=name) for index, name in enumerate(names))
    return LabelInfo(header=header, class_map=list(classes), threshold=float(threshold))


def _detection(header: Header, box: list[float], score: float, class_id: int) -> Detection2D:
    x1, y1, x2, y2 = box
    point = _new_point()
    point.x, point.y = (x1 + x2) / 2, (y1 + y2) / 2
    centre = _new_pose()
    centre.position = point
    bounds = _new_box()
    bounds.center, bounds.size_x, bounds.size_y = centre, x2 - x1, y2 - y1
    detection = _new_detection()
    detection.header, detection.bbox = header, bounds
    detection.results = [_result(class_id, score)]
    return detection


def _result(class_id: int, score: float) -> ObjectHypothesisWithPose:
    hypothesis = _new_hypothesis()
    hypothesis.class_id, hypothesis.score = str(class_id), score
    result = _new_result()
    result.hypothesis = hypothesis
    return result


def _add_alternatives(found: list[Detection2D], alternatives: Alternatives | None) -> None:
    """Append the alternatives of each detection to its results."""
    if alternatives is None:
        return
    rows = zip(found, alternatives.class_ids.tolist(), alternatives.scores.tolist())
    for detection, class_ids, scores in rows:
        detection.results += [
            _result(class_id, score) for class_id, score in zip(class_ids, scores)
            if class_id >= 0]


def _name(detection: Detection2D, labels: Labels) -> None:
    """Replace class indices by names."""
    for result in detection.results:
        result.hypothesis.class_id = labels.name(int(result.hypothesis.class_id))


def _maker(kind: Callable[[], Message]) -> Callable[[], Message]:
    """
    Return a function that makes messages whose fields share the same default values.

    It replaces the constructor, which makes a default for each message field, even if the field
    is given. With constructors, the conversion takes five times as long. The shared values may be
    replaced but not changed.
    """
    example = kind()
    slots: Any = [vars(type(example))[name] for name in type(example).__slots__]  # type: ignore[attr-defined]
    defaults = [(slot.__set__, slot.__get__(example)) for slot in slots]

    def make() -> Message:
        message = example.__new__(type(example))
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
