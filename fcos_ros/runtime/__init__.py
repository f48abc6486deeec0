# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in flight: one detector, a pool of them, order, and the account of every frame."""
