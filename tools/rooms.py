# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rooms of the package and the rooms that each may import; see `docs/architecture.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Room(NamedTuple):
    """
    A package below `fcos_ros`, or a part of one with rules of its own.

    :ivar task: what it does, for the documentation.
    :ivar may_use: the rooms that it may import, besides itself.
    :ivar row: its row in the picture, 0 at the top.
    :ivar column: the middle of its box in the picture, from 0 to 1.
    """

    task: str
    may_use: frozenset[str]
    row: int
    column: float


def _room(task: str, may_use: str, row: int, column: float) -> Room:
    return Room(task, frozenset(may_use.split()), row, column)


ROOMS: Mapping[str, Room] = {
    'cli': _room('the command `fcos` and its verbs',
                 'demo node/observer report inspection offline recording settings deploy '
                 'evaluation runtime backends core', 0, 0.3),
    'demo': _room('rendered scenes, their camera, and the check of the detections',
                  'node offline settings evaluation runtime core', 1, 0.63),
    'node/observer': _room('a node beside running detectors: their reports, graph and images, and '
                           'the control of their recorders',
                           'node inspection settings messages runtime core', 1, 0.4),
    'web': _room('the page in a browser and its server: pictures, detections, figures, parameters',
                 'node settings messages runtime core', 1, 0.88),
    'node': _room('the border to ROS 2: lifecycle, parameters, diagnostics; `node/input`: '
                  'messages to frames; `node/output`: detections to messages',
                  'recording settings messages runtime backends core', 2, 0.61),
    'inspection': _room('facts about graph, model, board and machine of running detectors, and '
                        'what is wrong with them', 'settings runtime backends core', 2, 0.41),
    'report': _room('web pages of one file, and charts: figures, comparisons, the work of a node',
                    'offline recording evaluation settings runtime backends core', 1, 0.12),
    'offline': _room('the detector on files: pictures, videos, streams and recordings; their '
                     'results; many inputs on many machines',
                     'recording settings messages evaluation runtime backends core', 2,
                     0.86),
    'deploy': _room('from a trained network to the file of a board: checkpoints, also of other '
                    'programs; export; layers, costs and their picture; the compiler',
                    'runtime backends core', 2, 0.2),
    'recording': _room('the flight recorder: candidates, times and fates of frames in MCAP files, '
                       'and their replay', 'settings runtime backends core', 3, 0.5),
    'settings': _room('all that a user can set, once: schema, conversion, launch arguments',
                      'backends core', 4, 0.12),
    'runtime': _room('frames in flight: detector, workers, pool, streams, statistics, boards',
                     'backends core', 4, 0.37),
    'messages': _room('images and detections as messages; their classes are those of ROS 2 or '
                      'of a bag', 'backends core', 4, 0.62),
    'evaluation': _room('ground truth and figures: datasets, average precision, '
                        'comparison of two networks', 'backends core', 4, 0.87),
    'backends': _room('inference engines behind one protocol', 'core', 5, 0.5),
    'core': _room('the maths: frames, preprocessing, head, decode, NMS, zones, tracking, '
                  'drawing; numpy and OpenCV only', '', 6, 0.5),
}
"""Every room, from the top of the house to its foundation."""

ROS_ROOMS = frozenset({'node', 'node/observer', 'demo', 'web'})
"""The rooms that may import ROS 2."""

SEPARATE = (('node/input', 'node/output'),)
"""Parts of rooms that never import each other."""


def room_of(module: Sequence[str]) -> str:
    """
    Return the room of a module.

    :param module: the parts of its name below `fcos_ros`; at least one.
    """
    part = '/'.join(module[:2])
    return part if part in ROOMS else module[0]
