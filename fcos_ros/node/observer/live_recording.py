# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let a running node record, over its parameters and its service."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from fcos_ros.node.observer.session import Session
from fcos_ros.node.observer.start import RosError
from fcos_ros.settings.schema import ALWAYS

FOREVER = 10.0**9
"""Seconds, until the user interrupts."""

REPORTS = 2.5
"""Seconds in which the node reports the end of its recording: it does so once a second."""


class Answer(NamedTuple):
    """
    The outcome of a recording.

    :ivar path: of the recording, on the machine of the node; empty if it is not known yet.
    """

    is_good: bool
    text: str
    path: str


class LiveRecorder:
    """
    Controls the recorder of a node.

    :ivar node: the full name of the node.

    :param name: full name of the node; empty if there is only one detector.
    :param timeout: seconds to wait for the node.
    :raises RosError: there is no such node, or there are several.
    """

    def __init__(self, session: Session, name: str, timeout: float) -> None:
        self._session = session
        self._timeout = timeout
        self.node = self._find(name)

    def trigger(self) -> Answer:
        """Let the node record the seconds before and after now; raise RosError if it cannot."""
        answer = self._call(Trigger, 'record', Trigger.Request())
        self._session.wait(REPORTS)
        return Answer(answer.success, answer.message, self._file() if answer.success else '')

    def record(self, seconds: float | None) -> Answer:
        """
        Let the node record all frames, then restore its parameter.

        :param seconds: None until the user interrupts.
        :raises RosError: the node refuses.
        """
        before = self._get()
        self._set(ALWAYS)
        try:
            self._session.wait(FOREVER if seconds is None else seconds)
        except KeyboardInterrupt:
            if seconds is not None:
                raise
        finally:
            path = self._file()
            self._set(before)
        return Answer(bool(path), 'all frames were recorded' if path else 'no frame was recorded',
                      path)

    def _find(self, wanted: str) -> str:
        def names() -> list[str]:
            return [report.status.name for report in self._session.reports()
                    if wanted in ('', report.status.name)]
        self._session.wait(self._timeout, lambda: bool(names()))
        self._session.wait(0.0 if wanted else REPORTS)
        found = sorted(set(names()))
        if not found:
            raise RosError(f'no report of {wanted or "a detector"} on /diagnostics in '
                           f'{self._timeout:g} s; run: fcos doctor', 'fcos doctor')
        if len(found) > 1:
            raise RosError(f'there are {len(found)} detectors: {", ".join(found)}; accepted: one; '
                           'choose it with --node')
        return found[0]

    def _get(self) -> str:
        answer = self._call(GetParameters, 'get_parameters',
                            GetParameters.Request(names=['recorder']))
        if not answer.values or not answer.values[0].string_value:
            raise RosError(f'{self.node} has no parameter recorder; update it')
        return str(answer.values[0].string_value)

    def _set(self, mode: str) -> None:
        parameter = Parameter('recorder', value=mode).to_parameter_msg()
        answer = self._call(SetParameters, 'set_parameters',
                            SetParameters.Request(parameters=[parameter]))
        if not answer.results[0].successful:
            raise RosError(f'{self.node} does not record: {answer.results[0].reason}')

    def _file(self) -> str:
        """Return the newest file of the recorder, as the node has reported it."""
        status = self._session.others.get(f'{self.node.lstrip("/")}: recorder')
        values = {entry.key: entry.value for entry in status.values} if status else {}
        return str(values.get('file', ''))

    def _call(self, kind: Any, service: str, request: Any) -> Any:
        client: Any = self._session.node.create_client(kind, f'{self.node}/{service}')
        try:
            future = None
            if self._session.wait(self._timeout, client.service_is_ready):
                future = client.call_async(request)
                self._session.wait(self._timeout, future.done)
            if future is None or not future.done():
                raise RosError(f'{self.node}/{service} does not answer; run: fcos doctor',
                               'fcos doctor')
            return future.result()
        finally:
            with suppress(Exception):
                self._session.node.destroy_client(client)
