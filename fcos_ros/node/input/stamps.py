# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The age of an image by its stamp, and the detection of wrong stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
import math
from time import monotonic

from rclpy.clock import Clock

from fcos_ros.messages.headers import Stamp

FUTURE_TOLERANCE = 0.1
"""Seconds that a stamp may be in the future: the clocks of two synchronised computers differ."""

DAY = 86400.0
"""Seconds. No camera has such a latency: an older image is from a recording or another clock."""

MIN_JUMP = 0.1
"""Seconds. Stamps that are less disordered still give the times for tracking."""

MAX_CALM = 3.0
"""Seconds between two jumps back of stamps that jump back and forth; a recording is longer."""

RECOVERY = 10.0
"""Seconds without such a jump until the stamps are trusted again."""

SETTLING = 1.0
"""
Seconds. A recording that is repeated starts near the same stamp, and images from its end arrive
for that long after the clock was set back.
"""

ZERO = 'stamp is zero'
NEGATIVE = 'stamp is before 1970'
OLD = 'stamp is older than a day'
FUTURE = 'stamp is in the future'
BACKWARDS = 'stamp is older than the one before'
JUMPING = 'stamps jump back and forth'
REPEATED = 'recording was repeated'
NO_TIME = 'no time on /clock yet'

REMEDIES = {
    ZERO: 'their age is unknown, so none of them expires',
    NEGATIVE: "the camera's driver counts time from elsewhere, or its clock is wrong",
    FUTURE: 'synchronise the clocks of both computers by NTP, or set use_sim_time for a recording',
    BACKWARDS: 'the clock was set back, a recording restarted, or two cameras share the topic',
    JUMPING: 'two cameras or two recordings share the topic, or two programs set the clock; '
             'tracking uses the time of arrival until the stamps are in order',
    NO_TIME: 'use_sim_time is set, but there is no publisher on /clock',
    OLD: 'the camera counts from its start (mipi_cam: mipi_frame_ts_type:=realtime), or a '
         'recording needs use_sim_time'}
"""For each kind of wrong stamp: the likely cause and the remedy. `REPEATED` needs none."""

EXPIRING = (OLD, NEGATIVE)
"""Kinds of stamps that make a new image too old."""

_SECOND = 10**9
"""In nanoseconds."""


class StampChecker:
    """
    Check the stamps of one camera's images against a clock, which may be simulated and may jump.

    :param clock: the clock of the node.
    :param steady: returns the real time in seconds; it never jumps.
    """

    def __init__(self, clock: Clock, steady: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._steady = steady
        self._last = 0
        self._last_now = 0
        self._origin = 0
        self._last_jump = self._distrusted = self._set_back = -math.inf
        self._odd: Counter[str] = Counter()

    @property
    def odd_stamps(self) -> Mapping[str, int]:
        """The number of images for each kind of wrong stamp."""
        return dict(self._odd)

    @property
    def in_order(self) -> bool:
        """Whether the stamps give the times between images: they do not jump back and forth."""
        return self._steady() - self._distrusted > RECOVERY

    def check(self, stamp: Stamp) -> None:
        """Count the problems with the stamp of an image that has just arrived."""
        moment, now = _nanoseconds(stamp), self._clock.now().nanoseconds
        for kind in (self._problem(moment, now), self._jump(moment)):
            if kind:
                self._odd[kind] += 1
        self._last = moment

    def _problem(self, moment: int, now: int) -> str:
        """Return the problem with a stamp, by the clock; '' if there is none."""
        self._watch_clock(now)
        if moment == 0:
            return ZERO
        if moment < 0:
            return NEGATIVE
        if not now:
            return NO_TIME
        age = (now - moment) / _SECOND
        if age < -FUTURE_TOLERANCE:
            return FUTURE if self._steady() - self._set_back > SETTLING else ''
        return OLD if age > DAY else ''

    def _watch_clock(self, now: int) -> None:
        """Notice when the clock is set back, as at the repetition of a recording."""
        if now < self._last_now:
            self._set_back = self._steady()
        self._last_now = now

    def _jump(self, moment: int) -> str:
        """Return the problem with a stamp, by those before; '' if there is none."""
        self._origin = self._origin or moment
        back = (self._last - moment) / _SECOND
        if moment <= 0 or back <= 0:
            return ''
        if back < MIN_JUMP:
            return BACKWARDS
        calm, self._last_jump = self._steady() - self._last_jump, self._steady()
        if calm < MAX_CALM:
            self._distrusted = self._steady()
            return JUMPING
        if abs(moment - self._origin) < SETTLING * _SECOND:
            return REPEATED
        self._origin = moment
        return BACKWARDS

    def age(self, stamp: Stamp) -> float | None:
        """Return the seconds since a stamp; None if the stamp or the time is unknown."""
        moment, now = _nanoseconds(stamp), self._clock.now().nanoseconds
        return (now - moment) / _SECOND if moment and now else None

    def plausible_age(self, stamp: Stamp) -> float | None:
        """Return the seconds since a stamp; None if the age is unknown or implausible."""
        age = self.age(stamp)
        return age if age is not None and 0 <= age <= DAY else None


def to_seconds(stamp: Stamp) -> float:
    """Return a stamp in seconds; 0 for a stamp that was never set."""
    return _nanoseconds(stamp) / _SECOND


def _nanoseconds(stamp: Stamp) -> int:
    return stamp.sec * _SECOND + stamp.nanosec
