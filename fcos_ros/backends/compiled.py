# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Helpers for the engines that run compiled models: NV12 input, FCOS outputs, no metadata.

The vendor's runtimes check little of their input, and some write past their memory when it is too
long. The input is therefore checked here first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fcos_ros.backends.base import (
    InferenceError,
    ModelError,
    ModelInfo,
    TensorInfo,
    UnfitModelError,
)
from fcos_ros.core.arrays import Array
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.head import HeadError, OutputSpec
from fcos_ros.core.labels import default_labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

NV12_TYPES = ('NV12', 'NV12_SEPARATE')
"""The vendor's names for the type of an NV12 input; both take the two planes in one buffer."""

WRONG_BOARD = ('a model is compiled for one kind of board and does not load on another; use the '
               'file for this board')
"""The likely cause and the remedy when a runtime refuses a file."""


def nv12_input(path: Path, name: str, kind: str, shape: Sequence[int]) -> InputSpec:
    """
    Return the description of an NV12 input.

    :param kind: the runtime's name for the type of the tensor.
    :param shape: (1, 3, height, width) or (1, height, width, 3), as the runtime reports it. With
        either shape, the tensor's bytes are a Y plane and then a UV plane.
    :raises ModelError: the input is of another type or shape, or has an odd side.
    """
    found = f'{path} takes {name} {kind}{list(shape)}'
    refusal = ModelError(f'{found}; accepted: one input of type NV12, of shape (1, 3, H, W) or '
                         '(1, H, W, 3)')
    if kind not in NV12_TYPES or len(shape) != 4 or shape[0] != 1:
        raise refusal
    if shape[1] == 3:
        height, width = shape[2:]
    elif shape[3] == 3:
        height, width = shape[1:3]
    else:
        raise refusal
    try:
        return InputSpec(name, Size(width=int(width), height=int(height)), 'nv12')
    except ValueError as error:
        raise ModelError(f'{found}; {error}') from error


def describe(
    path: Path, backend: str, name: str, spec: InputSpec, outputs: Sequence[OutputSpec],
) -> ModelInfo:
    """
    Return the description of a model that has no metadata.

    Boxes are in strides if the outputs are integers, else in pixels. A model with 80 classes gets
    the labels of COCO.

    :param name: the model's own name; if empty, the file's name without its suffix is used.
    :raises UnfitModelError: the outputs are not those of an FCOS network.
    """
    try:
        head = recognise(outputs, spec.size)
    except HeadError as error:
        raise UnfitModelError(f'{path} is not an FCOS network: {error}', [TensorInfo.of(spec)],
                              list(map(TensorInfo.of, outputs))) from error
    return ModelInfo(name or path.stem, path, backend, spec, tuple(outputs), head,
                     default_labels(head.num_classes), Criteria())


@contextmanager
def reporting_tensors(
    inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
) -> Iterator[None]:
    """
    Add the tensors of the model to every `ModelError` that is raised inside the block.

    :raises UnfitModelError: instead of any other `ModelError`.
    """
    try:
        yield
    except UnfitModelError:
        raise
    except ModelError as error:
        raise UnfitModelError(str(error), inputs, outputs) from error.__cause__


def require_tensor(tensor: Array, spec: InputSpec) -> None:
    """
    Check that a tensor is C-contiguous and has the input's dtype and shape.

    :raises InferenceError: the tensor is different.
    """
    if not isinstance(tensor, np.ndarray):
        found = type(tensor).__name__
    elif (tensor.dtype, tensor.shape) != (spec.dtype, spec.shape):
        found = f'{tensor.dtype}{list(tensor.shape)}'
    elif not tensor.flags.c_contiguous:
        found = f'{tensor.dtype}{list(tensor.shape)} with strides {tensor.strides}'
    else:
        return
    raise InferenceError(
        f'input is {found}; accepted: {spec.dtype}{list(spec.shape)} without gaps, the Y plane '
        f'and then the UV plane of an image of {spec.size} pixels')
