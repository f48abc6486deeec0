# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
`pyeasy_dnn` of X5, written in C against the runtime library, and its forerunner on X3.

It counts elements where it should count bytes, compares nothing with the model, hands out views of
the model's own memory, frees no model, and raises whatever goes wrong as a SystemError.
"""

from __future__ import annotations

from collections.abc import Callable
import ctypes
from functools import wraps
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulator.bpu import (
    LAYOUT_NAMES,
    BpuError,
    Description,
    Network,
    raw_bytes,
    refuse_numpy,
    say,
)

Array = NDArray[Any]

GUARD = 1 << 22
"""Bytes behind an input's memory that a write past its end may spoil."""

BUFFERS = {'float32', 'int32', 'int16', 'int8'}
"""The dtypes that `.buffer` has; it shows all others as int8."""

OVERRUNS: list[int] = []
"""How many bytes each write past an input's memory was too long."""

_kept: list[Any] = []
"""What is never freed: models, and the shapes whose addresses were handed out."""


def _in_c(function: Callable[..., Any]) -> Callable[..., Any]:
    """Raise as a C function does that returns a result although an exception is set."""
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as cause:
            raise SystemError(f'<built-in function {function.__name__}> returned a result with '
                              'an exception set') from cause
    return wrapper


class _Shape(ctypes.Structure):
    _fields_ = (('sides', ctypes.c_int32 * 8), ('rank', ctypes.c_int32))


def _address(sides: tuple[int, ...]) -> int:
    shape = _Shape((ctypes.c_int32 * 8)(*sides), len(sides))
    _kept.append(shape)
    return ctypes.addressof(shape)


class OldTensorProperties:
    """What the first revision tells of a tensor."""

    def __init__(self, description: Description) -> None:
        self._description = description

    tensor_type = property(lambda self: self._description.tensor_type)
    dtype = property(lambda self: self._description.dtype)
    layout = property(lambda self: LAYOUT_NAMES.get(self._description.layout, 'UNKNOWN'))
    shape = property(lambda self: self._description.shape)
    # The runtime's own table: writing to it changes the model.
    scale_data = property(lambda self: self._description.scale[:])


class TensorProperties(OldTensorProperties):
    """What the second revision tells: shapes by the address of a C structure that nobody frees."""

    validShape = property(lambda self: _address(self._description.shape))  # noqa: N815
    alignedShape = property(lambda self: _address(self._description.memory))  # noqa: N815


class PyDNNTensor:
    """A view of a tensor of a model: it shows what the model's memory holds when it is read."""

    def __init__(self, description: Description, memory: Array, kind: type) -> None:
        self._description = description
        self._memory = memory
        self._kind = kind

    name = property(lambda self: self._description.name)
    properties = property(lambda self: self._kind(self._description))

    @property
    def buffer(self) -> Array:
        """Copy the first bytes of the memory, as many as there are valid values."""
        dtype = self._description.dtype
        shown = np.dtype(dtype if dtype in BUFFERS else 'int8')
        shape = self._description.shape
        return self._memory[:prod(shape) * shown.itemsize].view(shown).reshape(shape).copy()


class OldModel:
    """A network with one set of memory for its tensors; first revision."""

    properties_type: type = OldTensorProperties

    def __init__(self, path: str, board: str) -> None:
        self._network = Network(path, board)
        self._size = self._network.input.input_bytes
        self._input = np.zeros(self._size + GUARD, np.uint8)
        self._outputs = [
            np.zeros(prod(output.memory) * np.dtype(output.dtype).itemsize, np.uint8)
            for output in self._network.outputs]

    name = property(lambda self: self._network.name)
    estimate_latency = property(lambda self: 100)

    @property
    def inputs(self) -> list[PyDNNTensor]:
        return [PyDNNTensor(self._network.input, self._input, self.properties_type)]

    @property
    def outputs(self) -> list[PyDNNTensor]:
        return [PyDNNTensor(description, memory, self.properties_type)
                for description, memory in zip(self._network.outputs, self._outputs)]

    @_in_c
    def forward(self, arg: Any, core_id: int = 0, priority: int = 0) -> list[PyDNNTensor] | None:
        """Run; None when the inference failed."""
        self._fill(arg)
        try:
            return self._run(core_id)
        except BpuError as error:
            say(2, str(error))
            return None

    def _run(self, core_id: int) -> list[PyDNNTensor] | None:
        results = self._network.run(self._input[:self._size], core_id)
        if results is None:
            return None
        for memory, result in zip(self._outputs, results):
            memory[:] = result.reshape(-1).view(np.uint8)
        return self.outputs

    def _fill(self, arg: Any) -> None:
        """Take the only array, or the first of several, for every input."""
        array = arg[0] if isinstance(arg, (list, tuple)) else arg
        if not isinstance(array, np.ndarray):
            raise TypeError(f'{type(array).__name__} is no array')
        if array.dtype != np.uint8:
            raise TypeError(f'cannot cast {array.dtype} to uint8')
        packed = np.ascontiguousarray(array)
        # It reads the second side also of an array that has one only, and finds its stride.
        sides = (*packed.shape, *packed.strides)
        self._copy(packed, sides[0] * sides[1])

    def _copy(self, array: Array, count: int) -> None:
        """Copy that many bytes from where the array's data begin, however many have room."""
        if count > self._size:
            OVERRUNS.append(count - self._size)
            count = min(count, self._input.size)
        self._input[:count] = np.frombuffer(raw_bytes(array, count), np.uint8)


class Model(OldModel):
    """A network with one set of memory for its tensors."""

    properties_type = TensorProperties

    @_in_c
    def forward(self, arg: Any, core_id: int = 0, priority: int = 0) -> list[PyDNNTensor] | None:
        """Run; on the former input when there is none."""
        self._fill(arg)
        try:
            return self._run(core_id)
        except BpuError as error:
            say(2, str(error))
            raise RuntimeError('forward execution failed.') from error

    def _fill(self, arg: Any) -> None:
        if isinstance(arg, np.ndarray):
            if arg.size == 0:
                raise RuntimeError('forward execution failed.')
            self._copy(arg, arg.size)
        elif isinstance(arg, (list, tuple)):
            self._fill_each(arg)
        else:
            print('arg_obj is NOT a container.')

    def _fill_each(self, arrays: list[Any] | tuple[Any, ...]) -> None:
        if any(not isinstance(array, np.ndarray) for array in arrays):
            raise TypeError('expected arrays')
        if len(arrays) > 1:
            raise RuntimeError('forward execution failed.')
        for array in arrays:
            if array.dtype == np.uint8:
                self._copy(np.ascontiguousarray(array), array.size)
            else:
                # The cast copy is freed before it is read.
                self._copy(np.full(array.size, 0x5A, np.uint8), array.size)


for _type in (OldModel, Model, OldTensorProperties, TensorProperties, PyDNNTensor):
    _type.__module__ = 'dnnpy'


def loader(model_type: type[OldModel], board: str) -> Callable[..., list[OldModel]]:
    """Make the `load` of a board."""
    refuse_numpy()

    @_in_c
    def load(model_file: str | list[str]) -> list[OldModel]:
        """Load the first model of each file."""
        if not isinstance(model_file, (str, list)):
            raise TypeError('expected str or list of str')
        paths = [model_file] if isinstance(model_file, str) else model_file
        if any(not isinstance(path, str) for path in paths):
            raise TypeError('expected str or list of str')
        try:
            models = [model_type(path, board) for path in paths]
        except BpuError as error:
            say(2, str(error))
            raise RuntimeError('hbDNNInitializeFromFiles failed') from error
        _kept.extend(models)
        return models
    return load
