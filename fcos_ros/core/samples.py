# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The samples of a camera: their bits, their range, and bytes after them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import UNMEASURED, Measurement
from fcos_ros.core.yuv_range import AUTO, FULL

MAX_MEASUREMENTS = 300
"""Images whose measurements count: 10 s at 30 Hz. A dark moment then changes nothing."""

MIN_FULL_IMAGES = 2
"""Images of full range that settle the range for good: one alone may be damaged."""


class SampleProperties:
    """
    Properties of the samples of a camera, stated by the user or measured in its images.

    `complete` and `learn` may run on different threads.
    """

    def __init__(self) -> None:
        self._highest = WindowMaximum(MAX_MEASUREMENTS)
        self._luma = WindowMaximum(MAX_MEASUREMENTS)
        self._beyond_limited = WindowMaximum(MAX_MEASUREMENTS)
        self._known = UNMEASURED
        self._full_images = 0
        self._measured: Mapping[str, str] = {}
        self._trailing = 0

    def complete(self, frame: Frame, bit_depth: int, yuv_range: str) -> Frame:
        """
        Return the frame with the properties that are stated or known from earlier images.

        :param bit_depth: as stated; 0 measures it.
        :param yuv_range: as stated; AUTO measures it.
        """
        self._trailing += frame.trailing_bytes > 0
        if yuv_range == AUTO and self._full_images >= MIN_FULL_IMAGES:
            yuv_range = FULL
        return replace(frame, bit_depth=bit_depth,
                       min_bit_depth=self._known.bit_depth, yuv_range=yuv_range,
                       seen_full_range=self._known.yuv_range == FULL)

    def learn(self, measured: Measurement) -> bool:
        """Learn from an image; return whether it changes a property."""
        if measured == UNMEASURED:
            return False
        self._known = Measurement(
            int(self._highest.add(measured.highest)), bool(self._luma.add(measured.luma)),
            self._beyond_limited.add(measured.beyond_limited))
        self._full_images += measured.yuv_range == FULL
        before, self._measured = self._measured, self._describe_known()
        return before != self._measured

    def _describe_known(self) -> Mapping[str, str]:
        # Images are not measured any more when the range is settled.
        settled = Measurement(luma=True, beyond_limited=1.0)
        is_settled = self._full_images >= MIN_FULL_IMAGES
        return {**self._known.describe(), **(settled.describe() if is_settled else {})}

    @property
    def highest(self) -> int:
        """The highest sample of 16 bits in the last images; 0 if there were none."""
        return self._known.highest

    def describe(self) -> dict[str, str]:
        """Return the measured properties by name, and the number of images with more bytes."""
        trailing = {'images with bytes after them': f'{self._trailing}'} if self._trailing else {}
        return {**self._measured, **trailing}


class WindowMaximum:
    """
    The maximum of the last values. A value that a later one reaches is forgotten.

    :param size: number of values.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._falling: deque[tuple[int, float]] = deque()  # number and value of each

    def add(self, value: float) -> float:
        """Add a value; return the maximum of the last `size` values."""
        falling = self._falling
        while falling and falling[-1][1] <= value:
            falling.pop()
        falling.append((self._count, value))
        self._count += 1
        if falling[0][0] < self._count - self._size:
            falling.popleft()
        return falling[0][1]
