# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert an ONNX network to a model for the simulated board, with its recorded outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_file import Answer, ModelFile, fcos
import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends import Backend, load
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import Part
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.yuv_range import FULL


def record(
    onnx: Path, frames: Sequence[Frame], board: str, *, nv12_range: str = FULL, **facts: Any,
) -> ModelFile:
    """
    Run a network with a square canvas on frames, and record its outputs for their NV12 tensors.

    As in the vendor's models, outputs for X5 are integers with a scale for each channel, and boxes
    in strides. Outputs for X3 are float, and boxes in pixels.

    :param nv12_range: the range in which the network reads NV12.
    :param facts: fields of `ModelFile`, such as times.
    """
    engine = load(onnx)
    head = engine.info.head
    spec = InputSpec('0', head.canvas, 'nv12', nv12_range=nv12_range)
    model = fcos(onnx.stem, board, head.canvas.width, first_name=1, step=3,
                 classes=head.num_classes, dtype='float32' if board == 'x3' else 'int32', **facts)
    tensors = [Preprocessor(spec).prepare(frame)[0] for frame in frames]
    return model.answering(*(Answer(_outputs(engine, tensor, nv12_range, board), tensor)
                             for tensor in tensors))


def _outputs(
    engine: Backend, tensor: NDArray[Any], nv12_range: str, board: str,
) -> list[NDArray[np.float32]]:
    """Return the outputs of the network for the pixels of a tensor, in the order of the board."""
    head = engine.info.head
    frame = replace(Frame.wrap(tensor, head.canvas, 'nv12'), yuv_range=nv12_range)
    raw = engine.infer(Preprocessor(engine.info.input).prepare(frame)[0])
    target = {'x3': 'pixel', 'x5': 'stride'}[board]

    def last(part: Part | None, factor: float = 1.0) -> NDArray[np.float32]:
        values = raw[part.output] if head.layout == 'NHWC' else raw[part.output].transpose(
            0, 2, 3, 1)
        return (values * factor).astype(np.float32)

    factors = [{('stride', 'pixel'): level.stride, ('pixel', 'stride'): 1 / level.stride}.get(
        (head.box_unit, target), 1.0) for level in head.levels]
    return [*(last(level.classes) for level in head.levels),
            *(last(level.box, factor) for level, factor in zip(head.levels, factors)),
            *(last(level.centerness) for level in head.levels)]
