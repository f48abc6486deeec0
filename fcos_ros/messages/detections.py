# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert detections to messages of vision_msgs, with the classes of ROS 2 or of a bag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.labels import Labels

TYPES = ('Point2D', 'Pose2D', 'BoundingBox2D', 'ObjectHypothesis', 'ObjectHypothesisWithPose',
         'Detection2D', 'Detection2DArray')
"""The types of vision_msgs that detections are made of."""


class DetectionConverter:
    """
    Convert the detections of one image to a message.

    Every field gets a Python number or text.

    :param new: for each of `TYPES`, a function that returns a new message with default values.
        Several messages may share a default value, which is replaced and never changed.
    """

    def __init__(self, new: Mapping[str, Callable[[], Any]]) -> None:
        (self._new_point, self._new_pose, self._new_box, self._new_hypothesis, self._new_result,
         self._new_detection, self._new_array) = (new[name] for name in TYPES)

    def to_array(
        self, detections: Detections, header: Any, labels: Labels | None = None,
    ) -> Any:
        """
        Return a Detection2DArray.

        :param detections: in image pixels.
        :param header: the header of the image; the message and each detection get it.
        :param labels: if given, `class_id` is the name of the class; else its decimal index.
        """
        boxes = detections.boxes.tolist()
        scores = detections.scores.tolist()
        class_ids = detections.class_ids.tolist()
        found = [self._detection(header, box, score, class_id)
                 for box, score, class_id in zip(boxes, scores, class_ids)]
        self._add_alternatives(found, detections.alternatives)
        if detections.track_ids is not None:
            for detection, track_id in zip(found, detections.track_ids.tolist()):
                detection.id = str(track_id or '')
        if labels is not None:
            for detection in found:
                _name(detection, labels)
        message = self._new_array()
        message.header, message.detections = header, found
        return message

    def _detection(self, header: Any, box: list[float], score: float, class_id: int) -> Any:
        x1, y1, x2, y2 = box
        point = self._new_point()
        point.x, point.y = (x1 + x2) / 2, (y1 + y2) / 2
        centre = self._new_pose()
        centre.position = point
        bounds = self._new_box()
        bounds.center, bounds.size_x, bounds.size_y = centre, x2 - x1, y2 - y1
        detection = self._new_detection()
        detection.header, detection.bbox = header, bounds
        detection.results = [self._result(class_id, score)]
        return detection

    def _result(self, class_id: int, score: float) -> Any:
        hypothesis = self._new_hypothesis()
        hypothesis.class_id, hypothesis.score = str(class_id), score
        result = self._new_result()
        result.hypothesis = hypothesis
        return result

    def _add_alternatives(self, found: list[Any], alternatives: Alternatives | None) -> None:
        """Append the alternatives of each detection to its results."""
        if alternatives is None:
            return
        rows = zip(found, alternatives.class_ids.tolist(), alternatives.scores.tolist())
        for detection, class_ids, scores in rows:
            detection.results += [
                self._result(class_id, score) for class_id, score in zip(class_ids, scores)
                if class_id >= 0]


def _name(detection: Any, labels: Labels) -> None:
    """Replace class indices by names."""
    for result in detection.results:
        result.hypothesis.class_id = labels.name(int(result.hypothesis.class_id))
