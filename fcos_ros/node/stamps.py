# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How old an image is by its stamp, and stamps that cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from rclpy.clock import Clock

AHEAD = 0.1
"""Seconds that a stamp may lie in the future: clocks of two computers that are kept in step."""

DAY = 86400.0
"""Seconds: no camera delays so long, so the image is a recorded one or its clock is another."""

ZERO = 'stamp is zero'
NEGATIVE = 'stamp is before 1970'
OLD = 'stamp is older than a day'
FUTURE = 'stamp is in the future'
BACKWARDS = 'stamp is older than the one before'
NO_TIME = 'no time on /clock yet'

REMEDIES = {
    ZERO: 'their age is not known, so none of them expires',
    NEGATIVE: 'the driver of the camera counts time from elsewhere, or has lost count',
    FUTURE: 'set the clocks of both computers by NTP, or use_sim_time for a recording',
    BACKWARDS: 'the clock was set back, a recording began anew, or two cameras share the topic',
    NO_TIME: 'use_sim_time is set, but nobody publishes /clock',
    OLD: 'the camera counts from its start (mipi_cam: mipi_frame_ts_type:=realtime), or a '
         'recording needs use_sim_time'}
"""What may be behind stamps that cannot be right, and what helps."""

EXPIRING = (OLD, NEGATIVE)
"""Stamps by which a new image is too old."""

_SECOND = 10**9


class Stamps:
    """
    Judges the stamps of one camera's images by a clock, which may be simulated and may jump.

    :param clock: the node's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest = 0
        self._oddities: Counter[str] = Counter()

    @property
    def oddities(self) -> Mapping[str, int]:
        """Count the images of each kind of stamp that cannot be right."""
        return dict(self._oddities)

    def judge(self, stamp: Time) -> None:
        """Note what is odd about the stamp of an image that has just come in."""
        moment = _nanoseconds(stamp)
        age = self.age(stamp)
        if moment == 0:
            self._oddities[ZERO] += 1
        elif moment < 0:
            self._oddities[NEGATIVE] += 1
        elif age is None:
            self._oddities[NO_TIME] += 1
        elif age < -AHEAD:
            self._oddities[FUTURE] += 1
        elif age > DAY:
            self._oddities[OLD] += 1
        if 0 < moment < self._newest:
            self._oddities[BACKWARDS] += 1
        self._newest = moment

    def age(self, stamp: Time) -> float | None:
        """Tell the seconds since a stamp; None when the stamp, or the time, is not known."""
        moment, now = _nanoseconds(stamp), self._clock.now().nanoseconds
        return (now - moment) / _SECOND if moment and now else None

    def plausible_age(self, stamp: Time) -> float | None:
        """Tell the seconds since a stamp, None when they cannot be right either."""
        age = self.age(stamp)
        return age if age is not None and 0 <= age <= DAY else None


def seconds_of(stamp: Time) -> float:
    """Tell a stamp in seconds, 0 for one that was never set."""
    return _nanoseconds(stamp) / _SECOND


def _nanoseconds(stamp: Time) -> int:
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)
