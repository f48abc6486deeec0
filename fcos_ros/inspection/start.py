# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Begin to look at the ROS graph; only here is ROS 2 imported on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fcos_ros.inspection.session import Session

SOURCE = 'source /opt/ros/DISTRO/setup.bash'
"""The command that makes ROS 2 importable."""


class RosError(RuntimeError):
    """ROS 2 is missing or cannot start; the message has the reason and the remedy."""


class RosMissingError(RosError):
    """ROS 2 cannot be imported."""


def open_session(name: str) -> Session:
    """
    Start a node that looks at the graph; use it in a `with` block.

    :raises RosMissingError: ROS 2 cannot be imported.
    :raises RosError: ROS 2 cannot start.
    """
    try:
        from fcos_ros.inspection.session import Session
    except ImportError as error:
        raise RosMissingError(f'ROS 2 cannot be imported ({error}); run: {SOURCE}') from error
    return Session(name)
