# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert detections to drawing commands for Foxglove, which draws them on the camera's image."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode

from fcos_ros.backends import ModelInfo
from fcos_ros.core.annotate import Colour, caption, class_colour, line_width, text_colour
from fcos_ros.core.labels import Labels
from fcos_ros.node.output.messages import to_header
from fcos_ros.node.output.publisher import FrameDetections, OutputPublisher
from fcos_ros.node.qos import queued_qos

TEXT_HEIGHT = 7
"""Height of a text, in widths of a line."""


def open_foxglove_annotations(
    node: LifecycleNode, prefix: str, model: ModelInfo,
) -> OutputPublisher:
    """
    Open the topic `annotations`: a box and a text for each detection, with the image's stamp.

    :raises ModuleNotFoundError: foxglove_msgs is not installed.
    """
    from foxglove_msgs import msg as messages
    converter = FoxgloveConverter(messages, model.labels)
    return OutputPublisher(node, messages.ImageAnnotations, f'{prefix}annotations', queued_qos(),
                           converter.to_message)


class FoxgloveConverter:
    """
    Convert detections to ImageAnnotations.

    :param messages: the module `foxglove_msgs.msg`.
    """

    def __init__(self, messages: Any, labels: Labels) -> None:
        self._labels = labels
        self._messages = messages
        # In older versions of the package, only the parts of this message have stamps.
        self._stamped = 'timestamp' in messages.ImageAnnotations.get_fields_and_field_types()

    def to_message(self, found: FrameDetections) -> Any:
        """Return the message for a frame."""
        detections, line = found.detections, line_width(found.frame.size)
        stamp = {'timestamp': to_header(found.header).stamp}
        message = self._messages.ImageAnnotations(**stamp if self._stamped else {})
        for index, (box, class_id) in enumerate(
                zip(detections.boxes.tolist(), detections.class_ids.tolist())):
            paint = class_colour(class_id)
            text = ', '.join(caption(detections, index, self._labels))
            message.points.append(self._box(box, paint, line, stamp))
            message.texts.append(self._text(text, box, paint, line, stamp))
        return message

    def _box(self, box: list[float], paint: Colour, line: int, stamp: dict[str, Any]) -> Any:
        x1, y1, x2, y2 = box
        corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
        return self._messages.PointsAnnotation(
            **stamp, type=self._messages.PointsAnnotation.LINE_LOOP,
            points=[self._messages.Point2(x=x, y=y) for x, y in corners],
            outline_color=self._colour(paint), thickness=float(line))

    def _text(
        self, text: str, box: list[float], paint: Colour, line: int, stamp: dict[str, Any],
    ) -> Any:
        """Return a text above a box, or inside the box at the upper edge of the image."""
        left, top, height = box[0], box[1], float(TEXT_HEIGHT * line)
        return self._messages.TextAnnotation(
            **stamp, position=self._messages.Point2(x=left, y=max(top, height)), text=text,
            font_size=height, text_color=self._colour(text_colour(paint)),
            background_color=self._colour(paint))

    def _colour(self, paint: Colour) -> Any:
        blue, green, red = (part / 255 for part in paint)
        return self._messages.Color(r=red, g=green, b=blue, a=1.0)
