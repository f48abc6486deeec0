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

from fcos_ros.backends import ModelError
from fcos_ros.inspection.board import BoardFacts
from fcos_ros.inspection.board_checks import board_findings
from fcos_ros.inspection.finding import GRAPH, MODEL, Finding, Severity
from fcos_ros.inspection.graph_checks import graph_findings
from fcos_ros.inspection.graph_facts import DetectorFacts, GraphView, LiveFrame, MissingGraph
from fcos_ros.inspection.machine import MachineFacts
from fcos_ros.inspection.machine_checks import machine_findings
from fcos_ros.inspection.model_checks import model_findings, trial_findings
from fcos_ros.inspection.trial import Candidate, try_model
from fcos_ros.runtime.model_path import find_model
from fcos_ros.settings.cameras import given_settings
from fcos_ros.settings.schema import Settings

NO_MODEL = 'not looked at: no detector has loaded one; --model names one'


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
    look_at_graph: Callable[[], GraphView | MissingGraph], model: str = '', root: Path = Path('/'),
) -> Examination:
    """
    Look at everything.

    :param look_at_graph: watches the graph for some seconds.
    :param model: a model to look at if no detector runs; empty for none.
    :param root: root of the file system with /proc, /sys and /dev.
    """
    machine = MachineFacts.read(os.environ, root)
    board = BoardFacts.read(root)
    view = look_at_graph()
    if isinstance(view, GraphView):
        graph, frames = view.facts, view.frames
        findings = list(graph_findings(graph, machine))
    else:
        graph, frames = None, ()
        findings = [Finding(view.severity, GRAPH, f'the graph was not looked at: {view.reason}',
                            view.cure)]
    detectors = graph.detectors if graph else ()
    seen = [_look_at_model(detector, frames, findings) for detector in detectors]
    if not detectors and model:
        seen.append(model)
        findings += _try_alone(model)
    findings += board_findings(board, bool(detectors))
    findings += machine_findings(machine, bool(graph and graph.by_network))
    return Examination(
        tuple(sorted(findings, key=lambda finding: -finding.severity)),
        {'graph': _seen_of_graph(view), 'model': ', '.join(filter(None, seen)) or NO_MODEL,
         'board': board.name or 'this machine is no board',
         'machine': f'{platform.node()}, {machine.cores} cores'})


def _seen_of_graph(view: GraphView | MissingGraph) -> str:
    if isinstance(view, MissingGraph):
        return f'not looked at: {view.reason}'
    graph = view.facts
    cameras = sum(len(detector.cameras) for detector in graph.detectors)
    return (f'ROS domain {graph.domain}, detectors: {len(graph.detectors)}, cameras: {cameras}, '
            f'watched for {graph.seconds:.0f} s')


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
