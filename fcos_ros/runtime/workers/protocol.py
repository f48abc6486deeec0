# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The messages between a `ProcessWorker` and its child.

At the rate of a camera, all code and data are cold for each frame, and pickling arrays and
dataclasses is slow. So a frame is described only when its description changes, and a result
travels as a few plain values. `benchmarks/whole_node.py` measures the children.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.backends import ModelInfo
from fcos_ros.core.candidates import Candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import Measurement
from fcos_ros.runtime.channel import Failure
from fcos_ros.runtime.detector import InferenceTimes, Result, StageTimes

_FACTS = tuple(field.name for field in fields(Frame) if field.name != 'planes')
_facts_of = attrgetter(*_FACTS)
_times_of = attrgetter('preprocess', 'infer', 'decode')


class Task(NamedTuple):
    """
    The work on the frame in shared memory, where its planes lie one after the other.

    The parent sends None instead of a task that is equal to the one before.

    :ivar facts: the fields of the frame without its planes, in order.
    :ivar planes: shape and dtype of each plane, in order.
    :ivar time_inferences: 0 to detect; else the number of inferences to time.
    """

    facts: tuple[Any, ...]
    planes: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    criteria: Criteria | None
    time_inferences: int

    @classmethod
    def of(cls, frame: Frame, criteria: Criteria | None = None, time_inferences: int = 0) -> Task:
        """Return the task for a frame."""
        planes = tuple([(plane.shape, plane.dtype) for plane in frame.planes])
        return cls(_facts_of(frame), planes, criteria, time_inferences)

    def frame(self, memory: Any) -> Frame:
        """
        View the frame in shared memory.

        :param memory: a buffer of at least `nbytes`.
        """
        views, offset = [], 0
        for shape, dtype in self.planes:
            views.append(np.ndarray(shape, dtype, memory, offset))
            offset += views[-1].nbytes
        return Frame(planes=tuple(views), **dict(zip(_FACTS, self.facts)))

    @property
    def nbytes(self) -> int:
        """Bytes of all planes."""
        return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in self.planes)


class PackedResult(NamedTuple):
    """
    A `Result` of one inference.

    :ivar length: the number of detections.
    :ivar arrays: the bytes of boxes, scores and class_ids.
    :ivar times: preprocess, infer and decode.
    :ivar measured: a `Measurement`.
    """

    length: int
    arrays: bytearray
    alternatives: Alternatives | None
    times: tuple[float, float, float]
    warnings: tuple[str, ...]
    measured: tuple[Any, ...]
    candidates: Candidates | None

    @classmethod
    def of(cls, result: Result) -> PackedResult:
        """Pack a result."""
        found = result.detections
        arrays = bytearray().join((found.boxes.tobytes(), found.scores.tobytes(),
                                   found.class_ids.tobytes()))
        return cls(len(found), arrays, found.alternatives, _times_of(result.times),
                   result.warnings, tuple(result.measured), result.candidates)

    def unpack(self) -> Result:
        """Return the result; its arrays view `arrays`."""
        count, arrays = self.length, self.arrays
        found = Detections(
            np.ndarray((count, 4), np.float32, arrays),
            np.ndarray(count, np.float32, arrays, 16 * count),
            np.ndarray(count, np.int32, arrays, 20 * count), self.alternatives)
        return Result(found, StageTimes(*self.times), self.warnings,
                      Measurement(*self.measured), self.candidates)


Reply = ModelInfo | PackedResult | InferenceTimes | Failure
