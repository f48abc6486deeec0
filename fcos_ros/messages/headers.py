# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The header of an image, with the field names of std_msgs/Header.

The classes of ROS 2 check each field in Python, too slowly for each image.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Stamp(NamedTuple):
    """A time, with the field names of builtin_interfaces/Time."""

    sec: int
    nanosec: int

    @classmethod
    def of(cls, stamp: Any) -> Stamp:
        """Copy a stamp of a message."""
        return cls(int(stamp.sec), int(stamp.nanosec))


class ImageHeader(NamedTuple):
    """The stamp of an image, and the name of its coordinate frame."""

    stamp: Stamp
    frame_id: str
