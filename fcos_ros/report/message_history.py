# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Collect the history of nodes from their messages.

The messages come from a bag or from the live node; any object with the fields of the type will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.report.history import FrameRecord, NodeHistory
from fcos_ros.runtime.node_status import NodeStatus, read_diagnostics
from fcos_ros.runtime.statistics import PUBLISHED

DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'

TYPES = (DIAGNOSTICS, DETECTIONS, LABEL_INFO)
"""The types of messages that are read."""

MEGABYTE = 1e6


class MessageHistory:
    """
    The messages that were added so far, as values.

    :param node: full name of the only wanted node; '' for all.
    """

    def __init__(self, node: str = '') -> None:
        self._node = node
        self._reports: list[NodeStatus] = []
        self._frames: dict[tuple[str, int], FrameRecord] = {}
        self._labels: dict[str, Mapping[str, str]] = {}

    def newest(self) -> list[NodeStatus]:
        """Return the newest report of each node."""
        return list({status.name: status for status in self._reports}.values())

    def frame(self, camera: str, stamp: int) -> FrameRecord | None:
        """
        Return the frame of a stamp; None if its detections were not added.

        :param camera: the prefix of its topics.
        """
        return self._frames.get((camera, stamp))

    def add(self, topic: str, type_name: str, time: float, message: Any) -> None:
        """
        Add a message; other types are ignored.

        :param time: when it was recorded or received, in seconds.
        """
        camera, _, _ = topic.rpartition('/')
        if type_name == DIAGNOSTICS:
            self._reports += [status for status in read_diagnostics(message)
                              if self._node in ('', status.name)]
        elif not f'{camera}/'.startswith(f'{self._node}/'):
            return
        elif type_name == DETECTIONS:
            frame = _read_frame(camera, time, message)
            self._frames[camera, frame.stamp] = frame
        elif type_name == LABEL_INFO:
            self._labels[camera] = {str(int(entry.class_id)): str(entry.class_name)
                                    for entry in message.class_map}

    def history(self, source: str, **others: Any) -> NodeHistory:
        """
        Return the history.

        :param others: further fields of `NodeHistory`.
        """
        frames = sorted(map(self._finished, self._frames.values()), key=lambda frame: frame.time)
        facts = node_facts(self._reports[-1]) if self._reports else {}
        return NodeHistory(source, tuple(frames), tuple(self._reports), facts, **others)

    def _finished(self, frame: FrameRecord) -> FrameRecord:
        """Return a frame with the names of its classes."""
        names = self._labels.get(frame.camera, {})
        classes = tuple(names.get(class_id, class_id) for class_id in frame.classes)
        # Without reports, a tool has written the detections; their times are not the node's.
        return replace(frame, classes=classes, times=frame.times if self._reports else {})


def node_facts(status: NodeStatus) -> dict[str, str]:
    """Return facts about a node as texts, by name."""
    process, model = status.process, status.model
    optional = (('CPU cores used', process.cpu), ('temperature in C', process.temperature),
                ('BPU load in %', process.bpu_load))
    return {
        'node': status.name, 'state': process.state, 'model': model.name, 'file': model.path,
        'backend': model.backend, 'input': model.input, 'host': process.host,
        'board': process.board, 'workers': f'{process.working} of {process.workers}',
        'memory in MB': f'{process.memory / MEGABYTE:.0f}',
        **{name: f'{value:g}' for name, value in optional if value is not None},
        'version of fcos_ros': process.version,
        **{f'version of {name}': version for name, version in process.libraries.items()}}


def _read_frame(camera: str, time: float, message: Any) -> FrameRecord:
    """Return a frame; its classes are named as in the message."""
    stamp = message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
    known = [detection for detection in message.detections if len(detection.results)]
    best = [detection.results[0].hypothesis for detection in known]
    found = Detections(
        np.array([_corners(detection.bbox) for detection in known], np.float32).reshape(-1, 4),
        np.array([hypothesis.score for hypothesis in best], np.float32),
        np.zeros(len(known), np.int32))
    return FrameRecord(camera, time, stamp, PUBLISHED,
                       times={'age': time - stamp / 1e9} if stamp else {}, detections=found,
                       classes=tuple(str(hypothesis.class_id) for hypothesis in best))


def _corners(box: Any) -> tuple[float, float, float, float]:
    x, y = box.center.position.x, box.center.position.y
    return (x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2)
