# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Generations B and C of `pyeasy_dnn`, written in C: that of X5, and the older one of X3.

They count elements instead of bytes, ignore strides, and do not compare inputs with the model.
Their tensors are views of the model's memory. They never free a model, and raise all errors as
SystemError. The name of a tensor is copied into `NAME_BYTES` bytes; what is much longer overwrites
other memory, and the process dies.
"""

from __future__ import annotations

from collections.abc import Callable
import ctypes
from functools import wraps
import os
import signal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulator.bpu import (
    LAYOUT_NAMES,
    BpuError,
    Description,
    FailedWait,
    MemoryExhausted,
    Network,
    copy_raw,
    fail_import,
    print_in_c,
    subtract_128,
    to_text,
)

Array = NDArray[Any]

GUARD = 1 << 22
"""Bytes behind the memory of an input; a write past its end may change them."""

BUFFERS = {'float32', 'int32', 'int16', 'int8'}
"""The dtypes that `.buffer` returns; it returns other types as int8."""

NAME_BYTES = 64
"""Bytes for the name of a tensor, with the zero at its end."""

FATAL_NAME_BYTES = 73
"""Length of a name at which the process dies."""

MODEL_NAME_BYTES = 128
"""Bytes for the name of a model, with the zero at its end; a longer name is empty."""

OVERRUNS: list[int] = []
"""Number of bytes of each write past the memory of an input."""

_kept: list[Any] = []
"""Objects that are never freed: models, and shapes whose addresses were returned."""


def _in_c(function: Callable[..., Any]) -> Callable[..., Any]:
    """Raise as a C function that returns a result although an exception is set."""
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
    unused = [UNINITIALISED] * (8 - len(sides))
    shape = _Shape((ctypes.c_int32 * 8)(*sides, *unused), len(sides))
    _kept.append(shape)
    return ctypes.addressof(shape)


UNINITIALISED = 0x5bd1e995
"""A value in memory that nothing was written to."""


def _unowned(array: Array) -> Array:
    """
    Return a view of a vector without a base, as C code makes it for memory of its own.

    Only numpy's C interface makes such views: index 93 of its table is PyArray_New.
    """
    pointers = ctypes.POINTER(ctypes.c_void_p)
    capsule = ctypes.pythonapi.PyCapsule_GetPointer
    capsule.restype, capsule.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(capsule(_MULTIARRAY._ARRAY_API, None), pointers)
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    make = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, integer, pointer, integer, pointer, pointer, integer,
        integer, pointer)(table[93])
    sides = (ctypes.c_ssize_t * 1)(array.size)
    return make(np.ndarray, 1, sides, array.dtype.num, None, array.ctypes.data, 0, WRITEABLE, None)


_MULTIARRAY = getattr(np, '_core', None) or np.core
_MULTIARRAY = _MULTIARRAY.multiarray
WRITEABLE = 0x0501
"""Flags of an array: contiguous, aligned and writeable."""


class OldTensorProperties:
    """The properties of a tensor in generation C."""

    __slots__ = ('_description',)

    def __init__(self, description: Description | None = None) -> None:
        self._description = description

    tensor_type = property(lambda self: self._description.tensor_type)
    dtype = property(lambda self: self._description.dtype)
    layout = property(lambda self: LAYOUT_NAMES.get(self._description.layout, 'UNKNOWN'))
    shape = property(lambda self: self._description.shape)

    @property
    def scale_data(self) -> Array:
        """Return a view of the runtime's table: writing to it changes the model."""
        scale = self._description.scale
        return _unowned(scale) if scale.size else np.empty(0, np.float32)


class TensorProperties(OldTensorProperties):
    """The properties in generation B; shapes are addresses of structures that are never freed."""

    __slots__ = ()

    validShape = property(lambda self: _address(self._description.shape))  # noqa: N815
    alignedShape = property(lambda self: _address(self._description.memory))  # noqa: N815


class _Memory:
    """The memory of a tensor; each inference replaces the content of an output."""

    __slots__ = ('content',)

    def __init__(self, content: Array) -> None:
        self.content = content


class PyDNNTensor:
    """A view of the memory of a model, with the values at the time of reading."""

    __slots__ = ('_description', '_kind', '_memory')

    def __init__(self, description: Description | None = None, memory: _Memory | None = None,
                 kind: type | None = None) -> None:
        self._description = description
        self._memory = memory
        self._kind = kind

    name = property(lambda self: to_text(self._description.name))
    properties = property(lambda self: self._kind(self._description))

    @property
    def buffer(self) -> Array:
        """Copy the first bytes of the memory; their number is that of the valid values."""
        dtype = self._description.dtype
        shown = dtype if dtype in BUFFERS else 'int8'
        return np.ndarray(self._description.shape, shown, self._memory.content).copy()


class OldModel:
    """A network with one set of memory for its tensors, in generation C."""

    __slots__ = ('_input', '_network', '_outputs', '_size')

    properties_type: type = OldTensorProperties

    def __init__(self, path: str = '', board: str = '') -> None:
        self._network: Network | None = None
        if path:
            self._load(path, board)

    def _load(self, path: str, board: str) -> None:
        self._network = Network(path, board)
        self._size = self._network.input.input_bytes
        self._input = np.zeros(self._size + GUARD, np.uint8)
        self._outputs = [_Memory(np.zeros(output.memory, output.dtype))
                         for output in self._network.outputs]

    estimate_latency = property(lambda self: 100)

    @property
    def name(self) -> str:
        name = self._network.name if self._network else ''
        return to_text(name) if len(os.fsencode(name)) < MODEL_NAME_BYTES else ''

    @property
    def inputs(self) -> list[PyDNNTensor]:
        return [self._tensor(self._network.input, _Memory(self._input))] if self._network else []

    @property
    def outputs(self) -> list[PyDNNTensor]:
        return list(map(self._tensor, self._network.outputs, self._outputs)
                    ) if self._network else []

    def _tensor(self, description: Description, memory: _Memory) -> PyDNNTensor:
        if description.name_bytes >= FATAL_NAME_BYTES:
            os.kill(os.getpid(), signal.SIGSEGV)
        return PyDNNTensor(description, memory, self.properties_type)

    @_in_c
    def forward(self, arg: Any, core_id: int = 0, priority: int = 0) -> list[PyDNNTensor] | None:
        """Run an inference; return None if it failed."""
        self._fill(arg)
        try:
            return self._run(core_id)
        except BpuError as error:
            print_in_c(2, str(error))
            return None

    def _run(self, core_id: int) -> list[PyDNNTensor] | None:
        try:
            results = self._network.run(self._input[:self._size], core_id)
        except FailedWait as error:
            self._write(error.outputs)
            raise
        if results is None:
            return None
        self._write(results)
        return self.outputs

    def _write(self, results: list[Array]) -> None:
        for memory, result in zip(self._outputs, results):
            memory.content = result

    def _fill(self, arg: Any) -> None:
        """Copy the only array, or the first of several, to the input."""
        array = arg[0] if isinstance(arg, (list, tuple)) else arg
        if not isinstance(array, np.ndarray):
            raise TypeError(f'{type(array).__name__} is no array')
        if array.dtype != np.uint8:
            raise TypeError(f'cannot cast {array.dtype} to uint8')
        packed = np.ascontiguousarray(array)
        # It also reads the second side of an array of one side, and finds its stride.
        sides = (*packed.shape, *packed.strides)
        self._copy(packed, sides[0] * sides[1])

    def _copy(self, array: Array, count: int) -> None:
        """Copy `count` bytes from the start of an array's data, even past the end of the input."""
        if count > self._size:
            OVERRUNS.append(count - self._size)
            count = min(count, self._input.size)
        copy_raw(self._input[:count], array)


class Model(OldModel):
    """A network with one set of memory for its tensors, in generation B."""

    __slots__ = ()

    properties_type = TensorProperties

    @_in_c
    def forward(self, arg: Any, core_id: int = 0, priority: int = 0) -> list[PyDNNTensor] | None:
        """Run an inference; without an input, use the previous one."""
        self._fill(arg)
        try:
            return self._run(core_id)
        except BpuError as error:
            print_in_c(2, str(error))
            raise RuntimeError('forward execution failed.') from error

    def _fill(self, arg: Any) -> None:
        if isinstance(arg, np.ndarray):
            self._copy_elements(arg)
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
                self._copy_elements(array)
            else:
                # The binding frees the converted copy before it reads it.
                self._copy_elements(np.full(array.size, 0x5A, np.uint8))

    def _copy_elements(self, array: Array) -> None:
        """Copy as many bytes as the array has elements, whatever its strides and dtype."""
        if array.size == 0:
            raise RuntimeError('forward execution failed.')
        if self._network.input.tensor_type == 'RGB':
            subtract_128(array)
        self._copy(array, array.size)


def _forbid_subclass(cls: type, **_: object) -> None:
    base = cls.__mro__[1]
    raise TypeError(f"type '{base.__module__}.{base.__name__}' is not an acceptable base type")


def _forbid_pickling(self: object, protocol: int = 0) -> None:
    raise TypeError(f'cannot pickle {type(self).__name__!r} object')


for _type in (OldModel, Model, OldTensorProperties, TensorProperties, PyDNNTensor):
    _type.__module__ = 'dnnpy'
    _type.__init_subclass__ = classmethod(_forbid_subclass)
    _type.__reduce_ex__ = _forbid_pickling


def loader(model_type: type[OldModel], board: str) -> Callable[..., list[OldModel]]:
    """Return the function `load` of a board."""
    fail_import()

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
            print_in_c(2, str(error))
            step = ('prepare_model_tensor' if isinstance(error, MemoryExhausted)
                    else 'hbDNNInitializeFromFiles')
            raise RuntimeError(f'{step} failed') from error
        _kept.extend(models)
        return models
    return load
