# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Generation A of `pyeasy_dnn`: that of X3 with Ubuntu 20.04, written with pybind11.

It has tuples where the later generations have lists. It checks the size of an input, but not its
strides. It raises RuntimeError, and each result owns its memory.
"""

from __future__ import annotations

from collections.abc import Callable
import os
import signal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulator.bpu import (
    LAYOUT_NAMES,
    BpuError,
    Description,
    Network,
    fail_import,
    print_in_c,
    raw_bytes,
    to_text,
)

Array = NDArray[Any]

BUFFERS = {'float32', 'int32', 'int8'}
"""The dtypes that `.buffer` returns; other types become garbage in float64."""


class TensorProperties:
    """The properties of a tensor; its shape in memory is not among them."""

    __slots__ = ('_description',)

    def __init__(self, description: Description) -> None:
        self._description = description

    dtype = property(lambda self: self._description.dtype)
    layout = property(lambda self: LAYOUT_NAMES.get(self._description.layout, ''))
    shape = property(lambda self: self._description.shape)
    scale_data = property(lambda self: self._description.scale.copy())

    @property
    def tensor_type(self) -> str:
        kind = self._description.tensor_type
        return 'NV12_SEPARATE' if kind == 'NV12' else kind


class PyDNNTensor:
    """A tensor; only tensors that `forward` returns have data."""

    __slots__ = ('_data', '_description')

    def __init__(self, description: Description, data: Array | None = None) -> None:
        self._description = description
        self._data = data

    name = property(lambda self: to_text(self._description.name))
    properties = property(lambda self: TensorProperties(self._description))

    @property
    def buffer(self) -> Array:
        """Copy the valid values."""
        if self._data is None:
            os.kill(os.getpid(), signal.SIGSEGV)
        valid = self._data[tuple(slice(0, side) for side in self._description.shape)]
        if self._description.dtype not in BUFFERS:
            return np.full(valid.shape, 6.9e-310)
        return np.array(valid, order='C')


class Model:
    """A network; calling it is the same as `forward`."""

    __slots__ = ('_network',)

    def __init__(self, path: str, board: str) -> None:
        self._network = Network(path, board)

    def __del__(self) -> None:
        if hasattr(self, '_network'):
            print_in_c(1, f'Offload model {self.name} Successfully.')

    name = property(lambda self: to_text(self._network.name))
    estimate_latency = property(lambda self: 0)
    inputs = property(lambda self: (PyDNNTensor(self._network.input),))
    outputs = property(lambda self: tuple(map(PyDNNTensor, self._network.outputs)))

    def forward(self, *args: Any, **kwargs: Any) -> tuple[PyDNNTensor, ...]:
        """Run on (inputs, core_id=0, dsp_id=0, priority=0); other keywords are ignored."""
        given = kwargs['inputs'] if 'inputs' in kwargs else args[0]
        core_id = args[1] if len(args) > 1 else kwargs.get('core_id', 0)
        content = self._content(given)
        try:
            results = self._network.run(content, core_id)
        except BpuError as error:
            raise _failure(str(error)) from error
        if results is None:
            return None
        return tuple(map(PyDNNTensor, self._network.outputs, results))

    __call__ = forward

    def _content(self, given: Any) -> bytes:
        """Return the bytes of the only input; check their number."""
        if isinstance(given, (list, tuple)):
            if len(given) != 1:
                raise _failure('Wrong number of inputs.')
            given = given[0]
        array = np.frombuffer(given, np.uint8) if isinstance(given, bytes) else np.asarray(given)
        if array.nbytes != self._network.input.input_bytes:
            raise _failure('Invalid input numpy data.')
        return raw_bytes(array, array.nbytes)


def loader(board: str) -> Callable[..., list[Model]]:
    """Return the function `load` of a board."""
    fail_import()

    def load(model_file: str | bytes | list[str]) -> list[Model]:
        """Load every model of each file."""
        paths = model_file if isinstance(model_file, list) else [model_file]
        if any(not isinstance(path, (str, bytes)) for path in paths):
            raise TypeError('load(): incompatible function arguments.')
        try:
            return [Model(os.fsdecode(path), board) for path in paths]
        except BpuError as error:
            print_in_c(1, str(error))
            raise RuntimeError('Load model failed!') from error
    return load


def _failure(detail: str) -> RuntimeError:
    print_in_c(1, detail)
    return RuntimeError('Run model failed!')
