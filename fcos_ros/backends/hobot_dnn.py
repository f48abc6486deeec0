# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compiled models on the BPU of RDK X3 and X5, by the vendor's Python binding `pyeasy_dnn`.

There are three generations of it, alike in their names and in little else. What is common to all
is used, and what any of them does silently wrong is checked here:

- The input's size, dtype and strides are not compared with the model's: ours are, beforehand.
- Tensors show the memory of the model, which the next inference overwrites: each output is
  copied once, right after the inference, under a lock.
- Padding in the memory of an output is not removed, and cannot be afterwards: such models are
  refused.
- What goes wrong is raised as a SystemError that says nothing; its cause does.
- A model is never freed: each file is loaded once in a process.
- The GIL is held from the start of an inference to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure, c_int32
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcos_ros.backends.base import EngineError, InferenceError, ModelError, TensorFacts
from fcos_ros.backends.compiled import (
    WRONG_BOARD,
    describe,
    nv12_input,
    require_tensor,
    showing,
)
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.preprocess import InputSpec

NAME = 'hobot_dnn'

IN_BUFFER = {'float32': np.float32, 'int32': np.int32, 'int16': np.int16, 'int8': np.int8,
             'uint8': np.int8}
"""The dtype of `.buffer` for each dtype of which it holds the data."""

LONGEST_NAME = 63
"""Bytes that the binding has room for in the name of a tensor; it writes past them."""

ROW_BYTES = (0, 16, 32, 64, 128)
"""The BPU pads the last axis of its outputs to one of these above a multiple of 256."""


class HobotDnnBackend:
    """
    A compiled model in `pyeasy_dnn`.

    :param path: the `.bin` file; of several models packed in it, the first.
    :param threads: without meaning here.
    :raises ModelError: when the binding cannot be imported, the file is for another board or not
        an FCOS, or the binding would hand out its outputs garbled.
    """

    concurrent = False
    holds_gil = True

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._network = _load(path)
        model = self._network.model
        inputs, outputs = tuple(model.inputs), tuple(model.outputs)
        with showing(list(map(_facts, inputs)), list(map(_facts, outputs))):
            _require_short_names(path, [*inputs, *outputs])
            spec = _input_spec(path, inputs)
            # Only the oldest generation has tuples, and it takes the padding out by itself.
            unpads = isinstance(model.outputs, tuple)
            specs = [_output_spec(path, output, unpads) for output in outputs]
            self.info = describe(path, NAME, model.name, spec, specs)
            self._probe()

    def new_input(self) -> NDArray[Any]:
        """Allocate an array to write inputs into, which the binding will copy."""
        return np.empty(self.info.input.shape, self.info.input.dtype)

    def infer(self, tensor: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """
        Run the model once; see `Backend.infer`.

        :raises EngineError: when the BPU fails: what it was at work on is never given back.
        """
        require_tensor(tensor, self.info.input)
        with self._network.lock:
            arrays = _forward(self._network.model, tensor)
        if len(arrays) != len(self.info.outputs):
            raise EngineError(f'{NAME} returned {len(arrays)} outputs, '
                              f'the model has {len(self.info.outputs)}')
        return [_restored(array, spec) for array, spec in zip(arrays, self.info.outputs)]

    def close(self) -> None:
        """Do nothing: the binding frees no model before the process ends."""

    def _probe(self) -> None:
        """See on a dark image that the arrays are what the model's description says."""
        try:
            self.infer(np.zeros(self.info.input.shape, np.uint8))
        except InferenceError as error:
            raise ModelError(f'{self.info.path} does not run: {error}') from error


@dataclass(frozen=True, eq=False)
class _Network:
    """A loaded model, and the lock under which it runs and its outputs are read."""

    model: Any
    lock: Lock = field(default_factory=Lock)


_LOADING = Lock()


def _load(path: Path) -> _Network:
    binding = _binding(path)
    if not path.is_file():
        raise ModelError(f'{path} is not a file: give the path of a .bin file')
    status = path.stat()
    with _LOADING:
        return _loaded(binding, path.resolve(), status.st_mtime_ns, status.st_size)


@cache
def _loaded(binding: Any, path: Path, modified: int, size: int) -> _Network:
    """Load a file that is not yet in this process; a changed file is another one."""
    try:
        models = binding.load(str(path))
    except Exception as error:
        raise ModelError(f'{NAME} cannot load {path} ({_reason(error)}): {WRONG_BOARD}'
                         ) from error
    if not models:
        raise ModelError(f'{path} holds no model')
    return _Network(models[0])


def _binding(path: Path) -> Any:
    """Import what the board's image, or else what the package index calls it."""
    try:
        from hobot_dnn import pyeasy_dnn
    except ImportError as image:
        try:
            from hobot_dnn_rdkx5 import pyeasy_dnn
        except ImportError as index:
            raise ModelError(_import_advice(path, image, index)) from image
    return pyeasy_dnn


def _import_advice(path: Path, *errors: ImportError) -> str:
    reasons = '; '.join(str(error) for error in errors)
    advice = (f'{path} needs the Python binding {NAME} of an RDK X3 or X5, which cannot be '
              f'imported ({reasons}): ')
    present = any(not isinstance(error, ModuleNotFoundError) for error in errors)
    if present and int(np.__version__.split('.')[0]) >= 2:
        return advice + (f'numpy here is {np.__version__} and the binding needs one below 2, '
                         "pip install 'numpy<2'")
    return advice + ('the image of the board brings it in its package hobot-spdev, on X5 also '
                     'pip install hobot-dnn-rdkx5; a virtual environment sees that of the image '
                     'only if made with --system-site-packages')


def _require_short_names(path: Path, tensors: Sequence[Any]) -> None:
    for tensor in tensors:
        if len(tensor.name) > LONGEST_NAME:
            raise ModelError(
                f'{path} has a tensor {tensor.name!r}, and {NAME} writes past its memory when a '
                f'name is longer than {LONGEST_NAME} characters: rename it and compile anew')


def _facts(tensor: Any) -> TensorFacts:
    properties = tensor.properties
    return TensorFacts(tensor.name, properties.tensor_type, tuple(properties.shape),
                       tuple(map(float, properties.scale_data)))


def _input_spec(path: Path, inputs: Sequence[Any]) -> InputSpec:
    if len(inputs) != 1:
        raise ModelError(f'{path} takes {len(inputs)} inputs; accepted: one')
    properties = inputs[0].properties
    return nv12_input(path, inputs[0].name, properties.tensor_type, properties.shape)


def _output_spec(path: Path, tensor: Any, unpads: bool) -> OutputSpec:
    properties = tensor.properties
    if properties.dtype not in IN_BUFFER:
        raise ModelError(f'{path}: output {tensor.name} is {properties.dtype}, which {NAME} does '
                         f'not hand out; accepted: {", ".join(IN_BUFFER)}')
    spec = OutputSpec(tensor.name, properties.shape, np.dtype(properties.dtype),
                      properties.scale_data)
    if not unpads:
        _refuse_padding(path, spec, getattr(properties, 'alignedShape', None))
    return spec


class _Shape(Structure):
    """The vendor's hbDNNTensorShape."""

    _fields_ = (('sides', c_int32 * 8), ('rank', c_int32))


def _refuse_padding(path: Path, spec: OutputSpec, aligned: Any) -> None:
    """Compare the shape in memory with the valid one, as far as the binding tells of it."""
    advice = (f'and {NAME} would mix padding into its values: take the backend libdnn, or '
              'compile the model without padding')
    if aligned is None:
        # Outputs of the CPU, all float ones among them, have no padding.
        row = spec.shape[-1] * spec.dtype.itemsize
        if spec.scale is not None and row % 256 not in ROW_BYTES:
            raise ModelError(f'{path}: output {spec} has rows of {row} bytes, which the BPU pads, '
                             f'{advice}')
        return
    # The address of the C structure, in all releases seen; each reading of it leaks a copy.
    shape = _read_shape(aligned) if isinstance(aligned, int) else tuple(aligned)
    if shape != spec.shape:
        raise ModelError(f'{path}: output {spec} lies in memory as {list(shape)}, {advice}')


def _read_shape(address: int) -> tuple[int, ...]:
    shape = _Shape.from_address(address)
    return tuple(shape.sides[:shape.rank])


def _forward(model: Any, tensor: NDArray[Any]) -> list[NDArray[Any]]:
    """Run, and copy all outputs before anything else can run: each `.buffer` is a new copy."""
    try:
        outputs = model.forward(tensor)
        if outputs is None:
            raise RuntimeError('forward returned None')
        return [output.buffer for output in outputs]
    except Exception as error:
        raise EngineError(
            f'{NAME} failed ({_reason(error)}); what it printed may tell more') from error


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, SystemError) and error.__cause__ else error
    return f'{type(cause).__name__}: {cause}'


def _restored(array: NDArray[Any], spec: OutputSpec) -> NDArray[Any]:
    """Give a buffer the output's dtype, or refuse it."""
    if array.dtype != IN_BUFFER[spec.dtype.name] or array.shape != spec.shape:
        raise EngineError(f'{NAME} returned {array.dtype}{list(array.shape)} '
                          f'for the output {spec}')
    return array.view(spec.dtype)
