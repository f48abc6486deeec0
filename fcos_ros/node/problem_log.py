# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings in the log about problems that persist or return, without a flood of lines."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic

from rclpy.node import Node

REPEAT_PERIOD = 60.0
"""Seconds after which a problem is logged again: often enough to find it in a long log."""


class RepeatedWarning:
    """Log problems that come and go; each kind at most once in `REPEAT_PERIOD`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._logged: dict[Hashable, float] = {}

    def warn(self, kind: Hashable, problem: str) -> None:
        """Log a problem, unless one of its kind was logged lately."""
        now = monotonic()
        if now - self._logged.get(kind, -REPEAT_PERIOD) >= REPEAT_PERIOD:
            self._logged[kind] = now
            self._node.get_logger().warning(problem)


class PersistentWarning:
    """
    Log a problem once it has persisted, and again only after it was gone or has changed.

    :param persistence: seconds.
    """

    def __init__(self, node: Node, persistence: float) -> None:
        self._node = node
        self._persistence = persistence
        self._problem = self._logged = ''
        self._since = 0.0

    def update(self, problem: str) -> None:
        """
        Check the present state.

        :param problem: the problem; empty if there is none.
        """
        if problem != self._problem:
            self._problem, self._since = problem, monotonic()
        if not problem:
            self._logged = ''
        elif problem != self._logged and monotonic() - self._since >= self._persistence:
            self._logged = problem
            self._node.get_logger().warning(problem)
