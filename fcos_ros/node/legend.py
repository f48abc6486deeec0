# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What class ids and scores mean: told whenever it changes, and to whoever comes later."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionInfo

from fcos_ros.backends import ModelInfo
from fcos_ros.core.decode import Criteria
from fcos_ros.node.messages import to_label_info, to_vision_info
from fcos_ros.node.qos import latched


class Editions:
    """Numbers what is said, from 1; what is said again bears the number it had."""

    def __init__(self) -> None:
        self._number = 0
        self._said: object = None

    def number(self, content: object) -> int:
        """Tell the number of what is to be said."""
        if content != self._said:
            self._number += 1
            self._said = content
        return self._number


class Legend:
    """
    `label_info` and `vision_info`, latched, the one naming the other.

    :param prefix: what comes before the names of the topics.
    :param editions: of this camera; they outlive the legend, as listeners do.
    """

    def __init__(
        self, node: LifecycleNode, prefix: str, model: ModelInfo, editions: Editions,
    ) -> None:
        self._node = node
        self._names = tuple(map(model.labels.name, range(model.head.num_classes)))
        self._method = f'{model.name} ({model.backend})'
        self._editions = editions
        self._told = 0
        self._labels = node.create_lifecycle_publisher(
            LabelInfo, f'{prefix}label_info', latched())
        self._method_info = node.create_lifecycle_publisher(
            VisionInfo, f'{prefix}vision_info', latched())

    def tell(self, criteria: Criteria, class_id: str) -> None:
        """
        Tell what holds from now on, unless that has been told.

        :param class_id: how the class of a detection is written, `index` or `name`.
        """
        least = float(criteria.thresholds(len(self._names)).min())
        thresholds = least, criteria.score_threshold, criteria.class_thresholds
        number = self._editions.number((self._method, self._names, thresholds, class_id))
        if number == self._told:
            return
        self._told = number
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._labels.publish(to_label_info(self._names, least, header))
        self._method_info.publish(
            to_vision_info(self._method, self._labels.topic_name, number, header))

    def close(self) -> None:
        """Tell no more; who comes later learns nothing."""
        self._node.destroy_lifecycle_publisher(self._labels)
        self._node.destroy_lifecycle_publisher(self._method_info)
