# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Check the results of a benchmark; the exit code is the verdict.

A figure that misses its bar may be due to a slow or busy machine. A fault is wrong on any machine:
frames that are lost, out of order or not counted.

| exit code | verdict |
|---|---|
| 0 | good |
| 1 | a fault, or an error of Python |
| 2 | wrong options |
| 4 | a bar is missed, without a fault |
"""

from __future__ import annotations

from common.tables import note, note_missed_bar

FAULT = 1
BAR_MISSED = 4


class Checks:
    """The checks of one benchmark."""

    def __init__(self) -> None:
        self._missed: list[str] = []
        self._faults: list[str] = []

    def bar(self, what: str, figure: float, form: str, *, least: float = float('-inf'),
            most: float = float('inf')) -> None:
        """
        Compare a figure with its bar.

        :param form: the format of figure and bar, as for `format`.
        """
        if not least <= figure <= most:
            limits = [f'{word} {limit:{form}}' for word, limit in (
                ('at least', least), ('at most', most)) if abs(limit) != float('inf')]
            self._missed.append(
                f'{what}: {figure:{form}}; accepted: {" and ".join(limits)}')

    def require(self, holds: object, fault: str) -> None:
        """Keep a fault, unless a condition holds."""
        if not holds:
            self._faults.append(fault)

    def exit_code(self) -> int:
        """Print and record all that is wrong, after the tables; return the exit code."""
        for text in self._missed:
            note_missed_bar(text)
        for fault in self._faults:
            note(f'FAULT: {fault}')
        return FAULT if self._faults else BAR_MISSED if self._missed else 0
