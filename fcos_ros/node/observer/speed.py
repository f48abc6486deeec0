# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the speed of a running detector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import os
import platform
from time import monotonic, time

from vision_msgs.msg import Detection2DArray

from fcos_ros.inspection.node_speed import Arrival, NodeSpeed, NodeSpeedError, node_speed
from fcos_ros.messages.detections import stamp_of
from fcos_ros.node.observer.session import Session
from fcos_ros.node.qos import queued_qos
from fcos_ros.runtime.node_status import NodeStatus
from fcos_ros.runtime.process_usage import MachineMeter

SETTLING = 2.0
"""Maximum seconds until the first detections arrive; without images there are none."""

SAMPLE = 1.0
"""Seconds between two readings of the CPU load of the machine."""


class SpeedMeter:
    """
    Measures the speed of one detector.

    :param name: full name of the detector.
    :param timeout: seconds to wait for a report of it.
    """

    def __init__(self, name: str, timeout: float) -> None:
        self._name = name
        self._timeout = timeout
        self._reports: list[NodeStatus] = []
        self._moment = 0.0
        self._arrivals: dict[str, list[Arrival]] = {}

    def hear(self, status: NodeStatus) -> None:
        """Keep a report of the detector; give this method to the session."""
        if status.name == self._name:
            self._reports.append(status)
            self._moment = monotonic()

    def measure(self, session: Session, seconds: float,
                passed: Callable[[float], None] = lambda _: None) -> NodeSpeed:
        """
        Measure from one report of the detector to another.

        :param seconds: minimum time between them.
        :param passed: called once a second, with the seconds since the call before.
        :raises NodeSpeedError: the detector does not report, or was restarted.
        """
        if not self._reports:
            self._wait_for_report(session)
        self._subscribe(session)
        session.wait(SETTLING, lambda: all(self._arrivals.values()))
        self._wait_for_report(session)
        del self._reports[:-1]
        begin = self._moment
        for arrivals in self._arrivals.values():
            arrivals.clear()
        meter, loads = MachineMeter(), []
        while (left := begin + seconds - monotonic()) > 0:
            session.wait(min(SAMPLE, left))
            loads.append(meter.read())
            passed(min(SAMPLE, left))
        self._wait_for_report(session)
        is_here = self._reports[-1].process.host == platform.node()
        return node_speed(
            self._reports, self._moment - begin, self._arrivals, loads if is_here else ())

    def _subscribe(self, session: Session) -> None:
        for camera in self._reports[-1].cameras:
            if camera.name not in self._arrivals:
                arrivals = self._arrivals[camera.name] = []
                # Raw, as Python objects of many boxes take long.
                session.node.create_subscription(
                    Detection2DArray, f'{self._name}/{camera.name}'.rstrip('/') + '/detections',
                    partial(_keep, arrivals), queued_qos(), raw=True)

    def _wait_for_report(self, session: Session) -> None:
        known = len(self._reports)
        if not session.wait(self._timeout, lambda: len(self._reports) > known):
            raise NodeSpeedError(
                f'{self._name} has not reported for {self._timeout:g} s on /diagnostics in domain '
                f'{os.environ.get("ROS_DOMAIN_ID") or 0}; `fcos doctor` looks for the reason')


def _keep(arrivals: list[Arrival], serialised: bytes) -> None:
    moment = time()
    seconds, nanoseconds = stamp_of(serialised)
    arrivals.append(Arrival(seconds + nanoseconds / 1e9, moment))
