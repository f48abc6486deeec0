# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Begin to look at the ROS graph; ROS 2 is imported on demand."""

from __future__ import annotations

from collections.abc import Callable
import os
from typing import TYPE_CHECKING

from fcos_ros.inspection.finding import Severity
from fcos_ros.inspection.graph_facts import GraphView, MissingGraph
from fcos_ros.inspection.report_history import ReportHistory
from fcos_ros.runtime.node_status import NodeStatus

if TYPE_CHECKING:
    from fcos_ros.node.observer.session import Session

SOURCE = 'source /opt/ros/DISTRO/setup.bash'
"""The command that makes ROS 2 importable."""

DOMAINS = range(233)
"""The ROS domains whose ports exist."""


class RosError(RuntimeError):
    """
    ROS 2 is missing or cannot start.

    :ivar cure: the command that mends it, or that shows where to mend it.
    """

    def __init__(self, text: str, cure: str = 'env | grep -e ROS -e RMW') -> None:
        super().__init__(text)
        self.cure = cure


class RosMissingError(RosError):
    """ROS 2 cannot be imported."""


def open_session(name: str, heard: Callable[[NodeStatus], None] = lambda _: None) -> Session:
    """
    Start a node that looks at the graph; use it in a `with` block.

    :param heard: called with each report of a detector.

    :raises RosMissingError: ROS 2 cannot be imported.
    :raises RosError: ROS 2 cannot start.
    """
    try:
        from fcos_ros.node.observer.session import Session
    except ImportError as error:
        raise RosMissingError(
            f'ROS 2 cannot be imported ({error}); run: {SOURCE}', SOURCE) from error
    _require_domain(os.environ.get('ROS_DOMAIN_ID') or '0')
    return Session(name, heard)


def look_at_graph(
    node: str, seconds: float, passed: Callable[[float], None] = lambda _: None,
) -> GraphView | MissingGraph:
    """
    Watch the graph with a node of its own.

    :param node: full name of the one detector to look at; empty for all.
    :param passed: called often, with the seconds that have passed.
    """
    history = ReportHistory()
    try:
        with open_session('fcos_doctor', history.hear) as session:
            from fcos_ros.node.observer.graph import watch
            return watch(session, history, seconds, node, passed)
    except RosMissingError as error:
        return MissingGraph(Severity.NOTE, str(error), error.cure)
    except RosError as error:
        return MissingGraph(Severity.ERROR, str(error), error.cure)


def _require_domain(domain: str) -> None:
    """Raise RosError for a domain that does not exist: Fast DDS would end the process."""
    if not domain.isdecimal() or int(domain) not in DOMAINS:
        raise RosError(
            f'ROS_DOMAIN_ID is {domain}; accepted: a whole number from 0 to {DOMAINS[-1]}; no '
            'node starts with it', 'export ROS_DOMAIN_ID=0')
