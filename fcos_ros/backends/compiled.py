# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What all engines for compiled models share: NV12 in, the outputs of an FCOS out, no metadata.

The vendor's runtimes check little or nothing of what they are given, and some write past their
memory when it is too long. So the tensor is checked here, before they see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends.base import (
    InferenceError,
    ModelError,
    ModelInfo,
    TensorFacts,
    UnfitModelError,
)
from fcos_ros.core.decode import Criteria
from fcos_ros.core.head import Head, HeadError, OutputSpec
from fcos_ros.core.labels import COCO, Labels
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size

NV12_TYPES = ('NV12', 'NV12_SEPARATE')
"""What the vendor's runtimes call the type of such an input; all take the planes in one piece."""

WRONG_BOARD = ('a model is compiled for one kind of board and loads on no other: take the file '
               'made for this one')


def nv12_input(path: Path, name: str, kind: str, shape: Sequence[int]) -> InputSpec:
    """
    Describe an input of NV12 pixels.

    :param kind: the runtime's name of the tensor's type.
    :param shape: (1, 3, height, width) or (1, height, width, 3), as the runtime reports it; the
        bytes of the tensor are a Y plane and a UV plane all the same.
    :raises ModelError: it is another kind of input.
    """
    accepted = 'one input of type NV12, of shape (1, 3, H, W) or (1, H, W, 3)'
    refusal = ModelError(f'{path} takes {name} {kind}{list(shape)}; accepted: {accepted}')
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
        raise ModelError(f'{refusal}: {error}') from error


def describe(
    path: Path, backend: str, name: str, spec: InputSpec, outputs: Sequence[OutputSpec],
) -> ModelInfo:
    """
    Describe a model of which only the tensors are known.

    Boxes are in strides where outputs are integers, else in pixels; 80 classes are those of COCO.

    :param name: the model's own name; the file's, when empty.
    :raises UnfitModelError: the outputs are not those of an FCOS.
    """
    try:
        head = Head.recognise(outputs, spec.size)
    except HeadError as error:
        raise UnfitModelError(f'{path} is not an FCOS: {error}', [TensorFacts.of(spec)],
                              list(map(TensorFacts.of, outputs))) from error
    classes = head.num_classes
    labels = COCO if classes == len(COCO) else Labels(tuple(map(str, range(classes))))
    return ModelInfo(name or path.stem, path, backend, spec, tuple(outputs), head, labels,
                     Criteria())


@contextmanager
def showing(inputs: Sequence[TensorFacts], outputs: Sequence[TensorFacts]) -> Iterator[None]:
    """
    Have every refusal inside tell what the file takes and gives.

    :raises UnfitModelError: instead of any other `ModelError`.
    """
    try:
        yield
    except UnfitModelError:
        raise
    except ModelError as error:
        raise UnfitModelError(str(error), inputs, outputs) from error.__cause__


def require_tensor(tensor: NDArray[Any], spec: InputSpec) -> None:
    """
    Refuse what is not exactly the input: C-contiguous, and of its dtype and shape.

    :raises InferenceError: with what was given and what is accepted.
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
        f'and then the UV plane of {spec.size} pixels')
