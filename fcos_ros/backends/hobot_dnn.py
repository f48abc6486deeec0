# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run compiled models on the BPU of RDK X3 and X5 by `pyeasy_dnn`, the vendor's Python binding.

The binding has three generations with the same names and different behaviour. This module uses
only the part that they have in common, and makes up for their faults:

- The binding does not compare an input with the model. Size, dtype and strides are checked here.
- It copies the names of tensors into too little memory, and the process dies when it is asked for
  its tensors. A file that shows its names is checked before.
- Output tensors are views of the model's memory, which the next inference overwrites. Each output
  is copied once, right after the inference, under a lock.
- Two generations leave the padding in the outputs, and it cannot be removed afterwards. A model
  with such padding is refused.
- Errors arrive as a SystemError without a reason. The reason is in its cause.
- The binding never frees a model. Each file is loaded only once in a process.
- The GIL is held during the whole inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
import os
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
from fcos_ros.backends.libdnn_abi import TensorShape
from fcos_ros.backends.metadata import Metadata
from fcos_ros.backends.metadata_files import read_metadata
from fcos_ros.backends.model_file import read_compiled_facts
from fcos_ros.backends.probe import examine, probe_tensor
from fcos_ros.core.arrays import Array
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec

BUFFER_DTYPES = {'float32': np.float32, 'int32': np.int32, 'int16': np.int16, 'int8': np.int8,
                 'uint8': np.int8}
"""The dtype of the attribute `buffer` for each supported dtype of an output."""

MAX_NAME_BYTES = 63
"""
Maximum length of a tensor's name. The binding writes past its memory for longer names, and with 73
bytes or more the process dies.
"""

RENAME = 'use the backend libdnn, or rename the tensor and compile the model again'

OUT_OF_MEMORY = 'prepare_model_tensor failed'
"""The message of the binding if the memory of the BPU is used up."""

UNPADDED_ROW_BYTES = (0, 16, 32, 64, 128)
"""
Lengths of a row that the BPU does not pad, modulo 256 bytes.

A row is the last axis of an output. The BPU pads other rows to the next of these lengths.
"""


class HobotDnnBackend:
    """
    A compiled model in `pyeasy_dnn`.

    :param path: a `.bin` file. The first of several packed models is used.
    :raises ModelError: the binding cannot be imported or would return wrong outputs, the file is
        for another board, or the model is not an FCOS network.
    """

    name = 'hobot_dnn'
    suffixes: tuple[str, ...] = ('.bin',)
    modules: tuple[str, ...] = ('hobot_dnn', 'hobot_dnn_rdkx5')
    crash_advice = (f'hobot_dnn crashes if the name of a tensor has more than {MAX_NAME_BYTES} '
                    'bytes: try the backend libdnn')
    commands: tuple[str, ...] = ()
    uses_bpu = True
    concurrent = False
    holds_gil = True

    def __init__(self, path: Path, options: LoadOptions = DEFAULT_OPTIONS) -> None:
        _require_names(path, read_compiled_facts(path).names)
        self._loaded = _load(path)
        model = self._loaded.model
        # A name that is not UTF-8 raises an error when it is read.
        inputs, outputs = (_read_tensors(path, tensors) for tensors in (
            model.inputs, model.outputs))
        with reporting_tensors(path, list(map(_tensor_info, inputs)),
                               list(map(_tensor_info, outputs))):
            _require_names(path, [os.fsencode(tensor.name) for tensor in (*inputs, *outputs)])
            metadata = options.metadata or read_metadata(path)
            spec = _input_spec(path, inputs, metadata)
            require_same_size(path, spec.size, options.input_size)
            # The oldest generation removes padding; it is the only one with tuples.
            removes_padding = isinstance(model.outputs, tuple)
            specs = [_output_spec(path, output, removes_padding) for output in outputs]
            self.info = describe(path, self.name, model.name, spec, specs, metadata)
            # numpy computes the name of a dtype in Python, too slowly for each inference.
            self._buffer_dtypes = [np.dtype(BUFFER_DTYPES[output.dtype.name])
                                   for output in self.info.outputs]
            self.info = examine(self.info, self._run_probe())

    def new_input(self) -> Array:
        """Allocate an array for inputs; the binding copies it."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: Array) -> Sequence[Array]:
        """
        Run the model on one input; see `Backend.infer`.

        :raises EngineError: the BPU failed. The binding never frees the memory of a failed task.
        """
        require_tensor(tensor, self.info.input)
        with self._loaded.lock:
            arrays = _run(self._loaded.model, tensor)
        if len(arrays) != len(self.info.outputs):
            raise EngineError(f'hobot_dnn returned {len(arrays)} outputs, but the model has '
                              f'{len(self.info.outputs)}')
        return list(map(_checked_output, arrays, self._buffer_dtypes, self.info.outputs))

    def close(self) -> None:
        """Do nothing: the binding keeps a model until the process ends."""

    def _run_probe(self) -> Sequence[Array]:
        """Run the model on a picture; this also compares the outputs with their description."""
        try:
            return self.infer(probe_tensor(self.info.input))
        except InferenceError as error:
            raise ModelError(f'{self.info.path} does not run: {error}') from error


@dataclass(frozen=True, eq=False)
class _LoadedModel:
    """A model of the binding, with a lock for running it and reading its outputs."""

    model: Any
    lock: Lock = field(default_factory=Lock)


_LOAD_LOCK = Lock()


def _load(path: Path) -> _LoadedModel:
    binding = _import_binding(path)
    status = path.stat()
    with _LOAD_LOCK:
        return _load_once(binding, path.resolve(), status.st_mtime_ns, status.st_size)


@cache
def _load_once(binding: Any, path: Path, modified: int, size: int) -> _LoadedModel:
    """Load a file that is not loaded in this process; a changed file is loaded again."""
    try:
        models = binding.load(str(path))
    except Exception as error:
        reason = _reason(error)
        cause = NO_MEMORY if OUT_OF_MEMORY in reason else explain_refusal(path)
        raise ModelError(f'hobot_dnn cannot load {path} ({reason}): {cause}') from error
    if not models:
        raise ModelError(f'{path} holds no model; give the path of another file')
    return _LoadedModel(models[0])


def _import_binding(path: Path) -> Any:
    """Import the binding by its name on the system image, else by its name on PyPI."""
    try:
        from hobot_dnn import pyeasy_dnn
    except ImportError as image:
        try:
            from hobot_dnn_rdkx5 import pyeasy_dnn
        except ImportError as index:
            raise EngineMissingError(_import_advice(path, image, index)) from image
    return pyeasy_dnn


def _import_advice(path: Path, *errors: ImportError) -> str:
    reasons = '; '.join(str(error) for error in errors)
    problem = (f'{path} needs hobot_dnn, the Python binding of RDK X3 and X5, which cannot be '
               f'imported ({reasons}); ')
    installed = any(not isinstance(error, ModuleNotFoundError) for error in errors)
    library = re.search(r'lib\w+\.so[.\d]*', reasons)
    if installed and library:
        return problem + (f"the board's library {library[0]} is missing: this is no board, or its "
                          'package is damaged: sudo apt install --reinstall hobot-spdev hobot-dnn')
    if installed and int(np.__version__.split('.')[0]) >= 2:
        return problem + (f'numpy here is {np.__version__} and the binding needs one below 2, '
                          "pip install 'numpy<2'")
    return problem + ("it is part of the board's system image in the package hobot-spdev, on X5 "
                      'also pip install hobot-dnn-rdkx5; a virtual environment finds that of the '
                      'image only if made with --system-site-packages')


def _require_names(path: Path, names: Sequence[bytes]) -> None:
    """
    Check the names of tensors.

    :raises ModelError: a name is too long or not UTF-8.
    """
    for name in names:
        shown = name.decode(errors='backslashreplace')
        if len(name) > MAX_NAME_BYTES:
            raise ModelError(
                f'{path} has a tensor {shown!r} of {len(name)} bytes, and hobot_dnn writes past '
                f'its memory when a name is longer than {MAX_NAME_BYTES} bytes; {RENAME}')
        try:
            name.decode()
        except UnicodeDecodeError:
            raise ModelError(f'{path} has a tensor {shown!r}, whose name is not in UTF-8, which '
                             f'hobot_dnn cannot return; {RENAME}') from None


def _read_tensors(path: Path, tensors: Sequence[Any]) -> tuple[Any, ...]:
    """
    Return the tensors after reading all names.

    :raises ModelError: a name is not UTF-8.
    """
    try:
        for tensor in tensors:
            _ = tensor.name
    except UnicodeDecodeError as error:
        _require_names(path, [error.object])
    return tuple(tensors)


def _tensor_info(tensor: Any) -> TensorInfo:
    properties = tensor.properties
    return TensorInfo(tensor.name, properties.tensor_type, tuple(properties.shape),
                      tuple(map(float, properties.scale_data)))


def _input_spec(path: Path, inputs: Sequence[Any], metadata: Metadata) -> InputSpec:
    if len(inputs) != 1:
        raise ModelError(f'{path} takes {len(inputs)} inputs; accepted: one')
    properties = inputs[0].properties
    return nv12_input(path, inputs[0].name, properties.tensor_type, properties.shape, metadata)


def _output_spec(path: Path, tensor: Any, removes_padding: bool) -> OutputSpec:
    properties = tensor.properties
    if properties.dtype not in BUFFER_DTYPES:
        raise ModelError(f'{path}: output {tensor.name} is {properties.dtype}, which hobot_dnn '
                         f'does not return; accepted: {", ".join(BUFFER_DTYPES)}')
    spec = OutputSpec(tensor.name, properties.shape, np.dtype(properties.dtype),
                      properties.scale_data)
    if not removes_padding:
        _require_no_padding(path, spec, getattr(properties, 'alignedShape', None))
    return spec


def _require_no_padding(path: Path, spec: OutputSpec, aligned: Any) -> None:
    """
    Raise ModelError if the BPU pads an output.

    :param aligned: the shape in memory; None if the binding does not report it. Such an output is
        judged by the length of its rows.
    """
    advice = ('and hobot_dnn would mix padding into its values; use the backend libdnn, or '
              'compile the model without padding')
    if aligned is None:
        # Outputs that the CPU writes have no padding. All float outputs are among them.
        row = spec.shape[-1] * spec.dtype.itemsize
        if spec.scale is not None and not spec.is_float and row % 256 not in UNPADDED_ROW_BYTES:
            raise ModelError(f'{path}: output {spec} has rows of {row} bytes, which the BPU pads, '
                             f'{advice}')
        return
    # All releases that were seen return the address of a C structure. Reading it again would
    # leak memory: the binding makes a new copy each time.
    shape = tuple(TensorShape.from_address(aligned) if isinstance(aligned, int) else aligned)
    if shape != spec.shape:
        raise ModelError(f'{path}: output {spec} lies in memory as {list(shape)}, {advice}')


def _run(model: Any, tensor: Array) -> list[Array]:
    """Run the model and copy its outputs; each access to `buffer` makes a copy."""
    try:
        outputs = model.forward(tensor)
        if outputs is None:
            raise RuntimeError('forward returned None')
        return [output.buffer for output in outputs]
    except Exception as error:
        raise EngineError(
            f'hobot_dnn failed ({_reason(error)}); see also the output that it printed') from error


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, SystemError) and error.__cause__ else error
    return f'{type(cause).__name__}: {cause}'


def _checked_output(array: Array, expected: np.dtype[Any], spec: OutputSpec) -> Array:
    """
    View a buffer with the dtype of its output.

    :param expected: the dtype of the buffer.
    :raises EngineError: it has another shape or an unexpected dtype.
    """
    if array.dtype != expected or array.shape != spec.shape:
        raise EngineError(f'hobot_dnn returned {array.dtype}{list(array.shape)} '
                          f'for the output {spec}')
    return array.view(spec.dtype)
