# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error for images that cannot be used."""

from __future__ import annotations


class FrameError(ValueError):
    """The data is not a valid image of the stated format and size."""
