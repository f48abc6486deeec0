# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The border to ROS 2: the lifecycle node, its parameters, diagnostics and topics."""
