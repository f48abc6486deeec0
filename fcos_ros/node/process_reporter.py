# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report the process of the node, and the machine on which it runs."""

from __future__ import annotations

from collections.abc import Mapping
import os
import platform
from time import monotonic

from rclpy.utilities import get_rmw_implementation_identifier

from fcos_ros.runtime.boards import this_board
from fcos_ros.runtime.libraries import PACKAGE, library_versions
from fcos_ros.runtime.node_status import ProcessStatus
from fcos_ros.runtime.process_usage import UsageMeter, bpu_load, temperature


class ProcessReporter:
    """Measure this process at each report."""

    def __init__(self) -> None:
        self._start = monotonic()
        self._meter = UsageMeter()
        self._libraries = all_versions()
        board = this_board()
        self._board = board.name if board else ''

    def read(self, state: str, workers: int, working: int) -> ProcessStatus:
        """
        Return the present state of the process.

        :param state: label of the lifecycle state of the node.
        :param workers: number of workers; `working` of them run.
        """
        usage = self._meter.read()
        return ProcessStatus(
            version=self._libraries.get(PACKAGE, 'unknown'), state=state,
            uptime=monotonic() - self._start, pid=os.getpid(), host=platform.node(),
            workers=workers, working=working, memory=usage.memory, cpu=usage.cpu,
            temperature=temperature(), bpu_load=bpu_load(), board=self._board,
            libraries={name: number for name, number in self._libraries.items()
                       if name != PACKAGE})


def all_versions() -> Mapping[str, str]:
    """Return the versions of ROS 2, its middleware, this package and its libraries."""
    return {'ROS 2': os.environ.get('ROS_DISTRO', 'unknown'),
            'rmw': get_rmw_implementation_identifier(), **library_versions()}
