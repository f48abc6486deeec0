# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The optional Python package `onnx`, which reads and writes the graphs of ONNX files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from fcos_ros.backends.errors import ModelError

INSTALL_COMMAND = ('python3 -m pip install --no-deps onnx protobuf ml_dtypes typing_extensions '
                   '(on Ubuntu 24.04 with --break-system-packages)')
"""Without dependencies: Humble needs numpy 1, and pip would install a numpy 2 that hides it."""


class OnnxMissingError(ModelError):
    """The package cannot be imported."""


def require_onnx() -> ModuleType:
    """
    Return the package.

    :raises OnnxMissingError: it cannot be imported.
    """
    try:
        import onnx
        import onnx.shape_inference
    except ImportError as error:
        raise OnnxMissingError(f'the package onnx cannot be imported ({error}); '
                               f'install it: {INSTALL_COMMAND}') from error
    module: ModuleType = onnx
    return module


def load_graph(path: Path) -> Any:
    """
    Read an ONNX file with the shapes of its tensors.

    :returns: an `onnx.ModelProto`; shapes that cannot be inferred are missing.
    :raises ModelError: the package is missing, or the file cannot be read.
    """
    onnx = require_onnx()
    if not path.is_file():
        raise ModelError(f'{path} is not a file; give the path of an .onnx file')
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise ModelError(f'{path} cannot be read as ONNX: {_first_line(error)}') from error
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise ModelError(f'{path} has tensors whose shapes contradict each other: '
                         f'{_first_line(error)}') from error
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:300]
