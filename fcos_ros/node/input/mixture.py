# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detect images of several cameras on one topic."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Mapping

MAX_TURN = 30
"""Images of one camera, at most, between two images of another: one second at 30 Hz."""

FRAME_IDS = 'frame_id changes back and forth'
SIZES = 'size changes back and forth'

REMEDIES = dict.fromkeys(
    (FRAME_IDS, SIZES), 'several cameras share the topic: give each a topic of its own, and use '
    'the parameter cameras')
"""For each kind of mixture: the likely cause and the remedy."""


class MixtureChecker:
    """
    Compare properties of images with those of the images before.

    A single change is none of several cameras: a driver may change its resolution.
    """

    def __init__(self) -> None:
        self._recent: dict[str, deque[Hashable]] = {kind: deque(maxlen=MAX_TURN)
                                                    for kind in REMEDIES}
        self._returns: Counter[str] = Counter()

    @property
    def mixtures(self) -> Mapping[str, int]:
        """The number of returns to an earlier value, for each kind of mixture."""
        return dict(self._returns)

    def values(self, kind: str) -> list[str]:
        """Return the different values of the last images, in order."""
        return sorted(set(map(str, self._recent[kind])))

    def check(self, kind: str, value: Hashable) -> None:
        """Count the image if it has an earlier value again."""
        recent = self._recent[kind]
        if recent and value != recent[-1] and value in recent:
            self._returns[kind] += 1
        recent.append(value)
