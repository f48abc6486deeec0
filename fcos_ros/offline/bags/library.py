# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The libraries that read and write bags; they are imported when the first bag is opened."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

from fcos_ros.offline.frames import OfflineError
from fcos_ros.recording.mcap_library import mcap as load_mcap

COMMAND = 'python3 -m pip install rosbags mcap'


class BagLibraryError(OfflineError):
    """The libraries that read and write bags are not installed."""


@cache
def rosbags() -> Any:
    """
    Return the parts of rosbags that we use, as attributes.

    :raises BagLibraryError: it is not installed.
    """
    try:
        from rosbags import interfaces, rosbag1, rosbag2, typesys
        from rosbags.convert import converter
        from rosbags.rosbag2 import metadata
    except ImportError as error:
        raise _missing('rosbags', error) from error
    return SimpleNamespace(interfaces=interfaces, rosbag1=rosbag1, rosbag2=rosbag2,
                           typesys=typesys, parse_qos=metadata.parse_qos,
                           latched_qos=converter.LATCH,
                           is_same_wire_format=converter.is_same_wireformat,
                           migrate=converter.migrate_bytes)


@cache
def mcap() -> Any:
    """
    Return the parts of mcap that we use, as attributes.

    :raises BagLibraryError: it is not installed.
    """
    try:
        return load_mcap()
    except ImportError as error:
        raise _missing('mcap', error) from error


def _missing(name: str, error: ImportError) -> BagLibraryError:
    return BagLibraryError(f'bags are read and written by the library {name}, which cannot be '
                           f'imported: {error}; run: {COMMAND}')
