# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reports of detectors during an inspection."""

from __future__ import annotations

from fcos_ros.runtime.node_status import NodeStatus, Problem


class ReportHistory:
    """
    The first and the last report of each detector, and all its problems.

    :ivar first: the first report by the full name of the node; likewise `last`.
    :ivar instances: host and number of each process that reports under a name.
    """

    def __init__(self) -> None:
        self.first: dict[str, NodeStatus] = {}
        self.last: dict[str, NodeStatus] = {}
        self.instances: dict[str, set[tuple[str, int]]] = {}
        self._problems: dict[str, dict[tuple[str, str], Problem]] = {}

    def hear(self, status: NodeStatus) -> None:
        """Take a report."""
        self.first.setdefault(status.name, status)
        self.last[status.name] = status
        self.instances.setdefault(status.name, set()).add(
            (status.process.host, status.process.pid))
        for problem in status.problems:
            self._problems.setdefault(status.name, {})[problem.kind] = problem

    def problems(self, node: str) -> tuple[Problem, ...]:
        """Return all problems of a node, the worst first."""
        found = self._problems.get(node, {}).values()
        return tuple(sorted(found, key=lambda problem: -problem.level))
