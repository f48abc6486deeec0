# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in flight: detectors, workers, the pool that drives them, and their statistics."""
