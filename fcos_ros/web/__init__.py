# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page and its server: pictures, detections, figures and parameters in a browser."""
