# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run compiled models on the BPU by `hbm_runtime`: RDK S100, and RDK X5 from RDK OS 3.5 on.

On X5 a model takes one NV12 tensor. On S100 it takes the Y plane and the UV plane as two tensors.
Each run returns outputs of its own. They may have gaps where the memory was padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import re
from threading import Lock
from typing import Any

import numpy as np

from fcos_ros.backends.base import DEFAULT_OPTIONS, LoadOptions, TensorInfo
from fcos_ros.backends.compiled import (
    NO_MEMORY,
    explain_refusal,
    nv12_input,
    require_same_size,
    require_tensor,
)
from fcos_ros.backends.description import describe, reporting_tensors
from fcos_ros.backends.errors import EngineError, EngineMissingError, InferenceError, ModelError
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.metadata_files import read_metadata
from fcos_ros.backends.probe import examine, probe_tensor
from fcos_ros.core.arrays import Array, Scale
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec

DTYPE_NAMES = {'S8': 'int8', 'U8': 'uint8', 'S16': 'int16', 'U16': 'uint16', 'S32': 'int32',
               'F16': 'float16', 'F32': 'float32'}
"""numpy's name of each type, by the runtime's name."""

OUT_OF_MEMORY = re.compile('Alloc|Malloc|out of memory|6000007|6000130')
"""Words and codes in the message of the runtime if the memory of the BPU is used up."""

InputSplitter = Callable[[Array], Mapping[str, Array]]
"""Converts the input tensor to the runtime's inputs, by their names."""


class HbmRuntimeBackend:
    """
    A compiled model in `hbm_runtime`.

    :param path: a `.hbm` file, or on X5 a `.bin` file. The first of several models is used.
    :raises ModelError: the runtime cannot be imported, the file is for another board, or the
        model is not an FCOS network.
    """

    name = 'hbm_runtime'
    suffixes: tuple[str, ...] = ('.hbm', '.bin')
    modules: tuple[str, ...] = ('hbm_runtime',)
    crash_advice = ''
    commands: tuple[str, ...] = ()
    uses_bpu = True
    concurrent = False
    # The releases that were read hold it; later releases for S100 may not.
    holds_gil = True

    def __init__(self, path: Path, options: LoadOptions = DEFAULT_OPTIONS) -> None:
        self._lock = Lock()
        self._runtime = _open(path)
        self._model, self._output_names = _read_names(path, self._runtime)
        inputs, outputs = (
            _tensor_infos(self._runtime, self._model, side) for side in ('input', 'output'))
        with reporting_tensors(path, inputs, outputs):
            metadata = options.metadata or read_metadata(path)
            spec, self._split = _input(path, self._runtime, self._model, metadata)
            require_same_size(path, spec.size, options.input_size)
            arrays = self._run_probe(path, spec)
            specs = _output_specs(
                path, self._output_names, arrays, self._runtime.output_quants[self._model])
            self.info = examine(
                describe(path, self.name, self._model, spec, specs, metadata), arrays)

    def new_input(self) -> Array:
        """Allocate an array for inputs; the runtime copies it."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: Array) -> Sequence[Array]:
        """Run the model on one input; see `Backend.infer`."""
        require_tensor(tensor, self.info.input)
        return self._run(tensor)

    def close(self) -> None:
        """Release the model."""
        self._runtime = None

    def _run(self, tensor: Array) -> list[Array]:
        inputs = {self._model: self._split(tensor)}
        # The runtime refuses a second run on the same object during the first.
        with self._lock:
            if self._runtime is None:
                raise InferenceError('the model was closed; load it again')
            try:
                outputs = self._runtime.run(inputs)[self._model]
                return [np.ascontiguousarray(outputs[name]) for name in self._output_names]
            except Exception as error:
                raise EngineError(
                    f'hbm_runtime failed ({type(error).__name__}: {error})') from error

    def _run_probe(self, path: Path, spec: InputSpec) -> list[Array]:
        """Run the model on a picture."""
        try:
            return self._run(probe_tensor(spec))
        except InferenceError as error:
            raise ModelError(f'{path} does not run: {error}') from error


def _open(path: Path) -> Any:
    try:
        from hbm_runtime import HB_HBMRuntime
    except Exception as error:
        raise EngineMissingError(
            f'{path} needs hbm_runtime, which cannot be imported ({error}); it is part of the '
            "board's system image: on X5 from RDK OS 3.5 on in the package hobot-spdev, on S100 "
            'in hobot-dnn (pip installs the build for S100, which does not run on X5); a virtual '
            'environment finds it only if made with --system-site-packages') from error
    try:
        return HB_HBMRuntime(str(path))
    except Exception as error:
        cause = NO_MEMORY if OUT_OF_MEMORY.search(str(error)) else explain_refusal(path)
        raise ModelError(f'hbm_runtime cannot load {path} ({type(error).__name__}: {error}): '
                         f'{cause}') from error


def _read_names(path: Path, runtime: Any) -> tuple[str, list[str]]:
    """
    Return the name of the first model and those of its outputs.

    :raises ModelError: the file holds no model, or a name is not UTF-8.
    """
    try:
        if not runtime.model_names:
            raise ModelError(f'{path} holds no model; give the path of another file')
        model: str = runtime.model_names[0]
        _ = runtime.input_names[model]
        return model, list(runtime.output_names[model])
    except UnicodeDecodeError as error:
        shown = error.object.decode(errors='backslashreplace')
        raise ModelError(f'{path} has a tensor {shown!r}, whose name is not in UTF-8; rename it '
                         'and compile the model again') from error


def _tensor_infos(runtime: Any, model: str, side: str) -> list[TensorInfo]:
    """
    Return the tensors of one side of a model, as the runtime describes them.

    :param side: 'input' or 'output'.
    """
    names, shapes, dtypes, quants = (
        getattr(runtime, f'{side}_{attribute}')[model]
        for attribute in ('names', 'shapes', 'dtypes', 'quants'))
    return [TensorInfo(name, DTYPE_NAMES.get(dtypes[name].name, dtypes[name].name),
                       tuple(map(int, shapes[name])), _scale_factors(quants[name]))
            for name in names]


def _scale_factors(quant: Any) -> tuple[float, ...]:
    return tuple(map(float, np.ravel(quant.scale))) if _is_scaled(quant) else ()


def _is_scaled(quant: Any) -> bool:
    return bool(quant.quant_type.name == 'SCALE')


def _input(
    path: Path, runtime: Any, model: str, metadata: Metadata,
) -> tuple[InputSpec, InputSplitter]:
    """Return the description of the input: one NV12 tensor, or two tensors for its planes."""
    names: list[str] = list(runtime.input_names[model])
    shapes = [tuple(map(int, runtime.input_shapes[model][name])) for name in names]
    kinds = [runtime.input_dtypes[model][name].name for name in names]
    if len(names) == 1:
        spec = nv12_input(path, names[0], kinds[0], shapes[0], metadata)
        return spec, lambda tensor: {names[0]: tensor}
    if kinds == ['U8', 'U8'] and [len(shape) for shape in shapes] == [4, 4]:
        _, height, width, _ = shapes[0]
        if shapes == [(1, height, width, 1), (1, height // 2, width // 2, 2)]:
            spec = nv12_input(path, names[0], 'NV12', (1, height, width, 3), metadata)
            return spec, _plane_splitter(names, shapes)
    found = ', '.join(f'{name} {kind}{list(shape)}'
                      for name, kind, shape in zip(names, kinds, shapes))
    raise ModelError(f'{path} takes {found}; accepted: one input of type NV12, or two of type U8 '
                     'for its planes, (1, H, W, 1) and (1, H/2, W/2, 2)')


def _plane_splitter(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> InputSplitter:
    _, height, width, _ = shapes[0]
    luma = height * width

    def split(tensor: Array) -> Mapping[str, Array]:
        return {names[0]: tensor[:luma].reshape(shapes[0]),
                names[1]: tensor[luma:].reshape(shapes[1])}
    return split


def _output_specs(
    path: Path, names: Sequence[str], arrays: Sequence[Array], quants: Mapping[str, Any],
) -> list[OutputSpec]:
    return [OutputSpec(name, array.shape, array.dtype,
                       _checked_scale(path, name, array, quants[name]))
            for name, array in zip(names, arrays)]


def _checked_scale(path: Path, name: str, array: Array, quant: Any) -> Scale | None:
    """Return the scale of an output; None if it states none."""
    if not _is_scaled(quant):
        return None
    scale = np.array(quant.scale, np.float32).reshape(-1)
    if array.dtype.kind == 'f':
        return scale  # it is not applied, so it need not fit
    if np.any(quant.zero_point):
        raise ModelError(f'{path}: output {name} has zero points other than 0; compile the model '
                         'with symmetric quantisation')
    if scale.size > 1 and array.shape[quant.axis] != scale.size:
        raise ModelError(f'{path}: output {name} {list(array.shape)} has {scale.size} scales '
                         f'along its axis {quant.axis}; accepted: one scale, or one for each '
                         'element of the axis')
    return scale
