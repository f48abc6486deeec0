# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an image that came in."""

from __future__ import annotations


class FrameError(ValueError):
    """The bytes are not the image they are said to be."""
