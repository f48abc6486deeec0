# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A synthetic world with known truth, and a ROS graph that shows how well the detector does."""
