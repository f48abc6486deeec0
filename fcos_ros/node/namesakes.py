# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detect other nodes with the same full name."""

from __future__ import annotations

from time import monotonic

from rclpy.node import Node

LEASE = 25.0
"""Seconds. A process that crashed stays in the graph of Fast DDS for 20 s; its successor has the
same name."""


class NamesakeChecker:
    """Count the other nodes with the full name of a node, once they have stayed for `LEASE`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since = monotonic()

    def count(self) -> int:
        """Return the number of other nodes with the same full name."""
        own = (self._node.get_name(), self._node.get_namespace())
        others = self._node.get_node_names_and_namespaces().count(own) - 1
        if others < 1:
            self._since = monotonic()
        return others if monotonic() - self._since >= LEASE else 0
