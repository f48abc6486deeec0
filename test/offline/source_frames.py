# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a source for the models of `onnx_models`, some of them damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx_models import white_square
from runtime.square_frame import truncated_jpeg

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.offline.frames import SourceFrame

PERIOD = 33_000_000
"""Nanoseconds between two frames."""


def square_frames(columns: Iterable[int], camera: str = '') -> Iterator[SourceFrame]:
    """
    Yield a frame with one white square for each column.

    :param columns: places of the squares, in cells of stride 8. -1 is a truncated file, and -2 a
        frame that its source could not read.
    """
    damaged = {-1: truncated_jpeg(), -2: FrameError('the chunk is broken', 'damaged')}
    for number, column in enumerate(columns):
        image = damaged.get(column) or Frame.from_bgr(white_square(128, column, 3))
        yield SourceFrame(f'{number}', number * PERIOD, image, camera, context=number)
