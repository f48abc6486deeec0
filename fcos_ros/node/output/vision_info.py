# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publish the names of the classes and the thresholds, also to late subscribers."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header
from vision_msgs import msg as vision_msgs

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.messages.vision_info import class_names, method, to_label_info, to_vision_info
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
        self._model = model
        self._versions = versions
        self._published = 0
        self._label_info = node.create_lifecycle_publisher(
            vision_msgs.LabelInfo, f'{prefix}label_info', latched_qos())
        self._vision_info = node.create_lifecycle_publisher(
            vision_msgs.VisionInfo, f'{prefix}vision_info', latched_qos())

    def publish(self, criteria: Criteria, class_id: str) -> None:
        """
        Publish both messages, unless they are published already.

        :param class_id: the value of `class_id` in detections: `index` or `name`.
        """
        model, names = self._model, class_names(self._model)
        thresholds = (float(criteria.thresholds(len(names)).min()), criteria.score_threshold,
                      criteria.class_thresholds)
        version = self._versions.number((method(model), names, thresholds, class_id))
        if version == self._published:
            return
        self._published = version
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(to_label_info(vision_msgs, model, criteria, header))
        self._vision_info.publish(to_vision_info(
            vision_msgs, model, self._label_info.topic_name, version, header))

    def close(self) -> None:
        """Destroy both publishers."""
        self._node.destroy_lifecycle_publisher(self._label_info)
        self._node.destroy_lifecycle_publisher(self._vision_info)
