# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines behind one protocol; `load` chooses the one that reads a file."""

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
    TensorInfo,
    UnfitModelError,
)
from fcos_ros.backends.hbm_runtime import HbmRuntimeBackend
from fcos_ros.backends.hobot_dnn import HobotDnnBackend
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.backends.onnx import OnnxBackend

__all__ = ['BACKENDS', 'Backend', 'EngineError', 'InferenceError', 'LateError', 'ModelError',
           'ModelInfo', 'TensorInfo', 'UnfitModelError', 'choose', 'load']

_ENGINES: tuple[type[Backend], ...] = (
    OnnxBackend, HobotDnnBackend, HbmRuntimeBackend, LibdnnBackend)

BACKENDS: Mapping[str, type[Backend]] = {engine.name: engine for engine in _ENGINES}
"""Every engine by its name."""

BY_SUFFIX: Mapping[str, type[Backend]] = {
    suffix: engine for engine in _ENGINES for suffix in engine.suffixes}
"""The engine that `auto` chooses, by the suffix of the file."""


def choose(path: Path, backend: str = 'auto') -> type[Backend]:
    """
    Return the engine for a model file.

    :param backend: a key of `BACKENDS`, or `auto` to choose by the file's suffix.
    :raises ModelError: no engine reads such a file, or there is no engine of that name.
    """
    engine = BY_SUFFIX.get(path.suffix.lower()) if backend == 'auto' else BACKENDS.get(backend)
    if engine is not None:
        return engine
    if backend == 'auto':
        raise ModelError(f'{path} has the suffix {path.suffix!r}; accepted: '
                         f'{", ".join(BY_SUFFIX)}; or name the backend')
    raise ModelError(f'backend is {backend!r}; accepted: auto, {", ".join(BACKENDS)}')


def load(path: Path, backend: str = 'auto', threads: int = 1) -> Backend:
    """
    Load a model; see `choose` and `Backend`.

    :raises ModelError: no engine reads such a file, or the engine refuses it.
    """
    return choose(path, backend)(path, threads)
