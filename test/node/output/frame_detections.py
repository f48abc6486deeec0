# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections in a black image, for an output."""

from __future__ import annotations

from collections.abc import Sequence
import time

import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.messages.headers import ImageHeader, Stamp
from fcos_ros.node.output.publisher import FrameDetections
from fcos_ros.runtime.detector import StageTimes

SECOND = 50
"""The second of the image's stamp."""

TIMES = StageTimes(preprocess=0.001, infer=0.002, decode=0.003)


def make_frame_detections(
    boxes: Sequence[Sequence[float]] = (), size: Size = Size(128, 128),
    track_ids: Sequence[int] | None = None,
) -> FrameDetections:
    """Return detections of class 0 with a score of 0.5, in an image that has just arrived."""
    count = len(boxes)
    header = ImageHeader(Stamp(SECOND, 0), 'camera')
    detections = Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(count, 0.5, np.float32),
        np.zeros(count, np.int32),
        track_ids=None if track_ids is None else np.array(track_ids, np.int64))
    frame = Frame.wrap(bytes(3 * size.width * size.height), size, 'bgr8')
    return FrameDetections(frame, header, detections, TIMES, time.perf_counter(), 0.0)
