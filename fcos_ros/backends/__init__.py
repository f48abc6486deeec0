# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines behind one protocol; `load` chooses the one that reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from fcos_ros.backends.base import (
    Backend,
    LoadOptions,
    ModelInfo,
    TensorInfo,
    UnfitModelError,
)
from fcos_ros.backends.bpu_sim import BpuSimBackend
from fcos_ros.backends.bpu_tools import find_tool
from fcos_ros.backends.errors import (
    EngineError,
    EngineMissingError,
    InferenceError,
    LateError,
    ModelError,
)
from fcos_ros.backends.hbm_runtime import HbmRuntimeBackend
from fcos_ros.backends.hobot_dnn import HobotDnnBackend
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.model_file import require_model_file
from fcos_ros.backends.onnx import OnnxBackend
from fcos_ros.core.resize import Size

__all__ = ['BACKENDS', 'Backend', 'EngineError', 'EngineMissingError', 'InferenceError',
           'LateError', 'ModelError', 'ModelInfo', 'TensorInfo', 'UnfitModelError', 'choose',
           'crash_advice', 'load']

_ENGINES: tuple[type[Backend], ...] = (
    OnnxBackend, HobotDnnBackend, HbmRuntimeBackend, LibdnnBackend, BpuSimBackend)

BACKENDS: Mapping[str, type[Backend]] = {engine.name: engine for engine in _ENGINES}
"""Every engine by its name."""


def choose(path: Path, backend: str = 'auto') -> type[Backend]:
    """
    Return the engine for a model file.

    :param backend: a key of `BACKENDS`, or `auto` to choose by the file's suffix. If none of its
        engines is installed, the first is returned; its error says how to install it.
    :raises ModelError: no engine reads such a file, or there is no engine of that name.
    """
    if backend in BACKENDS:
        return BACKENDS[backend]
    if backend != 'auto':
        raise ModelError(f'backend is {backend!r}; accepted: auto, {", ".join(BACKENDS)}')
    engines = [engine for engine in _ENGINES if path.suffix.lower() in engine.suffixes]
    if not engines:
        suffixes = dict.fromkeys(suffix for engine in _ENGINES for suffix in engine.suffixes)
        raise ModelError(f'{path} has the suffix {path.suffix!r}; accepted: '
                         f'{", ".join(suffixes)}; or name the backend')
    return next(filter(_is_installed, engines), engines[0])


def crash_advice(path: Path, backend: str = 'auto') -> str:
    """
    Return what to do if the process dies while the engine loads a model; empty for nothing.

    :raises ModelError: see `choose`.
    """
    return choose(path, backend).crash_advice


def load(
    path: Path, backend: str = 'auto', threads: int = 1, input_size: Size | None = None,
    metadata: Metadata | None = None,
) -> Backend:
    """
    Load a model; see `choose`, `Backend` and `LoadOptions`.

    :raises ModelError: no engine reads such a file, or it is no model, or the engine refuses it.
    """
    engine = choose(path, backend)
    require_model_file(path)
    return engine(path, LoadOptions(threads, input_size, metadata))


def _is_installed(engine: type[Backend]) -> bool:
    """Return whether an engine is found; importing it would load the board's libraries."""
    return (not engine.modules or any(map(find_spec, engine.modules))) and all(
        map(find_tool, engine.commands))
