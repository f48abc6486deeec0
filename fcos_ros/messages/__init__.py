# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images and detections as messages; their classes are those of ROS 2 or of a bag."""
