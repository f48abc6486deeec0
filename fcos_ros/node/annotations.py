# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections as drawing orders for Foxglove, which lays them over the camera's own image."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode

from fcos_ros.backends import ModelInfo
from fcos_ros.core.annotate import Colour, caption, colour, contrast, line_width
from fcos_ros.node.outlet import Finding, Outlet
from fcos_ros.node.qos import every

FONT = 7
"""Height of letters, in widths of a line."""


class Annotations(Outlet):
    """
    `annotations`: a box and a line of text for each detection, with the stamp of the image.

    :raises ModuleNotFoundError: when foxglove_msgs is not installed.
    """

    def __init__(self, node: LifecycleNode, prefix: str, model: ModelInfo) -> None:
        from foxglove_msgs import msg as messages
        super().__init__(node, messages.ImageAnnotations, f'{prefix}annotations', every())
        self._labels = model.labels
        self._messages: Any = messages
        # Older versions of the package stamp the parts only.
        self._stamped = 'timestamp' in messages.ImageAnnotations.get_fields_and_field_types()

    def message(self, finding: Finding) -> Any:
        """Say what was found in a frame."""
        found, line = finding.detections, line_width(finding.frame.size)
        stamp = {'timestamp': finding.header.stamp}
        message = self._messages.ImageAnnotations(**stamp if self._stamped else {})
        for index, (box, class_id) in enumerate(
                zip(found.boxes.tolist(), found.class_ids.tolist())):
            paint = colour(class_id)
            text = ', '.join(caption(found, index, self._labels))
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
        """Write on the upper edge of a box, or below that where the image ends."""
        left, top, height = box[0], box[1], float(FONT * line)
        return self._messages.TextAnnotation(
            **stamp, position=self._messages.Point2(x=left, y=max(top, height)), text=text,
            font_size=height, text_color=self._colour(contrast(paint)),
            background_color=self._colour(paint))

    def _colour(self, paint: Colour) -> Any:
        blue, green, red = (part / 255 for part in paint)
        return self._messages.Color(r=red, g=green, b=blue, a=1.0)
