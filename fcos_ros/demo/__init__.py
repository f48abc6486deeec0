# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered scenes with exact boxes, and a ROS 2 graph that measures the detector on them."""
