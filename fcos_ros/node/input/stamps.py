# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The age of an image by its stamp, and the detection of wrong stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from rclpy.clock import Clock

FUTURE_TOLERANCE = 0.1
"""Seconds that a stamp may be in the future: the clocks of two synchronised computers differ."""

DAY = 86400.0
"""Seconds. No camera has such a latency: an older image is from a recording or another clock."""

ZERO = 'stamp is zero'
NEGATIVE = 'stamp is before 1970'
OLD = 'stamp is older than a day'
FUTURE = 'stamp is in the future'
BACKWARDS = 'stamp is older than the one before'
NO_TIME = 'no time on /clock yet'

REMEDIES = {
    ZERO: 'their age is unknown, so none of them expires',
    NEGATIVE: "the camera's driver counts time from elsewhere, or its clock is wrong",
    FUTURE: 'synchronise the clocks of both computers by NTP, or set use_sim_time for a recording',
    BACKWARDS: 'the clock was set back, a recording restarted, or two cameras share the topic',
    NO_TIME: 'use_sim_time is set, but there is no publisher on /clock',
    OLD: 'the camera counts from its start (mipi_cam: mipi_frame_ts_type:=realtime), or a '
         'recording needs use_sim_time'}
"""For each kind of wrong stamp: the likely cause and the remedy."""

EXPIRING = (OLD, NEGATIVE)
"""Kinds of stamps that make a new image too old."""

_SECOND = 10**9
"""In nanoseconds."""


class StampChecker:
    """
    Check the stamps of one camera's images against a clock, which may be simulated and may jump.

    :param clock: the clock of the node.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest = 0
        self._odd: Counter[str] = Counter()

    @property
    def odd_stamps(self) -> Mapping[str, int]:
        """The number of images for each kind of wrong stamp."""
        return dict(self._odd)

    def check(self, stamp: Time) -> None:
        """Count the problems with the stamp of an image that has just arrived."""
        moment = _nanoseconds(stamp)
        age = self.age(stamp)
        if moment == 0:
            self._odd[ZERO] += 1
        elif moment < 0:
            self._odd[NEGATIVE] += 1
        elif age is None:
            self._odd[NO_TIME] += 1
        elif age < -FUTURE_TOLERANCE:
            self._odd[FUTURE] += 1
        elif age > DAY:
            self._odd[OLD] += 1
        if 0 < moment < self._newest:
            self._odd[BACKWARDS] += 1
        self._newest = moment

    def age(self, stamp: Time) -> float | None:
        """Return the seconds since a stamp; None if the stamp or the time is unknown."""
        moment, now = _nanoseconds(stamp), self._clock.now().nanoseconds
        return (now - moment) / _SECOND if moment and now else None

    def plausible_age(self, stamp: Time) -> float | None:
        """Return the seconds since a stamp; None if the age is unknown or implausible."""
        age = self.age(stamp)
        return age if age is not None and 0 <= age <= DAY else None


def to_seconds(stamp: Time) -> float:
    """Return a stamp in seconds; 0 for a stamp that was never set."""
    return _nanoseconds(stamp) / _SECOND


def _nanoseconds(stamp: Time) -> int:
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)
