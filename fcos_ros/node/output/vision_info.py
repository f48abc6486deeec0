# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publish the names of the classes and the thresholds, also to late subscribers."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionInfo

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.node.output.messages import to_label_info, to_vision_info
from fcos_ros.node.qos import latched_qos


class VersionCounter:
    """Count the versions of a content from 1; the number stays while the content is the same."""

    def __init__(self) -> None:
        self._number = 0
        self._content: object = None

    def number(self, content: object) -> int:
        """Return the number of the version with this content."""
        if content != self._content:
            self._number += 1
            self._content = content
        return self._number


class VisionInfoPublisher:
    """
    The latched topics `label_info` and `vision_info`; `vision_info` names the topic of the labels.

    :param prefix: prefix of the topics.
    :param versions: the counter of this camera. It outlives the publishers: subscribers that
        remain must see a new number for new labels.
    """

    def __init__(
        self, node: LifecycleNode, prefix: str, model: ModelInfo, versions: VersionCounter,
    ) -> None:
        self._node = node
        self._names = tuple(map(model.labels.name, range(model.head.num_classes)))
        self._method = f'{model.name} ({model.backend})'
        self._versions = versions
        self._published = 0
        self._label_info = node.create_lifecycle_publisher(
            LabelInfo, f'{prefix}label_info', latched_qos())
        self._vision_info = node.create_lifecycle_publisher(
            VisionInfo, f'{prefix}vision_info', latched_qos())

    def publish(self, criteria: Criteria, class_id: str) -> None:
        """
        Publish both messages, unless they are published already.

        :param class_id: the value of `class_id` in detections: `index` or `name`.
        """
        minimum = float(criteria.thresholds(len(self._names)).min())
        thresholds = minimum, criteria.score_threshold, criteria.class_thresholds
        version = self._versions.number((self._method, self._names, thresholds, class_id))
        if version == self._published:
            return
        self._published = version
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(to_label_info(self._names, minimum, header))
        self._vision_info.publish(
            to_vision_info(self._method, self._label_info.topic_name, version, header))

    def close(self) -> None:
        """Destroy both publishers."""
        self._node.destroy_lifecycle_publisher(self._label_info)
        self._node.destroy_lifecycle_publisher(self._vision_info)
