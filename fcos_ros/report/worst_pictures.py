# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the pictures of the worst frames of a stream, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
import heapq
from itertools import count
from typing import NamedTuple


class KeptPicture(NamedTuple):
    """The JPEG file of a frame, and why it was kept."""

    reason: str
    stream: str
    stamp: int
    jpeg: bytes


class WorstPictures:
    """
    The pictures of the slowest frames and of those with the lowest scores.

    :param limit: maximum number of pictures for each reason.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._order = count()
        self._heaps: dict[str, list[tuple[float, int, KeptPicture]]] = {}

    def add(self, stream: str, stamp: int, jpeg: bytes, age: float,
            lowest_score: float | None) -> None:
        """
        Keep a picture as long as no others are worse.

        :param age: seconds from its stamp to the arrival of its detections.
        :param lowest_score: of its detections; None without detections.
        """
        self._push('slow', age, KeptPicture('slow', stream, stamp, jpeg))
        if lowest_score is not None:
            self._push('low score', -lowest_score,
                       KeptPicture('low score', stream, stamp, jpeg))

    def worst(self, number: int) -> list[KeptPicture]:
        """Return pictures of different frames, the worst of both reasons in turn."""
        chosen: dict[tuple[str, int], KeptPicture] = {}
        for kept in self._in_turn():
            if len(chosen) < number:
                chosen.setdefault((kept.stream, kept.stamp), kept)
        return list(chosen.values())

    def _in_turn(self) -> Iterator[KeptPicture]:
        columns = [[kept for _, _, kept in sorted(heap, reverse=True)]
                   for heap in self._heaps.values()]
        for row in range(self._limit):
            yield from (column[row] for column in columns if row < len(column))

    def _push(self, reason: str, badness: float, kept: KeptPicture) -> None:
        heap = self._heaps.setdefault(reason, [])
        heapq.heappush(heap, (badness, next(self._order), kept))
        if len(heap) > self._limit:
            heapq.heappop(heap)
