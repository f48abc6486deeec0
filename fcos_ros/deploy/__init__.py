# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a trained network to the file of a board."""
