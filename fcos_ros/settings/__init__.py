# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that a user can set, once: schema, conversion, launch arguments, environment; no ROS 2."""
