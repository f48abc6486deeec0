# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A clock that a test advances."""

from __future__ import annotations


class ManualClock:
    """Returns the same time until a test advances it."""

    def __init__(self) -> None:
        self._now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance the time."""
        self._now += seconds
