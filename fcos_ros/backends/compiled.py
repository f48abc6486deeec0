# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Helpers for the engines that run compiled models, which take NV12.

The vendor's runtimes check little of their input, and some write past their memory when it is too
long. The input is therefore checked here first. They also name few causes when they refuse a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcos_ros.backends.base import NOTHING_STATED
from fcos_ros.backends.description import make_input
from fcos_ros.backends.errors import InferenceError, ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.model_file import BOARDS_BY_MARCH, read_compiled_facts
from fcos_ros.core.arrays import Array
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

NV12_TYPES = ('NV12', 'NV12_SEPARATE')
"""The vendor's names for the type of an NV12 input; both take the two planes in one buffer."""

NO_MEMORY = ('the memory of the BPU is used up; end other programs that use the BPU, use fewer '
             'workers or a smaller model, or restart the board')


def explain_refusal(path: Path) -> str:
    """Return the likely cause and the remedy when a runtime refuses a file."""
    facts = read_compiled_facts(path)
    if facts.truncated:
        return (f'the file is truncated, {facts.truncated}; copy or download it again, and check '
                'that the disk is not full')
    if facts.march:
        board = BOARDS_BY_MARCH.get(facts.march, 'another board')
        return (f'the file is compiled for the BPU {facts.march} ({board}) and loads only there; '
                'on another board, use the file for that board')
    return ('the file is damaged, or compiled for another kind of board; copy it again, or use '
            'the file for this board')


def require_same_size(path: Path, size: Size, wanted: Size | None) -> None:
    """
    Check that a size that the user chooses is that of the model.

    :raises ModelError: it is another one.
    """
    if wanted not in (None, size):
        raise ModelError(f'input_size is {wanted}, and the input of {path} is always {size}; '
                         'remove input_size, or compile the network for that size')


def nv12_input(
    path: Path, name: str, kind: str, shape: Sequence[int], metadata: Metadata = NOTHING_STATED,
) -> InputSpec:
    """
    Return the description of an NV12 input.

    :param kind: the runtime's name for the type of the tensor.
    :param shape: (1, 3, height, width) or (1, height, width, 3), as the runtime reports it. With
        either shape, the tensor's bytes are a Y plane and then a UV plane.
    :raises ModelError: the input is of another type or shape, has an odd side, or contradicts the
        metadata.
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
        return make_input(name, Size(width=int(width), height=int(height)), metadata, nv12=True)
    except ValueError as error:
        raise ModelError(f'{found}; {error}') from error


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
