# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of each type of messages in a recording; a file contains those that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fcos_ros.recording.format import FRAME, IMAGE, LOG, SESSION, SETTINGS
from fcos_ros.runtime.statistics import FATES

Schema = dict[str, Any]

TEXT: Schema = {'type': 'string'}
NUMBER: Schema = {'type': 'number'}
WHOLE: Schema = {'type': 'integer'}
FLAG: Schema = {'type': 'boolean'}
ANYTHING: Schema = {'type': 'object'}


def _object(properties: Mapping[str, Schema], **more: Any) -> Schema:
    return {'type': 'object', 'properties': dict(properties), **more}


def _list(items: Schema) -> Schema:
    return {'type': 'array', 'items': items}


def _base64(description: str) -> Schema:
    return {**TEXT, 'contentEncoding': 'base64', 'description': description}


_TIME = _object({'sec': WHOLE, 'nsec': WHOLE})

_CANDIDATES = _object({
    'floor': {**NUMBER, 'description': 'All scores of at least this value are included.'},
    'is_final': {**FLAG, 'description': 'Whether the network has applied NMS itself.'},
    'boxes': _base64('float32 (N, 4): x1, y1, x2, y2 in pixels of the input of the model.'),
    'counts': _base64('uint16 (N): the number of classes of each box.'),
    'class_ids': _base64('uint16 (M): the classes of the first box, best first, then of the '
                         'second, and so on.'),
    'scores': _base64('float64 (M): the scores of these classes.'),
}, description='The boxes before NMS; all arrays are little-endian.')

_DETECTION = _object({
    'class': TEXT, 'class_id': WHOLE, 'score': NUMBER,
    'box': {**_list(NUMBER), 'description': 'x1, y1, x2, y2 in pixels of the image.'},
    'track_id': {**WHOLE, 'description': '0 for an object without a number yet.'},
    'alternatives': _object({'class_ids': _list(WHOLE), 'scores': _list(NUMBER)})})

SCHEMAS: Mapping[str, Schema] = {
    SESSION: _object({
        'started': _TIME, 'node': TEXT, 'board': TEXT, 'versions': ANYTHING,
        'model': _object({
            'name': TEXT, 'backend': TEXT, 'file': TEXT, 'width': WHOLE, 'height': WHOLE,
            'fit': TEXT, 'num_classes': WHOLE, 'labels': _list(TEXT), 'criteria': ANYTHING})}),
    SETTINGS: _object({'parameters': {
        **ANYTHING, 'description': 'The parameters of the camera from now on, by name.'}}),
    FRAME: _object({
        'timestamp': _TIME, 'arrived': _TIME, 'frame_id': TEXT,
        'fate': {**TEXT, 'enum': list(FATES)}, 'error': TEXT, 'reason': TEXT,
        'width': WHOLE, 'height': WHOLE,
        'times': {**ANYTHING, 'description': 'Seconds of each stage.'},
        'decoded_before': {**FLAG, 'description': 'Whether the frame was decoded with the '
                           'settings before these.'},
        'detections': {**_list(_DETECTION), 'description': 'As they were published.'},
        'candidates': _CANDIDATES,
        'tiles': {**_list(_object({
            'window': {**_list(WHOLE), 'description': 'left, top, right and bottom in pixels of '
                       'the image.'},
            'candidates': _CANDIDATES})), 'description': 'The tiles besides the whole image.'}}),
    IMAGE: _object({
        'timestamp': _TIME, 'frame_id': TEXT, 'format': TEXT, 'data': _base64('A JPEG file.')}),
    LOG: _object({
        'timestamp': _TIME, 'level': WHOLE, 'message': TEXT, 'name': TEXT, 'file': TEXT,
        'line': WHOLE}),
}
