# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
`hbm_runtime` of X5 and of S100, written with pybind11.

It checks dtypes and shapes, except the shape of an NV12 tensor. Every run has its own memory. The
outputs are views of that memory, with gaps where it is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulator.bpu import BpuError, Description, MemoryExhausted, Network, to_text

Array = NDArray[Any]

hbDNNDataType = Enum('hbDNNDataType', [  # noqa: N816 - the vendor's name
    'S4', 'U4', 'S8', 'U8', 'F16', 'S16', 'U16', 'F32', 'S32', 'U32', 'F64', 'S64', 'U64', 'NV12',
    'NV12_SEPARATE', 'YUV444', 'RGB', 'BGR', 'Y'])
hbDNNQuantiType = Enum('hbDNNQuantiType', ['NONE', 'SCALE'])  # noqa: N816

NUMBERS = {'int8': 'S8', 'uint8': 'U8', 'int16': 'S16', 'int32': 'S32', 'float32': 'F32'}


class QuantParams:
    """The quantisation of a tensor."""

    def __init__(self, description: Description) -> None:
        self.scale = description.scale.copy()
        self.zero_point = np.empty(0, np.int32)
        self.quant_type = hbDNNQuantiType['SCALE' if description.scale.size else 'NONE']
        self.axis = description.axis


class HB_HBMRuntime:  # noqa: N801 - the vendor's name
    """The models of one or several files; each file holds one model here."""

    version = 'simulated'

    def __init__(self, model_file: str | list[str], board: str, split: bool) -> None:
        if not isinstance(model_file, (str, list)):
            raise TypeError('__init__(): incompatible constructor arguments.')
        paths = [model_file] if isinstance(model_file, str) else model_file
        try:
            networks = [Network(path, board) for path in paths]
        except MemoryExhausted as error:
            raise RuntimeError('hbSysAllocCachedMem() failed') from error
        except BpuError as error:
            raise RuntimeError(f'DNN Error (code: -6000002): {error}') from error
        self._networks = {network.name: network for network in networks}
        self._inputs = {name: _planes(network.input) if split else [network.input]
                        for name, network in self._networks.items()}
        self._running = Lock()

    model_names = property(lambda self: list(self._networks))
    model_count = property(lambda self: len(self._networks))

    def run(self, arg: Any, **kwargs: Any) -> dict[str, dict[str, Array]]:
        """Run one model on an array, on arrays by input, or on arrays by model and input."""
        if set(kwargs) - {'model_name'}:
            raise RuntimeError(f'unknown arguments {sorted(kwargs)}')
        if not self._running.acquire(blocking=False):
            raise RuntimeError('run() already in use')
        try:
            name, tensors = self._sort(arg, kwargs.get('model_name'))
            return {name: self._run(name, tensors)}
        except BpuError as error:
            raise RuntimeError(str(error)) from error
        finally:
            self._running.release()

    def _sort(self, arg: Any, name: str | None) -> tuple[str, Mapping[str, Array]]:
        if isinstance(arg, Mapping) and all(isinstance(v, Mapping) for v in arg.values()):
            (name, arg), = arg.items()
        if name is None and len(self._networks) == 1:
            name = next(iter(self._networks))
        if name not in self._networks:
            raise RuntimeError(f'no model {name}')
        if isinstance(arg, np.ndarray) and len(self._inputs[name]) == 1:
            arg = {self._inputs[name][0].name: arg}
        if set(arg) != {description.name for description in self._inputs[name]}:
            raise RuntimeError('wrong inputs')
        return name, arg

    def _run(self, name: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        network = self._networks[name]
        content = b''.join(_checked(description, tensors[description.name])
                           for description in self._inputs[name])
        size = network.input.input_bytes
        results = network.run(content[:size].ljust(size, b'\0'))
        if results is None:
            return {}
        found = [(description.name,
                  result.copy()[tuple(slice(side) for side in description.shape)])
                 for description, result in zip(network.outputs, results)]
        return dict(reversed(found))  # in another order than `output_names`

    def _by_tensor(self, group: str, fact: Callable[[Description], Any]) -> dict[str, Any]:
        return {name: {description.name: fact(description) for description in (
            self._inputs[name] if group == 'input' else network.outputs)}
            for name, network in self._networks.items()}

    input_names = property(lambda self: {
        name: list(map(to_text, facts)) for name, facts in self._by_tensor('input', str).items()})
    output_names = property(lambda self: {
        name: list(map(to_text, facts))
        for name, facts in self._by_tensor('output', str).items()})
    input_shapes = property(lambda self: self._by_tensor('input', lambda d: list(d.shape)))
    output_shapes = property(lambda self: self._by_tensor('output', lambda d: list(d.shape)))
    input_dtypes = property(lambda self: self._by_tensor('input', _data_type))
    output_dtypes = property(lambda self: self._by_tensor('output', _data_type))
    input_quants = property(lambda self: self._by_tensor('input', QuantParams))
    output_quants = property(lambda self: self._by_tensor('output', QuantParams))


def runtime(board: str, split: bool = False) -> type[HB_HBMRuntime]:
    """
    Return the class of a board.

    :param split: whether a model takes the planes of an NV12 image as two tensors.
    """
    class Runtime(HB_HBMRuntime):
        def __init__(self, model_file: str | list[str]) -> None:
            super().__init__(model_file, board, split)
    Runtime.__name__ = 'HB_HBMRuntime'
    return Runtime


def _data_type(description: Description) -> Enum:
    kind = description.tensor_type
    return hbDNNDataType[NUMBERS.get(kind, kind)]


def _planes(image: Description) -> list[Description]:
    _, _, height, width = image.shape
    shapes = {'y': (1, height, width, 1), 'uv': (1, height // 2, width // 2, 2)}
    return [Description(f'{image.name}_{plane}', 9, image.layout, shape, shape, image.scale, 0)
            for plane, shape in shapes.items()]


def _checked(description: Description, array: Array) -> bytes:
    """Return the bytes of a tensor; check the dtype, and the shape unless it is NV12."""
    if array.dtype != np.uint8:
        raise RuntimeError(f'input {description.name} is {array.dtype}, expected uint8')
    if description.tensor_type != 'NV12' and array.shape != description.shape:
        raise RuntimeError(f'input {description.name} is {array.shape}, '
                           f'expected {description.shape}')
    return array.tobytes()
