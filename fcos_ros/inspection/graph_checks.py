# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Problems of the ROS graph around the detectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fcos_ros.core.text import enumerate_some
from fcos_ros.inspection.finding import GRAPH, Finding, Severity
from fcos_ros.inspection.graph_facts import CameraFacts, DetectorFacts, Endpoint, GraphFacts
from fcos_ros.inspection.machine import DetectorProcess, MachineFacts
from fcos_ros.inspection.report_cures import LAUNCH, Context, cure
from fcos_ros.runtime.node_status import Level, Problem

MAX_AGE = 0.5
"""Seconds from the stamp of an image to its detections, in the 95th percentile, before a warning:
a robot at walking pace has moved by half a metre."""

MAX_SUPERSEDED = 0.5
"""Share of superseded images from which on the model is noted as slower than the camera."""

DETECTIONS = 'vision_msgs/msg/Detection2DArray'

SILENCE = 'no image on'
"""Words of a reported problem that this inspection explains better where images do not arrive."""

IMPLIED = ('no images are received', 'no model is loaded')
"""Words of reported problems that follow from the state of the node."""

_TRANSITIONS = {'unconfigured': 'configure', 'inactive': 'activate'}
"""The transition that leads on from a state."""


def graph_findings(graph: GraphFacts, machine: MachineFacts) -> Iterator[Finding]:
    """Yield the problems of the graph."""
    if not graph.detectors and not graph.silent:
        yield from _absent(graph, machine)
    for node in graph.silent:
        yield _error(f'{node} publishes detections and has not reported for '
                     f'{graph.seconds:.0f} s: it hangs or is suspended',
                     _continue(machine.detectors))
    for detector in graph.detectors:
        yield from _detector(graph, detector)
        for camera in detector.cameras:
            yield from _camera(graph, detector, camera)


def _warn(text: str, command: str) -> Finding:
    return Finding(Severity.WARNING, GRAPH, text, command)


def _error(text: str, command: str) -> Finding:
    return Finding(Severity.ERROR, GRAPH, text, command)


def _note(text: str, command: str) -> Finding:
    return Finding(Severity.NOTE, GRAPH, text, command)


def _absent(graph: GraphFacts, machine: MachineFacts) -> Iterator[Finding]:
    """Explain why no detector is in the graph, or not the wanted one."""
    if graph.known:
        yield _error(f'{graph.only} does not report; these do: {enumerate_some(graph.known)}',
                     f'fcos doctor --node {graph.known[0]}')
        return
    here = machine.environment.get('RMW_IMPLEMENTATION', '')
    for process in machine.detectors:
        who = f'the detector with process number {process.pid}'
        if process.stopped:
            yield _error(f'{who} is suspended', f'kill -CONT {process.pid}')
        elif process.domain is None:
            yield _error(f'{who} belongs to the user {process.user}, and this is '
                         f'{machine.user}: their nodes may not reach each other',
                         f'sudo -E -u {process.user} $(which fcos) doctor')
        elif process.domain != graph.domain:
            yield _error(f'{who} is in the ROS domain {process.domain}, and this terminal in '
                         f'{graph.domain}', f'export ROS_DOMAIN_ID={process.domain}')
        elif process.rmw != here:
            yield _error(f'{who} uses {process.rmw or "the usual middleware"}, and this terminal '
                         f'{here or "the usual one"}',
                         f'export RMW_IMPLEMENTATION={process.rmw}' if process.rmw
                         else 'unset RMW_IMPLEMENTATION')
        else:
            yield _error(f'{who} runs, and is not in the graph: it is starting or hangs',
                         f'kill {process.pid}   # and start it again')
    if not machine.detectors:
        topic = f' image:={graph.image_topics[0]}' if graph.image_topics else ''
        yield _error(f'there is no detector in the ROS domain {graph.domain}', f'{LAUNCH}{topic}')


def _continue(processes: Sequence[DetectorProcess]) -> str:
    stopped = [process for process in processes if process.stopped]
    if stopped:
        return f'kill -CONT {stopped[0].pid}'
    return f'{LAUNCH}   # after ending the node'


def _detector(graph: GraphFacts, detector: DetectorFacts) -> Iterator[Finding]:
    status, problems = detector.status, list(_distinct(detector))
    cameras = {camera.name: camera for camera in detector.cameras}
    other = next(iter(graph.image_topics), '')
    for problem in problems:
        name = problem.part.rpartition(' ')[0]
        camera = cameras.get(name)
        prevents = problem.level == Level.ERROR or (camera and not camera.published)
        yield Finding(Severity.ERROR if prevents else Severity.WARNING, GRAPH,
                      f'{status.name}: {f"{name}: " if name else ""}{problem.message}',
                      cure(problem.message, _context(detector, camera, other)))
    state, said = status.process.state, ' '.join(problem.message for problem in problems)
    if state in _TRANSITIONS and not said.startswith(state):
        yield _error(f'{status.name} is {state}, so it detects nothing',
                     f'ros2 lifecycle set {status.name} {_TRANSITIONS[state]}')
    if detector.instances > 1 and 'more nodes have the name' not in said:
        yield _warn(f'{detector.instances} processes report as {status.name}, so their detections '
                    'mix', f'{LAUNCH} namespace:=NAME   # or end one of them')
    if detector.parameters.get('use_sim_time') and not graph.clock and '/clock' not in said:
        yield _error(f'{status.name} has use_sim_time, and nothing is published on /clock, so '
                     'its time stands still', f'ros2 param set {status.name} use_sim_time false')


def _distinct(detector: DetectorFacts) -> Iterator[Problem]:
    """Yield the reported problems, without those that follow from others."""
    unreceived = {camera.name for camera in detector.cameras
                  if any(_unreceived(detector, camera, ''))}
    texts = [problem.message for problem in detector.problems]
    for problem in detector.problems:
        follows = any(problem.message != text and problem.message in text for text in texts)
        explained = (SILENCE in problem.message
                     and problem.part.rpartition(' ')[0] in unreceived)
        if not follows and not explained and not any(
                text in problem.message for text in IMPLIED):
            yield problem


def _context(detector: DetectorFacts, camera: CameraFacts | None, other: str) -> Context:
    status = detector.status
    model = status.model.path or str(detector.parameters.get('model') or 'MODEL')
    if camera is None:
        return Context(status.name, other=other, model=model)
    return Context(status.name, camera.name, camera.after.topic, camera.relative_topic, other,
                   model)


def _camera(
    graph: GraphFacts, detector: DetectorFacts, camera: CameraFacts,
) -> Iterator[Finding]:
    who = f'{detector.status.name}: {camera.name}: ' if camera.name else (
        f'{detector.status.name}: ')
    topic = camera.after.topic
    yield from _publishers(camera, who)
    yield from _unreceived(detector, camera, who)
    yield from _driver(graph, camera, who)
    age = camera.after.stages.get('age')
    if age and age.p95 > MAX_AGE and camera.published:
        yield _warn(f'{who}detections come {age.p95:.1f} s after their image, in the 95th '
                    'percentile', f'fcos bench {detector.status.model.path}   # or lower the '
                    f'resolution on {topic}')
    received = camera.after.counts.received - camera.before.counts.received
    superseded = camera.after.counts.superseded - camera.before.counts.superseded
    if received and superseded > MAX_SUPERSEDED * received:
        yield _note(f'{who}{superseded} of {received} images were superseded: the camera is '
                    'faster than the model', f'fcos bench {detector.status.model.path}')
    for consumer in camera.consumers:
        yield from _consumer(camera, consumer, who)


def _publishers(camera: CameraFacts, who: str) -> Iterator[Finding]:
    topic = camera.after.topic
    nodes = [publisher.node for publisher in camera.publishers if publisher.topic == topic]
    if len(nodes) > 1:
        yield _warn(f'{who}{len(nodes)} publishers share {topic}: {enumerate_some(nodes)}',
                    f'ros2 topic info --verbose {topic}   # end all but one, or use the parameter '
                    'cameras')


def _unreceived(
    detector: DetectorFacts, camera: CameraFacts, who: str,
) -> Iterator[Finding]:
    """Report images that arrive here and not at the detector, or that arrive nowhere."""
    topic = camera.after.topic
    received = camera.after.counts.received - camera.before.counts.received
    explained = any(problem.part.rpartition(' ')[0] == camera.name
                    and SILENCE not in problem.message for problem in detector.problems)
    if not camera.publishers or not camera.after.type_name or received or explained:
        return
    if camera.sample.count:
        yield _error(f'{who}{camera.sample.count} images of {topic} arrived at this inspection, '
                     'and none at the detector: it runs as another user, or is stuck',
                     'ps -eo user,pid,cmd | grep -e cam -e fcos   # run both as the same user')
    elif camera.sample.seconds:
        nodes = enumerate_some([publisher.node for publisher in camera.publishers])
        yield _error(f'{who}{nodes} publishes {topic}, and no image arrived in '
                     f'{camera.sample.seconds:.0f} s, neither here nor at the detector',
                     f'ros2 topic hz {topic}   # restart the driver of the camera')


def _driver(graph: GraphFacts, camera: CameraFacts, who: str) -> Iterator[Finding]:
    """Report problems that the driver of the camera reports about itself."""
    names = {publisher.node.strip('/') for publisher in camera.publishers}
    for name, problem in graph.others.items():
        if any(node and name.lstrip('/').startswith(node) for node in names):
            yield Finding(Severity.ERROR if problem.level == Level.ERROR else Severity.WARNING,
                          GRAPH,
                          f'{who}the driver of the camera reports: {name}: {problem.message}',
                          'ros2 topic echo /diagnostics   # mend what the driver reports')


def _consumer(camera: CameraFacts, consumer: Endpoint, who: str) -> Iterator[Finding]:
    if consumer.type_name != DETECTIONS:
        yield _warn(f'{who}{consumer.node} subscribes to {consumer.topic} as '
                    f'{consumer.type_name}, and detections are {DETECTIONS}, so it receives '
                    'none', f'ros2 topic info --verbose {consumer.topic}')
    elif consumer.durable:
        yield _warn(f'{who}{consumer.node} requests the durability transient local on '
                    f'{consumer.topic}, and detections are volatile, so it receives none',
                    f'ros2 topic info --verbose {consumer.topic}   # set its durability to '
                    'volatile')
