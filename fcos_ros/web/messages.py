# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The messages between the server and the page; `docs/page.md` describes them.

Names and labels come from the network. They are shortened here, and the page shows them as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
import math
import struct
from typing import Any

from fcos_ros.core.resize import Size
from fcos_ros.core.text import MAX_QUOTE, shorten
from fcos_ros.runtime.node_status import NodeStatus
from fcos_ros.web.pairing import Key

MAX_BOXES = 1000
"""Boxes of one picture; the detector publishes no more."""

Message = Mapping[str, Any]
"""A message as JSON."""


@dataclass(frozen=True)
class PageInfo:
    """
    Facts for the page.

    :ivar detector: full name of the node.
    :ivar version: of this package.
    """

    detector: str
    version: str


@dataclass(frozen=True)
class PictureHeader:
    """
    The header of a picture.

    :ivar number: counts the pictures of a camera.
    :ivar size: of the camera's image, in whose pixels the boxes are.
    :ivar age: seconds from the stamp until the picture was complete; None if that is unknown.
    :ivar detections: None if there are none for this image.
    """

    camera: str
    number: int
    key: Key
    size: Size
    age: float | None
    detections: Sequence[Message] | None

    def encode(self, jpeg: bytes) -> bytes:
        """Return the message: the length of the header, the header, the JPEG file."""
        header = encode({
            'camera': self.camera, 'number': self.number,
            'stamp': {'sec': self.key.sec, 'nanosec': self.key.nanosec},
            'frame_id': shorten(self.key.frame_id, MAX_QUOTE),
            'width': int(self.size.width), 'height': int(self.size.height),
            'age': self.age, 'detections': self.detections}).encode()
        return b''.join((struct.pack('<I', len(header)), header, jpeg))


def encode(message: Message) -> str:
    """Return a message as a text."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(',', ':'))


def detections_message(array: Any, labels: Mapping[str, str]) -> list[Message]:
    """
    Convert detections.

    :param array: `vision_msgs/Detection2DArray`.
    :param labels: the name of each class index.
    """
    boxes = (_box_message(detection, labels) for detection in array.detections[:MAX_BOXES])
    return [box for box in boxes if box]


def _box_message(detection: Any, labels: Mapping[str, str]) -> Message | None:
    bounds = detection.bbox
    x, y = bounds.center.position.x, bounds.center.position.y
    half_width, half_height = bounds.size_x / 2, bounds.size_y / 2
    results = [result.hypothesis for result in detection.results]
    numbers = (x, y, half_width, half_height, *(result.score for result in results))
    if not results or not all(map(math.isfinite, numbers)):
        return None
    best, *others = results
    return {
        'box': [round(number, 2) for number in (
            x - half_width, y - half_height, x + half_width, y + half_height)],
        'label': _label(best.class_id, labels),
        'class_id': _class_index(best.class_id, labels), 'score': round(best.score, 4),
        'track': shorten(detection.id, MAX_QUOTE),
        'others': [{'label': _label(other.class_id, labels), 'score': round(other.score, 4)}
                   for other in others]}


def _label(class_id: str, labels: Mapping[str, str]) -> str:
    return shorten(labels.get(class_id, class_id), MAX_QUOTE)


def _class_index(class_id: str, labels: Mapping[str, str]) -> int | None:
    """Return the index of a class, which detections name by index or by name."""
    if class_id in labels or not labels:
        return int(class_id) if class_id.isdecimal() and len(class_id) < 10 else None
    return next((int(index) for index, name in labels.items() if name == class_id), None)


def status_message(status: NodeStatus | None) -> Message:
    """Convert the state of the detector; None if there is no report."""
    if status is None:
        return {'type': 'status', 'level': None}
    cameras = [{**asdict(camera), 'counts': {**asdict(camera.counts),
                                             'in_flight': camera.counts.in_flight}}
               for camera in status.cameras]
    return {
        'type': 'status', 'stamp': status.stamp, 'level': status.level.name.lower(),
        'problems': [{'level': problem.level.name.lower(), 'part': problem.part,
                      'message': problem.message} for problem in status.problems],
        'process': asdict(status.process), 'model': asdict(status.model), 'cameras': cameras}


def labels_message(camera: str, names: Iterable[str], threshold: float) -> Message:
    """Convert the names of the classes."""
    return {'type': 'labels', 'camera': camera,
            'names': [shorten(name, MAX_QUOTE) for name in names],
            'threshold': round(threshold, 4) if math.isfinite(threshold) else None}


@dataclass(frozen=True)
class Watch:
    """
    The page wants the pictures of some cameras.

    :ivar cameras: None for all.
    """

    cameras: frozenset[str] | None


@dataclass(frozen=True)
class Shown:
    """The page has shown a picture."""

    camera: str
    number: int


@dataclass(frozen=True)
class SetValues:
    """The page wants to change parameters, all or none."""

    id: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """The page wants the recorder to keep the last moments."""

    id: int


Request = Watch | Shown | SetValues | Record


def read_request(text: str) -> Request:
    """
    Read a message of the page.

    :raises ValueError: it is not one.
    """
    try:
        message = json.loads(text)
        request: Request = _READERS[message['type']](message)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError(f'the message is {shorten(repr(text), MAX_QUOTE)}; accepted: '
                         f'{", ".join(_READERS)}; see docs/page.md') from None
    return request


def _read_watch(message: Any) -> Watch:
    cameras = message['cameras']
    return Watch(None if cameras is None else frozenset(_texts(cameras)))


def _read_shown(message: Any) -> Shown:
    camera, = _texts([message['camera']])
    return Shown(camera, _whole(message['number']))


def _read_set(message: Any) -> SetValues:
    values = message['values']
    if not isinstance(values, dict) or not values:
        raise TypeError('no values')
    return SetValues(_whole(message['id']), values)


_READERS: Mapping[str, Any] = {
    'watch': _read_watch, 'shown': _read_shown, 'set': _read_set,
    'record': lambda message: Record(_whole(message['id'])),
}


def _texts(values: Any) -> Iterator[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError('not a list of texts')
    yield from values


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > 2**53:
        raise TypeError('not a whole number')
    return value
