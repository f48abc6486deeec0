# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look at graph, model, board and machine, and find why detections are missing, late or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import platform
import time
from typing import TYPE_CHECKING

from fcos_ros.backends import ModelError
from fcos_ros.inspection.board import BoardFacts
from fcos_ros.inspection.board_checks import board_findings
from fcos_ros.inspection.finding import GRAPH, MODEL, Finding, Severity
from fcos_ros.inspection.graph_checks import graph_findings
from fcos_ros.inspection.graph_facts import DetectorFacts, GraphFacts
from fcos_ros.inspection.machine import MachineFacts
from fcos_ros.inspection.machine_checks import machine_findings
from fcos_ros.inspection.model_checks import model_findings, trial_findings
from fcos_ros.inspection.report_history import ReportHistory
from fcos_ros.inspection.start import RosError, RosMissingError, open_session
from fcos_ros.inspection.trial import Candidate, try_model
from fcos_ros.runtime.model_path import find_model
from fcos_ros.settings.cameras import given_settings
from fcos_ros.settings.schema import Settings

if TYPE_CHECKING:
    from fcos_ros.inspection.graph import LiveFrame

SECONDS = 5.0
"""How long the graph is watched: a detector reports once a second."""

NO_MODEL = 'not looked at: no detector has loaded one; --model names one'


@dataclass(frozen=True)
class Request:
    """
    The scope of an inspection.

    :ivar node: full name of the one detector to look at; empty for all.
    :ivar model: a model to look at if no detector runs; empty for none.
    :ivar seconds: how long to watch the graph.
    :ivar root: root of the file system with /proc, /sys and /dev.
    """

    node: str = ''
    model: str = ''
    seconds: float = SECONDS
    root: Path = Path('/')


@dataclass(frozen=True)
class Examination:
    """
    The result of an inspection.

    :ivar findings: the worst first.
    :ivar looked_at: for each area, what was looked at, or why nothing was.
    """

    findings: tuple[Finding, ...]
    looked_at: Mapping[str, str]

    @property
    def healthy(self) -> bool:
        """Whether there are notes at most."""
        return all(finding.severity == Severity.NOTE for finding in self.findings)


def inspect(
    request: Request, passed: Callable[[float], None] = lambda _: None,
) -> Examination:
    """
    Look at everything.

    :param passed: called often, with the seconds for which the graph was watched.
    """
    machine = MachineFacts.read(os.environ, request.root)
    board = BoardFacts.read(request.root)
    view = _look_at_graph(request, passed)
    graph, findings = view.graph, list(view.findings)
    if graph is not None:
        findings += graph_findings(graph, machine)
    detectors = graph.detectors if graph else ()
    seen = [_look_at_model(detector, view.frames, findings) for detector in detectors]
    if not detectors and request.model:
        seen.append(request.model)
        findings += _try_alone(request.model)
    findings += board_findings(board, bool(detectors))
    findings += machine_findings(machine, bool(graph and graph.by_network))
    return Examination(
        tuple(sorted(findings, key=lambda finding: -finding.severity)),
        {'graph': view.seen, 'model': ', '.join(filter(None, seen)) or NO_MODEL,
         'board': board.name or 'this machine is no board',
         'machine': f'{platform.node()}, {machine.cores} cores'})


@dataclass(frozen=True)
class _GraphView:
    """
    The graph, or why it was not looked at.

    :ivar graph: None if it was not looked at.
    :ivar seen: what was looked at, or why nothing was.
    """

    graph: GraphFacts | None
    seen: str
    frames: Sequence[LiveFrame] = ()
    findings: Sequence[Finding] = ()

    @classmethod
    def missing(cls, severity: Severity, error: RosError) -> _GraphView:
        """Return that the graph was not looked at."""
        finding = Finding(severity, GRAPH, f'the graph was not looked at: {error}', error.cure)
        return cls(None, f'not looked at: {error}', findings=(finding,))


def _look_at_graph(request: Request, passed: Callable[[float], None]) -> _GraphView:
    history = ReportHistory()
    try:
        with open_session('fcos_doctor', history.hear) as session:
            from fcos_ros.inspection.graph import watch
            graph, frames = watch(session, history, request.seconds, request.node, passed)
    except RosMissingError as error:
        return _GraphView.missing(Severity.NOTE, error)
    except RosError as error:
        return _GraphView.missing(Severity.ERROR, error)
    cameras = sum(len(detector.cameras) for detector in graph.detectors)
    return _GraphView(graph, f'ROS domain {graph.domain}, detectors: {len(graph.detectors)}, '
                      f'cameras: {cameras}, watched for {graph.seconds:.0f} s', frames)


def _look_at_model(detector: DetectorFacts, frames: Sequence[LiveFrame],
                   findings: list[Finding]) -> str:
    """Try the model of a detector of this machine; return what was looked at."""
    status = detector.status
    if status.process.host != platform.node():
        findings.append(Finding(
            Severity.NOTE, MODEL, f'{status.name} runs on {status.process.host}: its model, board '
            'and machine were not looked at', f'ssh {status.process.host} fcos doctor'))
        return f'{status.name} runs on {status.process.host}'
    if status.model.path:
        findings += _try_detector(detector, frames)
    return status.model.path


def _try_detector(detector: DetectorFacts, frames: Sequence[LiveFrame]) -> Iterator[Finding]:
    status = detector.status
    try:
        settings = given_settings(detector.parameters)
    except ValueError as error:  # the detector is of another version
        settings = given_settings({})
        yield Finding(Severity.NOTE, MODEL, f'{status.name} has parameters that are unknown here, '
                      f'so the defaults are tried: {error}', f'ros2 param dump {status.name}')
    common = next(iter(settings.values()))
    candidates = [Candidate(live.node, live.camera, live.frame, settings.get(live.camera))
                  for live in frames if live.node == status.name and live.frame is not None]
    model, trials = try_model(Path(status.model.path), common, candidates,
                              time.time() - status.process.uptime)
    yield from model_findings(model, status.name)
    for trial in trials:
        yield from trial_findings(trial)


def _try_alone(name: str) -> Iterator[Finding]:
    try:
        path = find_model(name)
    except ModelError as error:
        yield Finding(Severity.ERROR, MODEL, str(error), 'fcos info MODEL')
        return
    model, _ = try_model(path, Settings(), [])
    yield from model_findings(model, '')
