# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Count images that were published and never received, by the numbers of those received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_GAP = 1000
"""Images missing at once; a larger gap means that the publisher counts in another way."""

MAX_PUBLISHERS = 16
"""Publishers that are remembered."""


class SequenceChecker:
    """Find gaps in the sequence numbers of the messages of each publisher."""

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}

    def missing(self, publisher: bytes, number: int) -> int:
        """
        Return how many messages are missing between the last one of a publisher and this one.

        The number of a new publisher, or a smaller one than before, begins a new sequence.
        """
        if publisher not in self._last and len(self._last) >= MAX_PUBLISHERS:
            self._last.clear()
        last = self._last.get(publisher, number)
        self._last[publisher] = number
        gap = number - last - 1
        return gap if 0 < gap <= MAX_GAP else 0


def publisher_of(info: Mapping[str, Any]) -> bytes:
    """Return the identity of the publisher of a message; empty if unknown, as in ROS 2 Humble."""
    identity = info.get('publisher_gid') or {}
    return bytes(identity.get('data', b''))


def number_of(info: Mapping[str, Any]) -> int | None:
    """Return the sequence number of a message; None if it is unknown, as in ROS 2 Humble."""
    return info.get('publication_sequence_number')
