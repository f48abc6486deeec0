# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose hard frames, evenly over time and without duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fcos_ros.core.arrays import Pixels
from fcos_ros.offline.mining.hardness import FrameFacts

CANDIDATES = 3
"""Frames of an interval that are looked at; the next one is taken in place of a duplicate."""

MIN_HARDNESS = 0.25
"""Minimum hardness of a frame that is chosen: an object well away from its threshold is easy."""

MAX_DISTANCE = 6
"""Bits in which the hashes of two pictures of the same scene differ at most."""


def choose(frames: Sequence[FrameFacts], count: int, even: bool) -> list[list[FrameFacts]]:
    """
    Return the candidates of each interval of time, the hardest first.

    :param frames: of one camera, in order.
    :param count: number of intervals of the same length.
    :param even: whether intervals without a hard frame have candidates, too.
    """
    if not frames:
        return []
    start, span = frames[0].time, frames[-1].time - frames[0].time + 1
    intervals: list[list[FrameFacts]] = [[] for _ in range(count)]
    for frame in frames:
        if frame.hardness >= MIN_HARDNESS or even:
            intervals[min(max((frame.time - start) * count // span, 0), count - 1)].append(frame)
    ordered = (sorted(interval, key=lambda frame: (-frame.hardness, frame.time))
               for interval in intervals)
    return [candidates[:CANDIDATES] for candidates in ordered if candidates]


def picture_hash(bgr: Pixels) -> int:
    """
    Return a number whose bits are similar for similar pictures.

    Each bit states whether a cell of a coarse grey picture is darker than its right neighbour.
    """
    grey = cv2.cvtColor(cv2.resize(bgr, (9, 8), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    bits = np.packbits(np.asarray(grey)[:, 1:] > np.asarray(grey)[:, :-1])
    return int.from_bytes(bits.tobytes(), 'big')


def is_duplicate(number: int, others: Sequence[int]) -> bool:
    """Return whether a picture shows the same scene as another, by their hashes."""
    return any(bin(number ^ other).count('1') <= MAX_DISTANCE for other in others)
