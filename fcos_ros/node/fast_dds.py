# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How processes are told which profile Fast DDS should take: by their environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROFILE = 'package://fcos_ros/config/fastdds_images.xml'
"""Ours: shared memory for large images."""

_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""What Fast DDS 2 reads, and what Fast DDS 3 reads. One of them: a file read twice is an error."""

_TRANSPORTS = 'FASTDDS_BUILTIN_TRANSPORTS'
"""What chooses among the transports of Fast DDS itself, which a profile like ours replaces."""

_FAST_DDS_2 = ('humble', 'iron', 'jazzy')


def surroundings(environment: Mapping[str, str], profile: Path) -> dict[str, str]:
    """
    Say what to add to an environment, for all processes that talk in it.

    :param environment: what a user, or TROS, has set there counts more.
    :returns: nothing, or the variable for Fast DDS of the distribution.
    """
    if any(environment.get(name) for name in (*_VARIABLES, _TRANSPORTS)):
        return {}
    old, new = _VARIABLES
    return {old if environment.get('ROS_DISTRO') in _FAST_DDS_2 else new: str(profile)}
