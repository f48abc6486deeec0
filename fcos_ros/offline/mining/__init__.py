# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose the frames of bags that are worth labelling."""
