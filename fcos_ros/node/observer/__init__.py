# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node beside running detectors, that observes and records them for the command `fcos`."""
