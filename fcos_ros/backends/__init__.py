# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines behind one small protocol; `load` picks the one that reads a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fcos_ros.backends.base import Backend, InferenceError, ModelError, ModelInfo
from fcos_ros.backends.libdnn import LibdnnBackend
from fcos_ros.backends.onnx import OnnxBackend

__all__ = ['BACKENDS', 'Backend', 'InferenceError', 'ModelError', 'ModelInfo', 'load']

BACKENDS: Mapping[str, Callable[[Path, int], Backend]] = {
    'onnx': OnnxBackend,
    'libdnn': LibdnnBackend,
}
"""Every engine by name: a callable from (path, threads) to a loaded model."""

BY_SUFFIX: Mapping[str, str] = {
    '.onnx': 'onnx',
}
"""Which engine `auto` takes for which kind of file."""


def load(path: Path, backend: str = 'auto', threads: int = 1) -> Backend:
    """
    Load a model.

    :param path: the model file.
    :param backend: a name of `BACKENDS`, or `auto` to go by the file's suffix.
    :param threads: CPU threads of one inference, where the engine has such a choice.
    :raises ModelError: when no engine reads such a file, or the engine refuses it.
    """
    name = BY_SUFFIX.get(path.suffix.lower()) if backend == 'auto' else backend
    if name is None:
        raise ModelError(f'{path} has the suffix {path.suffix!r}; accepted: '
                         f'{", ".join(BY_SUFFIX)}; or name the backend')
    if name not in BACKENDS:
        raise ModelError(f'backend is {name!r}; accepted: auto, {", ".join(BACKENDS)}')
    return BACKENDS[name](path, threads)
