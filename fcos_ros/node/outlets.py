# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that is published for one camera."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from fcos_ros.backends import ModelInfo
from fcos_ros.core.annotate import annotate
from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.node.messages import to_detection_array, to_image, to_label_info
from fcos_ros.node.qos import every, latched, newest


class Outlets:
    """
    The publishers of one camera, from construction to `close`.

    :param prefix: what comes before the names of the topics, such as '~/' or '~/front/'.
    """

    def __init__(self, node: LifecycleNode, prefix: str, model: ModelInfo) -> None:
        self._node = node
        self._model = model
        overriding = QoSOverridingOptions.with_default_policies()
        self._arrays = node.create_lifecycle_publisher(
            Detection2DArray, f'{prefix}detections', every(), qos_overriding_options=overriding)
        self._images = node.create_lifecycle_publisher(
            Image, f'{prefix}annotated_image', newest(), qos_overriding_options=overriding)
        self._labels = node.create_lifecycle_publisher(
            LabelInfo, f'{prefix}label_info', latched())
        self._all: list[Any] = [self._arrays, self._images, self._labels]

    def announce(self, criteria: Criteria) -> None:
        """Tell what the detections to come mean."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._labels.publish(to_label_info(self._model.labels, criteria.score_threshold, header))

    def publish(self, frame: Frame, detections: Detections, header: Header) -> None:
        """Publish what was found in a frame; pictures of it only where somebody looks."""
        self._arrays.publish(to_detection_array(detections, header))
        if self._images.get_subscription_count():
            self._show(frame, detections, header)

    def close(self) -> None:
        """Publish no more."""
        for publisher in self._all:
            self._node.destroy_publisher(publisher)
        self._all.clear()

    def _show(self, frame: Frame, detections: Detections, header: Header) -> None:
        try:
            canvas = np.array(frame.bgr())
            annotate(canvas, detections, self._model.labels)
            self._images.publish(to_image(canvas, header))
        except Exception as error:  # noqa: BLE001 - the detections are out: the frame is not lost
            self._node.get_logger().error(
                f'no annotated image: {error}', throttle_duration_sec=1.0)
