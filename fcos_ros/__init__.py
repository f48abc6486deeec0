# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""FCOS object detection for ROS 2."""
