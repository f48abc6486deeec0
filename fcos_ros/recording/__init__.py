# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The flight recorder: candidates, times and fates of frames in MCAP files, and their replay."""
