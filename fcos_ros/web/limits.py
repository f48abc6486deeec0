# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Limits of rates and of connections, so that no visitor can exhaust the server."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic

MAX_VISITORS = 1024
"""Visitors whose rates are remembered; the one that was quiet longest is forgotten first."""


@dataclass(frozen=True)
class Rate:
    """
    A limit of events.

    :ivar burst: events that are accepted at once.
    :ivar per_second: events that are accepted in the long run.
    """

    burst: float
    per_second: float


class RateLimit:
    """Accept the events of one visitor up to a rate (token bucket)."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left = rate.burst
        self._last = clock()

    def accepts(self, events: int = 1) -> bool:
        """Return whether so many more events are accepted; count them if so."""
        now = self._clock()
        refill = (now - self._last) * self._rate.per_second
        self._left = min(self._rate.burst, self._left + refill)
        self._last = now
        if self._left < events:
            return False
        self._left -= events
        return True


class VisitorRates:
    """Accept the events of each of many visitors up to the same rate."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._limits: OrderedDict[Hashable, RateLimit] = OrderedDict()

    def accepts(self, visitor: Hashable) -> bool:
        """Return whether one more event of a visitor is accepted; count it if so."""
        limit = self._limits.pop(visitor, None) or RateLimit(self._rate, self._clock)
        self._limits[visitor] = limit
        if len(self._limits) > MAX_VISITORS:
            self._limits.popitem(last=False)
        return limit.accepts()


class ConnectionLimit:
    """
    Bound the number of open connections.

    :param total: of all visitors.
    :param each: of one visitor.
    """

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._open: Counter[Hashable] = Counter()

    def enter(self, visitor: Hashable) -> bool:
        """Return whether one more connection is accepted; count it if so."""
        if self._open.total() >= self._total or self._open[visitor] >= self._each:
            return False
        self._open[visitor] += 1
        return True

    def leave(self, visitor: Hashable) -> None:
        """Forget a connection that was accepted."""
        self._open[visitor] -= 1
        if self._open[visitor] <= 0:
            del self._open[visitor]
