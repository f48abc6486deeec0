# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector on files: pictures, videos, streams and recordings, without ROS 2."""
