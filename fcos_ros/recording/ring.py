# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of the last seconds, in memory."""

from __future__ import annotations

from collections import deque

from fcos_ros.recording.writer import Entry

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of messages in memory: 10 minutes of 30 Hz with 3 kB each."""


class RingBuffer:
    """
    Keep the entries of the last seconds, as long as they need no more than `MAX_BYTES`.

    :ivar seconds: may be changed at any time.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._entries: deque[tuple[float, Entry]] = deque()
        self._bytes = 0

    def add(self, entry: Entry, now: float) -> None:
        """Add an entry, and drop those that are too old or need too much memory."""
        self._entries.append((now, entry))
        self._bytes += entry.size
        while self._entries and (self._entries[0][0] < now - self.seconds
                                 or self._bytes > MAX_BYTES):
            self._bytes -= self._entries.popleft()[1].size

    def take(self, now: float) -> list[Entry]:
        """Remove and return the entries of the last seconds, in order."""
        entries = [entry for added, entry in self._entries if added >= now - self.seconds]
        self.clear()
        return entries

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self._bytes = 0
