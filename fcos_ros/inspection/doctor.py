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
from fcos_ros.inspection.start import RosError, RosMissingError, open_session
from fcos_ros.inspection.trial import Candidate, try_model
from fcos_ros.runtime.model_path import find_model
from fcos_ros.settings.cameras import given_settings
from fcos_ros.settings.schema import Settings

if TYPE_CHECKING:
    from fcos_ros.inspection.graph import LiveFrame

SECONDS = 5.0
"""How long the graph is watched: a detector reports once a second."""


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
    graph, frames, findings, seen = _look_at_graph(request, passed)
    if graph is not None:
        findings += graph_findings(graph, machine)
    detectors = graph.detectors if graph else ()
    model_seen = _look_at_models(request, detectors, frames, findings)
    findings += board_findings(board, bool(detectors))
    findings += machine_findings(machine, bool(graph and graph.by_network))
    return Examination(
        tuple(sorted(findings, key=lambda finding: -finding.severity)),
        {'graph': seen, 'model': model_seen, 'board': board.name or 'this machine is no board',
         'machine': f'{platform.node()}, {machine.cores} cores'})


def _look_at_graph(
    request: Request, passed: Callable[[float], None],
) -> tuple[GraphFacts | None, list[LiveFrame], list[Finding], str]:
    """Watch the graph; without ROS 2, return None and the reason."""
    reports: list[Callable[..., None]] = []
    try:
        with open_session('fcos_doctor', lambda status: reports[0](status)) as session:
            from fcos_ros.inspection.graph import Recorder, watch
            recorder = Recorder()
            reports.append(recorder.hear)
            graph, frames = watch(session, recorder, request.seconds, request.node, passed)
    except RosMissingError as error:
        return None, [], [Finding(Severity.NOTE, GRAPH, f'the graph was not looked at: {error}',
                                  error.cure)], f'not looked at: {error}'
    except RosError as error:
        failure = Finding(Severity.ERROR, GRAPH, str(error), error.cure)
        return None, [], [failure], f'not looked at: {error}'
    cameras = sum(len(detector.cameras) for detector in graph.detectors)
    return graph, frames, [], (f'ROS domain {graph.domain}, detectors: {len(graph.detectors)}, '
                               f'cameras: {cameras}, watched for {graph.seconds:.0f} s')


def _look_at_models(request: Request, detectors: Sequence[DetectorFacts],
                    frames: Sequence[LiveFrame], findings: list[Finding]) -> str:
    """Try the model of each detector of this machine; return what was looked at."""
    seen = []
    for detector in detectors:
        host = detector.status.process.host
        if host != platform.node():
            name = detector.status.name
            seen.append(f'{name} runs on {host}')
            findings.append(Finding(
                Severity.NOTE, MODEL, f'{name} runs on {host}: its model, board and machine were '
                'not looked at', f'ssh {host} fcos doctor'))
        elif detector.status.model.path:
            seen.append(detector.status.model.path)
            findings += _try_detector(detector, frames)
    if not detectors and request.model:
        seen.append(request.model)
        findings += _try_alone(request.model)
    return ', '.join(seen) or 'not looked at: no detector has loaded one; --model names one'


def _try_detector(detector: DetectorFacts, frames: Sequence[LiveFrame]) -> Iterator[Finding]:
    status = detector.status
    settings = given_settings(detector.parameters)
    common = settings.get('') or next(iter(settings.values()))
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
