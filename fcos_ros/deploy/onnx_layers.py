# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the layers of an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.onnx_package import load_graph, require_onnx
from fcos_ros.core.resize import Size
from fcos_ros.deploy.network_layers import Layer, NetworkLayers

Shape = tuple[int | None, ...]

SPATIAL = frozenset({
    'AveragePool', 'Conv', 'ConvTranspose', 'DepthToSpace', 'LpPool', 'MaxPool', 'QLinearConv',
    'Resize', 'Slice', 'SpaceToDepth', 'Upsample'})
"""Operators that may change the size of features, all in NCHW; others keep that of their input."""

SHAPE_OPERATORS = frozenset({'Shape', 'Size'})
"""Operators whose results depend on no pixel."""


class Tensor(NamedTuple):
    """
    The type of a tensor.

    :ivar element_bytes: bytes of one element; 0 if the type is not known.
    """

    shape: Shape = ()
    element_bytes: int = 0

    @property
    def elements(self) -> int:
        """Number of elements; 0 if a side is not known."""
        return prod(side or 0 for side in self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the tensor; 0 if they are not known."""
        return self.elements * self.element_bytes


def read_onnx_layers(path: Path) -> NetworkLayers:
    """
    Read the layers through which pixels reach the outputs.

    :raises ModelError: the package onnx is missing, or the file cannot be read.
    """
    graph = load_graph(path).graph
    try:
        return _Reader(graph, path.stem).network()
    except IndexError as error:
        raise ModelError(f'{path} has an operator without its inputs or outputs; export the '
                         'network again') from error


class _Reader:
    """Convert the nodes of a graph to layers."""

    def __init__(self, graph: Any, name: str) -> None:
        self._graph, self._name = graph, name
        self._tensors = _tensors(graph)
        self._constants = {entry.name: {entry.name} for entry in graph.initializer}
        self._inputs = [entry.name for entry in graph.input if entry.name not in self._constants]
        self._outputs = {entry.name for entry in graph.output}
        self._sources: dict[str, int | None] = dict.fromkeys(self._inputs)
        self._resolutions = {name: _input_size(self._tensors[name].shape)
                             for name in self._inputs}
        self._counted: set[str] = set()
        self._layers: list[Layer] = []

    def network(self) -> NetworkLayers:
        for node in self._graph.node:
            if any(name in self._sources for name in node.input):
                if node.op_type not in SHAPE_OPERATORS:
                    self._add(node)
            else:
                self._add_constant(node)
        canvas = self._resolutions[self._inputs[0]] if self._inputs else None
        return NetworkLayers(self._name, canvas, tuple(self._layers))

    def _add(self, node: Any) -> None:
        live = [name for name in node.input if name in self._sources]
        sources = {index for name in live if (index := self._sources[name]) is not None}
        outputs = [name for name in node.output if name]
        resolution = self._resolution(node, live)
        self._layers.append(Layer(
            node.name or f'{node.op_type}_{len(self._layers)}', node.op_type,
            tuple(sorted(sources)), self._tensors[outputs[0]].shape, resolution,
            bool(self._outputs & set(outputs)), self._macs(node),
            sum(self._tensors[name].bytes for name in self._new_constants(node)),
            sum(self._tensors[name].bytes for name in outputs)))
        self._sources |= dict.fromkeys(outputs, len(self._layers) - 1)
        self._resolutions |= dict.fromkeys(outputs, resolution)

    def _add_constant(self, node: Any) -> None:
        """Note from which stored constants the outputs of a node are made."""
        origins = set().union(*(self._constants.get(name, set()) for name in node.input))
        for name in node.output:
            self._constants[name] = origins or {name}

    def _new_constants(self, node: Any) -> set[str]:
        used = set().union(*(self._constants.get(name, set()) for name in node.input))
        new = used - self._counted
        self._counted |= new
        return new

    def _macs(self, node: Any) -> int:
        count = _MACS.get(node.op_type)
        if count is None:
            return 0
        return count([self._tensors[name] for name in node.input],
                     self._tensors[node.output[0]])

    def _resolution(self, node: Any, live: list[str]) -> Size | None:
        found = {self._resolutions[name] for name in live}
        largest = max(filter(None, found), key=lambda size: size.width * size.height, default=None)
        output = self._tensors[node.output[0]].shape
        if node.op_type in SPATIAL and len(output) == 4:
            before = self._tensors[node.input[0]].shape
            # Features of 1 x 1, which global pooling makes, belong to those that were pooled.
            return largest if output[2:] == before[2:] else _size(*output[2:])
        return largest if len(output) == 4 or len(found) == 1 else None


def _tensors(graph: Any) -> Mapping[str, Tensor]:
    """Return the types of all tensors by their names."""
    tensors = _Tensors()
    for entry in (*graph.input, *graph.output, *graph.value_info):
        tensor = entry.type.tensor_type
        shape = tuple(side.dim_value if side.HasField('dim_value') else None
                      for side in tensor.shape.dim)
        tensors[entry.name] = Tensor(shape, _element_bytes(tensor.elem_type))
    for entry in graph.initializer:
        tensors[entry.name] = Tensor(tuple(entry.dims), _element_bytes(entry.data_type))
    return tensors


class _Tensors(dict[str, Tensor]):
    def __missing__(self, key: str) -> Tensor:
        return Tensor()


def _element_bytes(kind: int) -> int:
    onnx = require_onnx()
    try:
        return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
    except (KeyError, TypeError, ValueError):
        return 0


def _input_size(shape: Shape) -> Size | None:
    """Return the size of an image in NCHW or NHWC; None for any other input."""
    if len(shape) != 4:
        return None
    return _size(*shape[1:3] if shape[3] in (1, 3) else shape[2:])


def _size(height: int | None, width: int | None) -> Size | None:
    return Size(width, height) if width and height else None


def _conv_macs(weight_at: int) -> Callable[[list[Tensor], Tensor], int]:
    def count(inputs: list[Tensor], output: Tensor) -> int:
        return output.elements * Tensor(inputs[weight_at].shape[1:]).elements
    return count


def _transposed_conv_macs(inputs: list[Tensor], output: Tensor) -> int:
    return inputs[0].elements * Tensor(inputs[1].shape[1:]).elements


def _matrix_macs(inputs: list[Tensor], output: Tensor) -> int:
    *_, length = inputs[0].shape or (0,)
    return output.elements * (length or 0)


_MACS: Mapping[str, Callable[[list[Tensor], Tensor], int]] = {
    'Conv': _conv_macs(1), 'ConvInteger': _conv_macs(1), 'QLinearConv': _conv_macs(3),
    'ConvTranspose': _transposed_conv_macs, 'Gemm': _matrix_macs, 'MatMul': _matrix_macs,
}
"""Functions from inputs and output of an operator to its multiply-accumulate operations."""
