# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the quality of detections against ground truth."""
