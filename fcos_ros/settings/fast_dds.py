# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The environment variables that give Fast DDS shared memory for large images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROFILE = 'package://fcos_ros/config/fastdds_images.xml'
"""Our profile, with shared memory for large images."""

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""
The variables of Fast DDS 2 and 3 with the path of a profile.

Only one is set: Fast DDS reports an error for a file that it reads twice.
"""

_TRANSPORTS_VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'
"""The variable that chooses among Fast DDS's own transports; our profile replaces them."""

SHARED_MEMORY = Path('/dev/shm')
"""The folder of the shared memory."""

SEGMENT_PREFIXES = ('fastrtps_', 'fastdds_')
"""The first letters of the names of shared memory, of Fast DDS 2 (Humble to Jazzy) and 3."""

_FAST_DDS_2_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')


def fast_dds_environment(environment: Mapping[str, str], profile: Path) -> dict[str, str]:
    """
    Return the variables to add to the environment of all processes that exchange images.

    :param environment: the present environment. Settings of Fast DDS in it have priority: they
        are those of the user or of TROS.
    :param profile: path of the profile.
    :returns: the variable for the Fast DDS of the ROS 2 distribution; empty if there are settings.
    """
    if any(environment.get(name) for name in (*PROFILE_VARIABLES, _TRANSPORTS_VARIABLE)):
        return {}
    old, new = PROFILE_VARIABLES
    is_old = environment.get('ROS_DISTRO') in _FAST_DDS_2_DISTRIBUTIONS
    return {old if is_old else new: str(profile)}
