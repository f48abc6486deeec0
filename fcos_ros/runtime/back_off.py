# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When to try again what has failed."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

LONGEST_PAUSE = 8.0
"""Seconds between two attempts at what keeps failing."""


class BackOff:
    """
    At once after the first failure, and ever later after those that follow without a success.

    :ivar failures: in a row.
    :ivar reason: of the last one.

    :param clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._retry = 0.0
        self.reason = ''
        self.failures = 0

    @property
    def remaining(self) -> float:
        """Seconds until the next attempt; 0 when it may be made."""
        return max(0.0, self._retry - self._clock()) if self.failures else 0.0

    def fail(self, reason: object) -> None:
        """Write down a failure."""
        pause = min(2.0 ** (self.failures - 2), LONGEST_PAUSE) if self.failures else 0.0
        self.failures += 1
        self.reason = str(reason)
        self._retry = self._clock() + pause

    def succeed(self) -> None:
        """Forget all failures."""
        self.failures = 0
