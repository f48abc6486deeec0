# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that looks at the ROS graph for a while, and the reports of the detectors in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
import os
from time import monotonic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from fcos_ros.node.observer.start import RosError
from fcos_ros.runtime.end_signals import delayed_interrupts
from fcos_ros.runtime.node_status import NodeStatus, read_diagnostics

STEP = 0.1
"""Seconds after which a waiting session looks for a signal or a pressed key."""

SUCCESSION = 3.0
"""Seconds without a report after which a node of the same name counts as the successor."""

MAX_STATUSES = 1000
"""Statuses of other programs that are kept; a large robot has some hundreds."""


@dataclass(frozen=True)
class Report:
    """The newest status of a detector, and when it arrived on the clock of `monotonic`."""

    status: NodeStatus
    arrived: float

    def age(self) -> float:
        """Return the seconds since it arrived."""
        return monotonic() - self.arrived


class Session(AbstractContextManager['Session']):
    """
    A node in the ROS graph, without parameters and services, until the end of the block.

    :ivar node: the node.
    :ivar others: the newest status of each part of other programs, by its name.

    :param name: name of the node. The number of the process is added, as several may run.
    :param heard: called with each report of a detector.
    :raises RosError: ROS 2 cannot start.
    """

    def __init__(self, name: str, heard: Callable[[NodeStatus], None] = lambda _: None) -> None:
        self._heard = heard
        self.others: dict[str, DiagnosticStatus] = {}
        self._reports: dict[tuple[str, str, int], Report] = {}
        with ExitStack() as undo:
            context = rclpy.Context()
            try:
                rclpy.init(context=context, args=[],
                           signal_handler_options=SignalHandlerOptions.NO)
                undo.callback(rclpy.try_shutdown, context=context)
                self.node = Node(f'{name}_{os.getpid()}', context=context, enable_rosout=False,
                                 start_parameter_services=False)
            except Exception as error:  # rclpy raises errors of several kinds
                raise RosError(f'ROS 2 cannot start: {error}; see ROS_DOMAIN_ID, '
                               'RMW_IMPLEMENTATION and ROS_LOG_DIR') from error
            undo.callback(self.node.destroy_node)
            self._executor = SingleThreadedExecutor(context=context)
            undo.callback(self._executor.shutdown)
            self._executor.add_node(self.node)
            # Diagnostics of all programs of a robot share one topic.
            self.node.create_subscription(
                DiagnosticArray, '/diagnostics', self._receive,
                QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE))
            self._undo = undo.pop_all()

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def wait(self, seconds: float, condition: Callable[[], bool] = lambda: False) -> bool:
        """
        Receive messages until a condition holds or time is up; return whether it holds.

        :raises KeyboardInterrupt: never within rclpy, which may turn it into another error.
        """
        end = monotonic() + seconds
        while not (found := condition()) and monotonic() < end:
            with delayed_interrupts():
                self._executor.spin_once(timeout_sec=max(0.0, min(STEP, end - monotonic())))
        return found

    def reports(self) -> list[Report]:
        """Return the newest report of each node, in the order of the names."""
        return [self._reports[key] for key in sorted(self._reports)
                if not self._was_replaced(self._reports[key])]

    def _was_replaced(self, report: Report) -> bool:
        """Return whether a node is silent since a successor of the same name has begun."""
        return any(other.status.name == report.status.name
                   and other.arrived - report.arrived > SUCCESSION
                   for other in self._reports.values())

    def _receive(self, message: DiagnosticArray) -> None:
        for status in read_diagnostics(message):
            key = (status.name, status.process.host, status.process.pid)
            self._reports[key] = Report(status, monotonic())
            self._heard(status)
        if len(self.others) < MAX_STATUSES:
            self.others.update((status.name, status) for status in message.status)
