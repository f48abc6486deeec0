# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The messages of a recording: values to JSON and back, without loss.

Numbers of candidates are little-endian arrays in Base64: they are exact, small and fast to read.
Pictures and remarks have the types of Foxglove, which shows them.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.candidates import Candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.frame import Window
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.recording.mcap_file import Message, Topic
from fcos_ros.recording.values import (
    INFO,
    WARNING,
    RecordedEvent,
    RecordedFrame,
    RecordedModel,
    Session,
)
from fcos_ros.settings.schema import Settings

SESSION, SETTINGS, FRAME = 'fcos.Session', 'fcos.Settings', 'fcos.Frame'
IMAGE, LOG = 'foxglove.CompressedImage', 'foxglove.Log'

_SECOND = 10**9
"""In nanoseconds."""

_CAMERA = 'camera'
"""The key of the name of the camera in the metadata of a topic."""

_ENDINGS = {SESSION: 'session', SETTINGS: 'settings', FRAME: 'frames', IMAGE: 'image',
            LOG: 'events'}
"""The last part of the topic of each type."""

_LEVELS = {INFO: 2, WARNING: 3}
"""Levels as `foxglove.Log` numbers them."""

_CANDIDATE_TYPES = {'boxes': '<f4', 'counts': '<u2', 'class_ids': '<u2', 'scores': '<f8'}
"""How the arrays of `Candidates` are written."""

_MODEL_CRITERIA = ('score_threshold', 'nms_threshold', 'one_class_per_cell')
"""The criteria that a model states."""


def topic(schema: str, camera: str = '') -> Topic:
    """Return the topic for the messages of a type and a camera."""
    prefix = f'/{camera}' if camera else ''
    return Topic(f'{prefix}/{_ENDINGS[schema]}', schema, ((_CAMERA, camera),))


def camera_of(message: Message) -> str:
    """Return the name of the camera of a message."""
    return dict(message.topic.metadata).get(_CAMERA, '')


def session_message(session: Session, time: int) -> Message:
    """Return a message with the description of the program."""
    model = session.model
    return _message(topic(SESSION), time, time, {
        'started': _to_time(session.started), 'node': session.node, 'board': session.board,
        'versions': dict(session.versions),
        'model': {
            'name': model.name, 'backend': model.backend, 'file': model.file,
            'width': model.canvas.width, 'height': model.canvas.height, 'fit': model.fit,
            'num_classes': model.num_classes, 'labels': list(model.labels.names),
            'criteria': {name: getattr(model.criteria, name) for name in _MODEL_CRITERIA}}})


def read_session(message: Message) -> Session:
    """Return the content of a message of `session_message`."""
    content = json.loads(message.data)
    model = content['model']
    return Session(
        _from_time(content['started']), content['node'],
        RecordedModel(
            model['name'], model['backend'], model['file'],
            Size(model['width'], model['height']), model['fit'], model['num_classes'],
            Labels(tuple(model['labels'])),
            Criteria(**{name: model['criteria'][name] for name in _MODEL_CRITERIA})),
        content['versions'], content['board'])


def settings_message(settings: Settings, camera: str, time: int) -> Message:
    """Return a message with the settings of a camera from now on."""
    return _message(topic(SETTINGS, camera), time, time, {'parameters': asdict(settings)})


def read_settings(message: Message) -> Settings:
    """Return the content of a message of `settings_message`; unknown settings are left out."""
    given = json.loads(message.data)['parameters']
    options = Settings.options()
    return Settings(**{name: options[name].given(value) for name, value in given.items()
                       if name in options})


def event_message(event: RecordedEvent) -> Message:
    """Return a message with a remark."""
    return _message(topic(LOG), event.time, event.time, {
        'timestamp': _to_time(event.time), 'level': _LEVELS[event.level], 'message': event.text,
        'name': 'fcos', 'file': '', 'line': 0})


def read_event(message: Message) -> RecordedEvent:
    """Return the content of a message of `event_message`."""
    content = json.loads(message.data)
    level = WARNING if content['level'] >= _LEVELS[WARNING] else INFO
    return RecordedEvent(_from_time(content['timestamp']), level, content['message'])


def image_message(frame: RecordedFrame) -> Message:
    """Return a message with the image of a frame, which precedes that of the frame."""
    return _message(topic(IMAGE, frame.camera), frame.arrived, frame.stamp, {
        'timestamp': _to_time(frame.stamp), 'frame_id': frame.frame_id, 'format': 'jpeg',
        'data': b64encode(frame.image).decode()})


def read_image(message: Message) -> bytes:
    """Return the JPEG file in a message of `image_message`."""
    return b64decode(json.loads(message.data)['data'])


def frame_message(frame: RecordedFrame) -> Message:
    """Return a message with a frame, without its image, its settings and the session."""
    width, height = frame.size or (0, 0)
    content: dict[str, Any] = {
        'timestamp': _to_time(frame.stamp), 'arrived': _to_time(frame.arrived),
        'frame_id': frame.frame_id, 'fate': frame.fate, 'error': frame.error,
        'reason': frame.reason, 'width': width, 'height': height, 'times': dict(frame.times),
        'decoded_before': frame.decoded_before}
    if frame.detections is not None:
        content['detections'] = _detections(frame.detections, frame.session.model.labels)
    if frame.candidates is not None:
        content['candidates'] = _candidates(frame.candidates)
    if frame.tile_candidates:
        content['tiles'] = [{'window': list(window), 'candidates': _candidates(candidates)}
                            for window, candidates in frame.tile_candidates]
    return _message(topic(FRAME, frame.camera), frame.arrived, frame.stamp, content)


def read_frame(
    message: Message, session: Session, settings: Settings, image: bytes = b'',
) -> RecordedFrame:
    """Return the frame of a message of `frame_message`."""
    content = json.loads(message.data)
    found, candidates = content.get('detections'), content.get('candidates')
    return RecordedFrame(
        session, settings, camera_of(message), _from_time(content['timestamp']),
        content['frame_id'], message.log_time, content['fate'], content['error'],
        content['reason'],
        Size(content['width'], content['height']) if content['width'] else None,
        content['times'],
        None if found is None else _read_detections(found),
        None if candidates is None else _read_candidates(candidates),
        tuple((Window(*tile['window']), _read_candidates(tile['candidates']))
              for tile in content.get('tiles', ())),
        content['decoded_before'], image)


def _message(topic: Topic, log_time: int, publish_time: int, content: object) -> Message:
    text = json.dumps(content, separators=(',', ':'), ensure_ascii=False)
    # Times in the file are unsigned. Stamps before 1970 are in the content.
    return Message(topic, log_time, max(0, publish_time), text.encode('utf-8', 'replace'))


def _detections(found: Detections, labels: Labels) -> list[dict[str, Any]]:
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist())
    listed: list[dict[str, Any]] = [
        {'class': labels.name(class_id), 'class_id': class_id, 'score': score, 'box': box}
        for box, score, class_id in rows]
    if found.track_ids is not None:
        for entry, track_id in zip(listed, found.track_ids.tolist()):
            entry['track_id'] = track_id
    if found.alternatives is not None:
        others = zip(found.alternatives.class_ids.tolist(), found.alternatives.scores.tolist())
        for entry, (class_ids, scores) in zip(listed, others):
            entry['alternatives'] = {'class_ids': class_ids, 'scores': scores}
    return listed


def _read_detections(listed: Sequence[Mapping[str, Any]]) -> Detections:
    if not listed:
        return Detections.empty()
    alternatives = track_ids = None
    if 'track_id' in listed[0]:
        track_ids = np.array([entry['track_id'] for entry in listed], np.int64)
    if 'alternatives' in listed[0]:
        others = [entry['alternatives'] for entry in listed]
        alternatives = Alternatives(
            np.array([other['class_ids'] for other in others], np.int32),
            np.array([other['scores'] for other in others], np.float32))
    return Detections(
        np.array([entry['box'] for entry in listed], np.float32),
        np.array([entry['score'] for entry in listed], np.float32),
        np.array([entry['class_id'] for entry in listed], np.int32), alternatives, track_ids)


def _candidates(candidates: Candidates) -> dict[str, Any]:
    arrays = {name: b64encode(getattr(candidates, name).astype(dtype).tobytes()).decode()
              for name, dtype in _CANDIDATE_TYPES.items()}
    return {'floor': candidates.floor, 'is_final': candidates.is_final, **arrays}


def _read_candidates(content: Mapping[str, Any]) -> Candidates:
    def array(name: str) -> NDArray[Any]:
        return np.frombuffer(b64decode(content[name]), _CANDIDATE_TYPES[name])

    return Candidates(
        content['floor'], array('boxes').reshape(-1, 4).astype(np.float32, copy=False),
        array('counts').astype(np.int32), array('class_ids').astype(np.int32), array('scores'),
        content['is_final'])


def _to_time(nanoseconds: int) -> dict[str, int]:
    seconds, rest = divmod(nanoseconds, _SECOND)
    return {'sec': seconds, 'nsec': rest}


def _from_time(time: Mapping[str, int]) -> int:
    return time['sec'] * _SECOND + time['nsec']
