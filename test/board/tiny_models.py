# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models of the published kind on a small canvas, and what they see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from model_file import Answer, ModelFile, Output, Thing, fcos, paint, write_model
import numpy as np

SIZE = 128
BYTES = SIZE * SIZE * 3 // 2

CAR, DOG = Thing(2, (16, 24, 80, 88)), Thing(16, (70, 30, 100, 50))


def tensor(seed: int) -> np.ndarray:
    """Make up an NV12 image."""
    return np.random.default_rng(seed).integers(0, 256, BYTES, np.uint8)


def tiny(board: str = 'x5', *, answers: bool = True, **facts: Any) -> ModelFile:
    """
    Describe a model for a board, integer for X5 and float for X3 unless told otherwise.

    It sees a car in `tensor(1)` and in anything unknown, a dog in `tensor(2)`.
    """
    facts = {'dtype': 'float32' if board == 'x3' else 'int32', **facts}
    model = fcos('tiny', board, SIZE, first_name=100, step=3, **facts)
    if not answers:
        return model
    return model.answering(*(
        Answer(paint(model, [thing], noise=seed).outputs, tensor(seed))
        for seed, thing in ((1, CAR), (2, DOG))))


def padded(model: ModelFile, channels: int = 1, to: int = 4) -> ModelFile:
    """Give outputs of that many channels more room in memory."""
    return replace(model, outputs=tuple(
        replace(output, aligned=(*output.shape[:3], to)) if output.shape[3] == channels
        else output for output in model.outputs))


def with_output(model: ModelFile, index: int, **facts: Any) -> ModelFile:
    """Change what the file says of one output."""
    outputs: list[Output] = list(model.outputs)
    outputs[index] = replace(outputs[index], **facts)
    return replace(model, outputs=tuple(outputs))


def write(folder: Path, model: ModelFile, suffix: str = '.bin') -> Path:
    """Write it under its own name."""
    return write_model(folder / f'{model.name}{suffix}', model)
