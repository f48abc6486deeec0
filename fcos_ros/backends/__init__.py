# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines behind one small protocol; `load` picks the one that reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fcos_ros.backends.base import (
    Backend,
    EngineError,
    InferenceError,
    LateError,
    ModelError,
    ModelInfo,
    TensorFacts,
    UnfitModelError,
)
from fcos_ros.backends.hbm_runtime import HbmRuntimeBackend
from fcos_ros.backends.hobot_dnn import HobotDnnBackend
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.backends.onnx import OnnxBackend

__all__ = ['BACKENDS', 'Backend', 'EngineError', 'InferenceError', 'LateError', 'ModelError',
           'ModelInfo', 'TensorFacts', 'UnfitModelError', 'choose', 'load']

BACKENDS: Mapping[str, type[Backend]] = {
    'onnx': OnnxBackend,
    'hobot_dnn': HobotDnnBackend,
    'hbm_runtime': HbmRuntimeBackend,
    'libdnn': LibdnnBackend,
}
"""Every engine by name."""

BY_SUFFIX: Mapping[str, str] = {
    '.onnx': 'onnx',
    '.bin': 'hobot_dnn',
    '.hbm': 'hbm_runtime',
}
"""Which engine `auto` takes for which kind of file."""


def choose(path: Path, backend: str = 'auto') -> type[Backend]:
    """
    Pick the engine for a model file.

    :param backend: a name of `BACKENDS`, or `auto` to go by the file's suffix.
    :raises ModelError: when no engine reads such a file.
    """
    name = BY_SUFFIX.get(path.suffix.lower()) if backend == 'auto' else backend
    if name is None:
        raise ModelError(f'{path} has the suffix {path.suffix!r}; accepted: '
                         f'{", ".join(BY_SUFFIX)}; or name the backend')
    if name not in BACKENDS:
        raise ModelError(f'backend is {name!r}; accepted: auto, {", ".join(BACKENDS)}')
    return BACKENDS[name]


def load(path: Path, backend: str = 'auto', threads: int = 1) -> Backend:
    """
    Load a model; see `choose` and `Backend`.

    :raises ModelError: when no engine reads such a file, or the engine refuses it.
    """
    return choose(path, backend)(path, threads)
