# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The state of running detectors, as their messages on `/diagnostics` report it.

`fcos_ros.node.diagnostics` writes these messages. This reader needs no ROS 2: it takes any object
with the fields of `diagnostic_msgs/DiagnosticArray`, from rclpy or from the reader of a bag. A
damaged message never raises: values that cannot be read are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
import math
import re
from typing import Any

from fcos_ros.runtime.statistics import FATES, FrameCounts, Percentiles

# Keys and names in the messages

FRAMES, LATENCY, MODEL, PROCESS = 'frames', 'latency', 'model', 'process'
"""The last word of the name of each status: `NODE: frames` or `NODE: CAMERA frames`."""

PACKAGE = 'fcos_ros'
"""The key with the version of this package; it marks the status `process` of a detector."""

FAILED_KIND = 'failed: '
"""The start of each key with the number of frames that failed for one reason."""

PERCENTILES = ' p50/p95/p99 ms'
"""The end of each key with the percentiles of a stage."""

PROBLEM = 'problem '
"""The start of each key with a further problem of a camera, such as `problem 2`."""

_NUMBER = re.compile(r'\d+(\.\d+)?')


class Level(IntEnum):
    """The level of a diagnostic status, as `diagnostic_msgs/DiagnosticStatus` numbers it."""

    OK = 0
    WARNING = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Problem:
    """
    A problem that a node reports, with its remedy.

    :ivar part: the part of the node, such as 'frames', 'front frames' or 'model'.
    """

    level: Level
    part: str
    message: str

    @property
    def kind(self) -> tuple[str, str]:
        """The part and the message without its numbers: reports of one problem differ in them."""
        return self.part, _NUMBER.sub('#', self.message)


@dataclass(frozen=True)
class CameraStatus:
    """
    The frames and latencies of one camera.

    :ivar name: empty for the only camera of a node.
    :ivar topic: the resolved name of its topic.
    :ivar type_name: type of its messages; empty before the first subscription.
    :ivar reliability: 'reliable' or 'best effort'; empty before the first subscription.
    :ivar publishers: number of publishers on its topic.
    :ivar counts: all frames since the node started, by fate and by reason.
    :ivar image_rate: received images per second since the last report; None if unknown.
    :ivar detection_rate: published detections per second since the last report; None if unknown.
    :ivar stages: percentiles of each stage in seconds, in the order of the work: `wait`,
        `preprocess`, `infer`, `decode`, `publish`; `total` is their sum; `age` is the time since
        the stamp of the image.
    :ivar notes: other values of the status: properties of samples, and counts of wrong stamps.
    """

    name: str
    topic: str
    type_name: str
    reliability: str
    publishers: int
    counts: FrameCounts
    image_rate: float | None = None
    detection_rate: float | None = None
    stages: Mapping[str, Percentiles] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelStatus:
    """
    The loaded model, in words; a text is empty if there is no model.

    :ivar input: size of its input, such as '512x512'.
    :ivar box_unit: 'pixel' or 'stride'.
    """

    name: str = ''
    path: str = ''
    backend: str = ''
    input: str = ''
    strides: str = ''
    classes: int = 0
    box_unit: str = ''


@dataclass(frozen=True)
class ProcessStatus:
    """
    The process of a node, and the machine on which it runs.

    :ivar version: of this package.
    :ivar state: label of the lifecycle state.
    :ivar uptime: seconds since the node started.
    :ivar workers: number of workers; `working` of them run.
    :ivar memory: resident memory in bytes, with the worker processes.
    :ivar cpu: CPU cores in use since the last report; None if unknown.
    :ivar temperature: the highest of the machine, in degrees Celsius; None if unknown.
    :ivar bpu_load: in percent; None if unknown.
    :ivar board: name of the board; empty on any other machine.
    :ivar libraries: versions of Python, ROS 2 and the engines, by name.
    """

    version: str
    state: str
    uptime: float
    pid: int
    host: str
    workers: int = 0
    working: int = 0
    memory: int = 0
    cpu: float | None = None
    temperature: float | None = None
    bpu_load: float | None = None
    board: str = ''
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeStatus:
    """
    The state of one node at one moment.

    :ivar name: full name of the node, with a leading slash.
    :ivar stamp: of the message, in seconds; it is simulated time if the node uses that.
    :ivar problems: the worst first.
    """

    name: str
    stamp: float
    process: ProcessStatus
    model: ModelStatus
    cameras: tuple[CameraStatus, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def level(self) -> Level:
        """The worst level of its problems."""
        return max((problem.level for problem in self.problems), default=Level.OK)


def read_diagnostics(message: Any) -> tuple[NodeStatus, ...]:
    """
    Return the state of each detector in a message; empty if it is from other programs.

    :param message: has the fields of `diagnostic_msgs/DiagnosticArray`.
    """
    nodes: dict[str, dict[str, _Status]] = {}
    for status in message.status:
        node, separator, part = str(status.name).partition(': ')
        if separator:
            nodes.setdefault(node, {})[part] = _Status.of(status)
    stamp = message.header.stamp
    moment = stamp.sec + stamp.nanosec / 1e9
    return tuple(_node(f'/{node.lstrip("/")}', moment, parts) for node, parts in nodes.items()
                 if PROCESS in parts and PACKAGE in parts[PROCESS].values)


# Values of the messages


@dataclass(frozen=True)
class _Status:
    """A status with its values by key."""

    level: Level
    message: str
    values: Mapping[str, str]

    @classmethod
    def of(cls, status: Any) -> _Status:
        return cls(to_level(status.level), str(status.message),
                   {str(entry.key): str(entry.value) for entry in status.values})

    def text(self, key: str) -> str:
        return self.values.get(key, '')

    def whole(self, key: str) -> int:
        """Return a whole number; 0 if there is none."""
        return int(self.number(key) or 0)

    def number(self, key: str) -> float | None:
        return _number(self.text(key))


def to_level(value: Any) -> Level:
    """Convert the level of a status: rclpy gives one byte, readers of bags give a number."""
    number = value[0] if isinstance(value, (bytes, bytearray)) and value else value
    return Level(number) if number in tuple(Level) else Level.ERROR


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _node(name: str, stamp: float, parts: Mapping[str, _Status]) -> NodeStatus:
    cameras = tuple(
        _camera(part.removesuffix(FRAMES).strip(), status,
                parts.get(f'{part.removesuffix(FRAMES)}{LATENCY}'))
        for part, status in parts.items() if part == FRAMES or part.endswith(f' {FRAMES}'))
    problems = [problem for part, status in parts.items() for problem in _problems(part, status)]
    return NodeStatus(
        name, stamp, _process(parts[PROCESS]), _model(parts.get(MODEL)), cameras,
        tuple(sorted(problems, key=lambda problem: -problem.level)))


def _problems(part: str, status: _Status) -> Iterator[Problem]:
    if status.level != Level.OK:
        yield Problem(status.level, part, status.message)
    for key, text in status.values.items():
        level, _, message = text.partition(': ')
        if key.startswith(PROBLEM) and level.upper() in Level.__members__:
            yield Problem(Level[level.upper()], part, message)


_COUNTS = ('received', *FATES, 'missed')
_IMAGE_RATE, _DETECTION_RATE = 'images per second', 'detections per second'
_USUAL = {*_COUNTS, 'in_flight', 'last_error', 'topic', 'type', 'reliability', 'publishers',
          'published since last report', _IMAGE_RATE, _DETECTION_RATE}
"""The keys of a status of frames that are not `CameraStatus.notes`."""


def camera_rates(images: int, detections: int, seconds: float) -> dict[str, str]:
    """Return the rates of a camera as values of its status; empty if no time has passed."""
    if seconds <= 0:
        return {}
    return {_IMAGE_RATE: f'{images / seconds:.2f}',
            _DETECTION_RATE: f'{detections / seconds:.2f}'}


def _camera(name: str, frames: _Status, latency: _Status | None) -> CameraStatus:
    errors = {key.removeprefix(FAILED_KIND): int(count) for key, text in frames.values.items()
              if key.startswith(FAILED_KIND) and (count := _number(text)) is not None}
    counts = FrameCounts(errors=errors, last_error=frames.text('last_error'),
                         **{fate: frames.whole(fate) for fate in _COUNTS})
    notes = {key: text for key, text in frames.values.items()
             if key not in _USUAL and not key.startswith((FAILED_KIND, PROBLEM))}
    return CameraStatus(
        name, frames.text('topic'), frames.text('type'), frames.text('reliability'),
        frames.whole('publishers'), counts, frames.number(_IMAGE_RATE),
        frames.number(_DETECTION_RATE), _stages(latency) if latency else {}, notes)


def _stages(latency: _Status) -> dict[str, Percentiles]:
    stages = {}
    for key, text in latency.values.items():
        numbers = [_number(part) for part in text.split('/')]
        values = [number / 1000 for number in numbers if number is not None]
        if key.endswith(PERCENTILES) and len(values) == len(numbers) == 3:
            stages[key.removesuffix(PERCENTILES)] = Percentiles(*values)
    return stages


def _model(status: _Status | None) -> ModelStatus:
    if status is None or not status.text('path'):
        return ModelStatus()
    return ModelStatus(
        status.text('name'), status.text('path'), status.text('backend'), status.text('input'),
        status.text('strides'), status.whole('classes'), status.text('box unit'))


_LIBRARY = 'version of '
_MEGABYTE = 10**6


def process_values(process: ProcessStatus) -> dict[str, object]:
    """Return the values of the status `process`; facts that are unknown are left out."""
    optional = {'CPU cores used': (process.cpu, '.2f'),
                'temperature C': (process.temperature, '.1f'),
                'BPU load %': (process.bpu_load, '.0f')}
    return {
        PACKAGE: process.version, 'state': process.state, 'uptime s': f'{process.uptime:.1f}',
        'pid': process.pid, 'host': process.host, 'board': process.board,
        'workers': process.workers, 'workers running': process.working,
        'memory MB': f'{process.memory / _MEGABYTE:.1f}',
        **{key: format(value, form) for key, (value, form) in optional.items()
           if value is not None},
        **{f'{_LIBRARY}{name}': number for name, number in process.libraries.items()}}


def _process(status: _Status) -> ProcessStatus:
    return ProcessStatus(
        version=status.text(PACKAGE), state=status.text('state'),
        uptime=status.number('uptime s') or 0.0, pid=status.whole('pid'),
        host=status.text('host'), board=status.text('board'), workers=status.whole('workers'),
        working=status.whole('workers running'),
        memory=round((status.number('memory MB') or 0.0) * _MEGABYTE),
        cpu=status.number('CPU cores used'), temperature=status.number('temperature C'),
        bpu_load=status.number('BPU load %'),
        libraries={key.removeprefix(_LIBRARY): text for key, text in status.values.items()
                   if key.startswith(_LIBRARY)})
