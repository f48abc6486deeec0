# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pause before another attempt at something that failed."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

MAX_PAUSE = 8.0
"""Maximum seconds between two attempts."""


class BackOff:
    """
    Calculate pauses: none after the first failure, a longer one after each further failure.

    :ivar failures: number of failures in a row.
    :ivar reason: the text of the last failure.

    :param clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._retry = 0.0
        self.reason = ''
        self.failures = 0

    @property
    def remaining(self) -> float:
        """Seconds until the next attempt; 0 when it is due."""
        return max(0.0, self._retry - self._clock()) if self.failures else 0.0

    def fail(self, reason: object) -> None:
        """Note a failure."""
        pause = min(2.0 ** (self.failures - 2), MAX_PAUSE) if self.failures else 0.0
        self.failures += 1
        self.reason = str(reason)
        self._retry = self._clock() + pause

    def succeed(self) -> None:
        """Forget all failures."""
        self.failures = 0
