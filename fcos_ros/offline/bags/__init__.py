# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 1 and ROS 2, without ROS: their images in, detections out."""
