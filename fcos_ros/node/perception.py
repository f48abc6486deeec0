# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detections as the tools of D-Robotics' TROS read them: its web page pairs them with images.

The page takes an image only together with the message of exactly its stamp, so there is one for
every frame, whether anything was found or not.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, perf_counter
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import RegionOfInterest

from fcos_ros.backends import ModelInfo
from fcos_ros.core.resize import Boxes, Size
from fcos_ros.node.outlet import Finding, Outlet
from fcos_ros.node.qos import every

UNKNOWN_RATE = -1
"""What `fps` says until there is a rate."""

HIGHEST_RATE = 32767
"""The greatest number that `fps` can say."""

RATE_WINDOW = 2.0
"""Seconds over which frames are counted for `fps`."""

LATEST = 60.0
"""An image older than these seconds has a stamp from another clock, or out of a recording."""

_SECOND = 10**9


class Perception(Outlet):
    """
    `perception_targets`: the detections of each frame, and how long each stage of it took.

    The stages, each named after the model: `_preprocess`, `_predict_infer` (the inference),
    `_predict_parse` (from raw outputs to detections), `_postprocess` (the wait for earlier frames
    of the camera, and this message), and `_pipeline` from the image's stamp to this message, or,
    where the stamp does not tell the image's age, from its arrival.

    :raises ModuleNotFoundError: when ai_msgs is not installed.
    """

    def __init__(self, node: LifecycleNode, prefix: str, model: ModelInfo) -> None:
        from ai_msgs import msg as messages
        super().__init__(node, messages.PerceptionTargets, f'{prefix}perception_targets', every())
        self._model = model
        self._messages: Any = messages
        self._rate = Rate()
        self._tracked: dict[int, Any] = {}

    def wanted(self) -> bool:
        """Tell whether anybody listens; while nobody does, what was said before is forgotten."""
        wanted = super().wanted()
        if not wanted:
            self._rate, self._tracked = Rate(), {}
        return wanted

    def message(self, finding: Finding) -> Any:
        """Say what was found in a frame, once for each frame and in order."""
        targets = self._targets(finding)
        return self._messages.PerceptionTargets(
            header=finding.header, fps=self._rate.count(monotonic()), targets=targets,
            disappeared_targets=self._disappeared(targets), perfs=self._perfs(finding))

    def _targets(self, finding: Finding) -> list[Any]:
        found = finding.detections
        rectangles = _rectangles(found.boxes, finding.frame.size)
        track_ids = [0] * len(found) if found.track_ids is None else found.track_ids.tolist()
        return [self._target(self._model.labels.name(class_id), rectangle, score, track_id)
                for class_id, rectangle, score, track_id in zip(
                    found.class_ids.tolist(), rectangles, found.scores.tolist(), track_ids)]

    def _target(self, name: str, rectangle: list[int], score: float, track_id: int) -> Any:
        x, y, width, height = rectangle
        roi = self._messages.Roi(type=name, confidence=score, rect=RegionOfInterest(
            x_offset=x, y_offset=y, width=width, height=height))
        return self._messages.Target(type=name, track_id=track_id, rois=[roi])

    def _disappeared(self, targets: list[Any]) -> list[Any]:
        """Return the tracked targets of the message before that are not in this one."""
        before = self._tracked
        self._tracked = {target.track_id: target for target in targets if target.track_id}
        return [target for track_id, target in before.items() if track_id not in self._tracked]

    def _perfs(self, finding: Finding) -> list[Any]:
        times, done = finding.times, perf_counter()
        now = self._node.get_clock().now().nanoseconds
        marks = [finding.arrived + finding.waited]
        for seconds in (times.preprocess, times.infer, times.decode):
            marks.append(marks[-1] + seconds)
        marks.append(max(marks[-1], done))
        ages = [round((done - mark) * _SECOND) for mark in marks]
        stages = ('preprocess', 'predict_infer', 'predict_parse', 'postprocess')
        spans = {stage: (now - start, now - end)
                 for stage, start, end in zip(stages, ages, ages[1:])}
        spans['pipeline'] = self._start(finding, now, done), now
        return [self._perf(stage, start, end) for stage, (start, end) in spans.items()]

    def _start(self, finding: Finding, now: int, done: float) -> int:
        """Tell when the image was taken, as far as that is known."""
        stamp = finding.header.stamp
        taken = stamp.sec * _SECOND + stamp.nanosec
        if taken and 0 <= now - taken <= LATEST * _SECOND:
            return int(taken)
        return now - round((done - finding.arrived) * _SECOND)

    def _perf(self, stage: str, start: int, end: int) -> Any:
        return self._messages.Perf(
            type=f'{self._model.name}_{stage}', stamp_start=_time(start), stamp_end=_time(end),
            time_ms_duration=(end - start) / 1e6)


class Rate:
    """How many frames a second there were of late."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def count(self, now: float) -> int:
        """
        Count a frame.

        :param now: in seconds.
        :returns: frames a second, or `UNKNOWN_RATE` when there was no other lately.
        """
        self._moments.append(now)
        while now - self._moments[0] > RATE_WINDOW:
            self._moments.popleft()
        span = now - self._moments[0]
        if not span:
            return UNKNOWN_RATE
        return min(round((len(self._moments) - 1) / span), HIGHEST_RATE)


def _rectangles(boxes: Boxes, image: Size) -> list[list[int]]:
    """Return x, y, width and height in whole pixels of the image, one at least."""
    corners = np.clip(boxes, 0, [*image, *image]).round().astype(int)
    low = np.minimum(corners[:, :2], np.array(image) - 1)
    rectangles: list[list[int]] = np.hstack([low, np.maximum(corners[:, 2:] - low, 1)]).tolist()
    return rectangles


def _time(nanoseconds: int) -> Time:
    """Say a moment; simulated time may just have begun, and nothing is before it."""
    seconds, rest = divmod(max(0, nanoseconds), _SECOND)
    return Time(sec=seconds, nanosec=rest)
