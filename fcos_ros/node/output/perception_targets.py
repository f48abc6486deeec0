# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert detections to the messages of D-Robotics' TROS.

Its web page shows an image only if there is a message with exactly the same stamp. Therefore every
frame gets a message, even if nothing was detected.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, perf_counter
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import RegionOfInterest

from fcos_ros.backends import ModelInfo
from fcos_ros.core.arrays import Boxes
from fcos_ros.core.resize import Size
from fcos_ros.node.output.messages import to_header
from fcos_ros.node.output.publisher import FrameDetections, OutputPublisher
from fcos_ros.node.qos import queued_qos

UNKNOWN_FRAME_RATE = -1
"""Value of `fps` while the frame rate is unknown."""

MAX_FRAME_RATE = 32767
"""Maximum value of `fps`, which has 16 bits."""

FRAME_RATE_PERIOD = 2.0
"""Seconds over which the frame rate is measured."""

MAX_AGE = 60.0
"""Seconds. The stamp of an older image is from another clock, or from a recording."""

_SECOND = 10**9
"""In nanoseconds."""


def open_perception_targets(
    node: LifecycleNode, prefix: str, model: ModelInfo,
) -> OutputPublisher:
    """
    Open the topic `perception_targets`: the detections of each frame, and the stage times.

    :raises ModuleNotFoundError: ai_msgs is not installed.
    """
    from ai_msgs import msg as messages
    converter = PerceptionTargetsConverter(messages, model, node.get_clock())
    return OutputPublisher(node, messages.PerceptionTargets, f'{prefix}perception_targets',
                           queued_qos(), converter.to_message, converter.forget)


class PerceptionTargetsConverter:
    """
    Convert detections to PerceptionTargets, frame by frame and in order.

    The name of each stage is the name of the model with one of these endings:

    - `_preprocess`: preprocessing
    - `_predict_infer`: inference
    - `_predict_parse`: decoding
    - `_postprocess`: the wait for earlier frames of the camera, and the conversion
    - `_pipeline`: from the image's stamp to this message; from the image's arrival if the age is
      unknown

    :param messages: the module `ai_msgs.msg`.
    """

    def __init__(self, messages: Any, model: ModelInfo, clock: Clock) -> None:
        self._model = model
        self._messages = messages
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Drop the frame rate and the targets of the last message."""
        self._frame_rate = FrameRateMeter()
        self._tracked: dict[int, Any] = {}

    def to_message(self, found: FrameDetections) -> Any:
        """Return the message for a frame."""
        targets = self._targets(found)
        return self._messages.PerceptionTargets(
            header=to_header(found.header), fps=self._frame_rate.count(monotonic()),
            targets=targets, disappeared_targets=self._disappeared(targets),
            perfs=self._perfs(found))

    def _targets(self, found: FrameDetections) -> list[Any]:
        detections = found.detections
        rectangles = _rectangles(detections.boxes, found.frame.size)
        track_ids = ([0] * len(detections) if detections.track_ids is None
                     else detections.track_ids.tolist())
        return [self._target(self._model.labels.name(class_id), rectangle, score, track_id)
                for class_id, rectangle, score, track_id in zip(
                    detections.class_ids.tolist(), rectangles, detections.scores.tolist(),
                    track_ids)]

    def _target(self, name: str, rectangle: list[int], score: float, track_id: int) -> Any:
        x, y, width, height = rectangle
        roi = self._messages.Roi(type=name, confidence=score, rect=RegionOfInterest(
            x_offset=x, y_offset=y, width=width, height=height))
        return self._messages.Target(type=name, track_id=track_id, rois=[roi])

    def _disappeared(self, targets: list[Any]) -> list[Any]:
        """Return the tracked targets of the last message that are not in this one."""
        before = self._tracked
        self._tracked = {target.track_id: target for target in targets if target.track_id}
        return [target for track_id, target in before.items() if track_id not in self._tracked]

    def _perfs(self, found: FrameDetections) -> list[Any]:
        times, done = found.times, perf_counter()
        now = self._clock.now().nanoseconds
        marks = [found.arrived + found.waited]
        for seconds in (times.preprocess, times.infer, times.decode + times.tiles):
            marks.append(marks[-1] + seconds)
        marks.append(max(marks[-1], done))
        ages = [round((done - mark) * _SECOND) for mark in marks]
        stages = ('preprocess', 'predict_infer', 'predict_parse', 'postprocess')
        spans = {stage: (now - start, now - end)
                 for stage, start, end in zip(stages, ages, ages[1:])}
        spans['pipeline'] = self._start(found, now, done), now
        return [self._perf(stage, start, end) for stage, (start, end) in spans.items()]

    def _start(self, found: FrameDetections, now: int, done: float) -> int:
        """Return when the image was taken, or when it arrived if that is unknown."""
        stamp = found.header.stamp
        taken = stamp.sec * _SECOND + stamp.nanosec
        if taken and 0 <= now - taken <= MAX_AGE * _SECOND:
            return taken
        return now - round((done - found.arrived) * _SECOND)

    def _perf(self, stage: str, start: int, end: int) -> Any:
        return self._messages.Perf(
            type=f'{self._model.name}_{stage}', stamp_start=_time(start), stamp_end=_time(end),
            time_ms_duration=(end - start) / 1e6)


class FrameRateMeter:
    """Measure the frame rate of the last `FRAME_RATE_PERIOD` seconds."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def count(self, now: float) -> int:
        """
        Count a frame.

        :param now: the time in seconds.
        :returns: frames per second; `UNKNOWN_FRAME_RATE` if there was no other frame recently.
        """
        self._moments.append(now)
        while now - self._moments[0] > FRAME_RATE_PERIOD:
            self._moments.popleft()
        span = now - self._moments[0]
        if not span:
            return UNKNOWN_FRAME_RATE
        return min(round((len(self._moments) - 1) / span), MAX_FRAME_RATE)


def _rectangles(boxes: Boxes, image: Size) -> list[list[int]]:
    """Return x, y, width and height in whole pixels of the image, at least 1x1."""
    corners = np.clip(boxes, 0, [*image, *image]).round().astype(int)
    low = np.minimum(corners[:, :2], np.array(image) - 1)
    rectangles: list[list[int]] = np.hstack([low, np.maximum(corners[:, 2:] - low, 1)]).tolist()
    return rectangles


def _time(nanoseconds: int) -> Time:
    """Convert nanoseconds to a time, at least 0: simulated time may have just started."""
    seconds, rest = divmod(max(0, nanoseconds), _SECOND)
    return Time(sec=seconds, nanosec=rest)
