# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read a compiled `.bin` file for RDK X3, Ultra or X5 without the vendor's tools.

Such a file is a message of Protocol Buffers that resembles an ONNX file: a graph and the
properties of the compilation. The graph has nodes for the BPU, whose program is one of its
tensors, and nodes for the CPU. The meaning of the fields was observed in files of `hb_mapper`
1.24.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fcos_ros.backends.base import TensorInfo
from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.model_file import NV12_RANGE_BY_SPACE
from fcos_ros.backends.protobuf import Message
from fcos_ros.core.arrays import Array

DTYPES = {1: 'float32', 2: 'uint8', 3: 'int8', 5: 'int16', 6: 'int32'}
"""numpy's name of each type of elements; the numbers are those of ONNX."""

INPUT_KINDS = {5: 'FEATUREMAP', 6: 'GRAY', 7: 'NV12', 8: 'YUV444', 9: 'BGR', 10: 'RGB',
               11: 'BGR_PLANAR', 12: 'RGB_PLANAR', 13: 'NV12_SEPARATE'}

PROGRAM = 'PACKED_HBM_MODEL'
"""The name of the tensor that holds the program of the BPU."""

BPU, DEQUANTIZE = 'BPU', 'Dequantize'
"""Kinds of nodes."""


@dataclass(frozen=True, eq=False)
class BinOutput:
    """
    One output of a compiled model.

    :ivar tensor: its name, dtype, shape and scale.
    :ivar source: the number of the BPU program's output that it comes from.
    :ivar factors: (1,) or (C,) float32: a node on the CPU multiplies the integers of the BPU by
        them. None if the integers are handed out.
    """

    tensor: TensorInfo
    source: int
    factors: Array | None


@dataclass(frozen=True, eq=False)
class BinFile:
    """
    The content of a compiled file.

    :ivar name: the model's own name.
    :ivar input: (N, H, W, C); its dtype is the vendor's name of the kind of input.
    :ivar program: the program of the BPU, which is the content of a `.hbm` file.
    :ivar program_name: its name.
    :ivar cpu_nodes: names of the nodes on the CPU, other than those that multiply by the scale.
    :ivar properties: how the file was compiled, by the compiler's keys.
    """

    path: Path
    name: str
    input: TensorInfo
    outputs: tuple[BinOutput, ...]
    program: bytes
    program_name: str
    cpu_nodes: tuple[str, ...]
    properties: Mapping[str, str]

    @property
    def march(self) -> str:
        """The kind of BPU that the file is for, as the compiler names it."""
        return self.properties.get('MARCH', '')

    @property
    def nv12_range(self) -> str | None:
        """The range of the NV12 input, `full` or `limited`; None if the file does not say."""
        return NV12_RANGE_BY_SPACE.get(self.properties.get('INPUT_SPACE_AND_RANGE', ''))


def read_bin_file(path: Path) -> BinFile:
    """
    Read a compiled file.

    :raises ModelError: the file cannot be read, or is none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}') from error
    try:
        return _parse(path, Message(memoryview(content)))
    except (LookupError, ValueError) as error:
        raise ModelError(f'{path} is not a .bin file of hb_mapper ({error}); accepted: files for '
                         'RDK X3, Ultra and X5') from error


def _parse(path: Path, file: Message) -> BinFile:
    graph = file.message(5)
    properties = {entry.text(1): entry.text(2).strip('; ')
                  for entry in file.message(6).messages(1)}
    nodes = [_Node(message) for message in graph.messages(1)]
    programs = [node for node in nodes if node.kind == BPU]
    inputs = [_Value(message) for message in graph.messages(4)]
    if (len(inputs), len(programs)) != (1, 1):
        raise ValueError(f'{len(inputs)} inputs and {len(programs)} programs for the BPU; '
                         'accepted: 1 and 1')
    tensors = {message.text(8): message for message in graph.messages(3)}
    scales = {name: np.frombuffer(message.content(2), '<f4')
              for name, message in tensors.items() if name != PROGRAM}
    reader = _OutputReader(programs[0], nodes, scales, properties)
    kind = graph.content(7)[0]
    return BinFile(
        path, graph.text(2),
        TensorInfo(inputs[0].name, INPUT_KINDS.get(kind, f'type {kind}'), inputs[0].shape),
        tuple(reader.read(_Value(message)) for message in graph.messages(5)),
        bytes(tensors[PROGRAM].content(5)), programs[0].name,
        tuple(node.name for node in nodes if node.kind not in (BPU, DEQUANTIZE)),
        {key: value for key, value in properties.items() if not key.startswith(('DN_', 'NODE_'))})


class _Node:
    """One node of the graph."""

    def __init__(self, message: Message) -> None:
        self.inputs, self.outputs = message.texts(1), message.texts(2)
        self.name, self.kind = message.text(3), message.text(4)
        self.attributes = {attribute.text(1): attribute.number(4)
                           for attribute in message.messages(5)}


class _Value:
    """The description of one input or output of the graph."""

    def __init__(self, message: Message) -> None:
        kind = message.message(2)
        self.name = message.text(1)
        self.dtype = DTYPES.get(kind.number(1), f'type {kind.number(1)}')
        self.shape = kind.numbers(2)


class _OutputReader:
    """Finds where each output comes from and what it is multiplied by."""

    def __init__(self, program: _Node, nodes: Sequence[_Node], scales: Mapping[str, Array],
                 properties: Mapping[str, str]) -> None:
        self._program = program
        self._dequantized = {node.outputs[0]: node for node in nodes if node.kind == DEQUANTIZE}
        self._scales = scales
        self._properties = properties
        self._removed = {value: key.removesuffix('_valueinfo')
                         for key, value in properties.items() if key.endswith('_valueinfo')}

    def read(self, value: _Value) -> BinOutput:
        """
        Describe an output.

        :raises LookupError: neither the BPU nor a multiplication by a scale writes it.
        """
        node = self._dequantized.get(value.name)
        if node is not None:
            tensor = TensorInfo(value.name, 'float32', value.shape)
            factors = self._scales[node.inputs[1]]
            return BinOutput(tensor, self._source(node.inputs[0]),
                             _along(factors, node.attributes.get('axis', 0), value))
        scale = self._removed_scale(value)
        return BinOutput(TensorInfo(value.name, value.dtype, value.shape, scale),
                         self._source(value.name), None)

    def _source(self, name: str) -> int:
        if name not in self._program.outputs:
            raise LookupError(f'no operator of the BPU writes {name!r}')
        return self._program.outputs.index(name)

    def _removed_scale(self, value: _Value) -> tuple[float, ...]:
        """Return the scale of a multiplication that was removed from the file, or nothing."""
        prefix = self._removed.get(value.name)
        if prefix is None:
            return ()
        factors = self._scales[self._properties[f'{prefix}_scale']]
        _along(factors, int(self._properties.get(f'{prefix}_axis', 3)), value)
        return tuple(map(float, factors))


def _along(factors: Array, axis: int, value: _Value) -> Array:
    """
    Return factors in a shape that multiplies along one axis.

    :raises ValueError: there are neither one factor nor one for each channel of (N, H, W, C).
    """
    if factors.size == 1:
        return factors
    if axis != len(value.shape) - 1 or factors.size != value.shape[-1]:
        raise ValueError(f'{value.name} {list(value.shape)} has {factors.size} factors along its '
                         f'axis {axis}; accepted: one, or one for each of its last axis')
    return factors
