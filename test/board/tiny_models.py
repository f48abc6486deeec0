# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models like the published ones with a small canvas, and the objects that they detect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from model_file import Answer, ModelFile, Output, SceneObject, fcos, make_answer, write_model
import numpy as np

SIZE = 128
BYTES = SIZE * SIZE * 3 // 2

CAR, DOG = SceneObject(2, (16, 24, 80, 88)), SceneObject(16, (70, 30, 100, 50))


def tensor(seed: int) -> np.ndarray:
    """Return a random NV12 image."""
    return np.random.default_rng(seed).integers(0, 256, BYTES, np.uint8)


def tiny(board: str = 'x5', *, answers: bool = True, **facts: Any) -> ModelFile:
    """
    Describe a model for a board, by default with integer outputs for X5 and float for X3.

    It detects a dog in `tensor(2)`, and a car in `tensor(1)` and in any other image.
    """
    facts = {'dtype': 'float32' if board == 'x3' else 'int32', **facts}
    model = fcos('tiny', board, SIZE, first_name=100, step=3, **facts)
    if not answers:
        return model
    return model.answering(*(
        Answer(make_answer(model, [found], noise=seed).outputs, tensor(seed))
        for seed, found in ((1, CAR), (2, DOG))))


def padded(model: ModelFile, channels: int = 1, to: int = 4) -> ModelFile:
    """Pad the outputs that have `channels` channels to `to` channels."""
    return replace(model, outputs=tuple(
        replace(output, aligned=(*output.shape[:3], to)) if output.shape[3] == channels
        else output for output in model.outputs))


def with_output(model: ModelFile, index: int, **facts: Any) -> ModelFile:
    """Change the facts of one output."""
    outputs: list[Output] = list(model.outputs)
    outputs[index] = replace(outputs[index], **facts)
    return replace(model, outputs=tuple(outputs))


def write(folder: Path, model: ModelFile, suffix: str = '.bin') -> Path:
    """Write a model to a file of its name, and return the path."""
    return write_model(folder / f'{model.name}{suffix}', model)
