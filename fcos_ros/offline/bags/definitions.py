# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Definitions of messages that rosbags does not know, and default values other than zero."""

from __future__ import annotations

from collections.abc import Mapping

_HBM_IMAGE = """int32 index
builtin_interfaces/Time time_stamp
uint32 height
uint32 width
uint32 data_size
uint32 step
uint8[12] encoding
uint8[{size}] data
uint32 MAX_SIZE={size}
"""

DEFINITIONS: Mapping[str, str] = {
    'vision_msgs/msg/Point2D': 'float64 x\nfloat64 y\n',
    'vision_msgs/msg/Pose2D': 'vision_msgs/Point2D position\nfloat64 theta\n',
    'vision_msgs/msg/BoundingBox2D':
        'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n',
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score\n',
    'vision_msgs/msg/ObjectHypothesisWithPose':
        'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n',
    'vision_msgs/msg/Detection2D':
        'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
        'vision_msgs/BoundingBox2D bbox\nstring id\n',
    'vision_msgs/msg/Detection2DArray':
        'std_msgs/Header header\nvision_msgs/Detection2D[] detections\n',
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    'vision_msgs/msg/LabelInfo':
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n',
    'vision_msgs/msg/VisionInfo':
        'std_msgs/Header header\nstring method\nstring database_location\n'
        'int32 database_version\n',
    'hbm_img_msgs/msg/HbmMsg1080P': _HBM_IMAGE.format(size=6_220_800),
    'hbm_img_msgs/msg/HbmMsg540P': _HBM_IMAGE.format(size=1_555_200),
    'hbm_img_msgs/msg/HbmMsg480P': _HBM_IMAGE.format(size=921_600),
}
"""The definition of each type, as in its .msg file."""
