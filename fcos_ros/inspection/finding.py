# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A problem that an inspection found, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

GRAPH, MODEL, BOARD, MACHINE = 'graph', 'model', 'board', 'machine'
"""The areas of an inspection."""


class Severity(IntEnum):
    """
    How much a finding matters.

    A note may be intended. A warning makes detections worse, late or rare. An error prevents them.
    """

    NOTE = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Finding:
    """
    One problem.

    :ivar area: one of the areas above.
    :ivar text: the problem with its facts.
    :ivar cure: the command that mends it, or that shows where to mend it.
    """

    severity: Severity
    area: str
    text: str
    cure: str
