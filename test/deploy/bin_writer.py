# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write `.bin` files as the vendor's compiler does, with any bytes as the program of the BPU.

The fields are those that `fcos_ros.backends.bin_file` reads, with the numbers of real files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import struct

PROPERTIES = {'MARCH': 'bayes-e', 'INPUT_SPACE_AND_RANGE': 'regular;', 'BUILDER_VERSION': '1.24.3'}
NV12 = 7
FLOAT32, INT8, INT32 = 1, 3, 6


@dataclass(frozen=True)
class Output:
    """An output of the BPU; `dequantized` adds a node on the CPU that multiplies by the scale."""

    name: str
    shape: tuple[int, ...]
    scale: tuple[float, ...] = ()
    dequantized: bool = False


def bin_content(
    outputs: Sequence[Output], size: tuple[int, int] = (64, 64), input_kind: int = NV12,
    properties: Mapping[str, str] = PROPERTIES, cpu_nodes: Sequence[str] = (),
    program: bytes = b'program', programs: int = 1,
) -> bytes:
    """Return the content of a file; `size` is (width, height)."""
    width, height = size
    stated = {**properties, **_removed_scales(outputs)}
    node = _field(1, b'image') + b''.join(
        _field(2, _program_output(output).encode()) for output in outputs)
    graph = b''.join([
        *[_field(1, node + _field(3, b'subgraph_0') + _field(4, b'BPU'))] * programs,
        *(_field(1, _dequantize_node(output)) for output in outputs if output.dequantized),
        *(_field(1, _field(3, name.encode()) + _field(4, b'Softmax')) for name in cpu_nodes),
        _field(2, b'network'),
        *(_field(3, _scale_tensor(output)) for output in outputs if output.scale),
        _field(3, _field(5, program) + _field(8, b'PACKED_HBM_MODEL')),
        _field(4, _value('image', INT8, (1, height, width, 3))),
        *(_field(5, _value(output.name, FLOAT32 if output.dequantized else INT32, output.shape))
          for output in outputs),
        _field(7, bytes([input_kind]))])
    entries = b''.join(_field(1, _field(1, key.encode()) + _field(2, value.encode()))
                       for key, value in stated.items())
    return _number(1, 1) + _number(2, 1) + _field(5, graph) + _field(6, entries)


def _program_output(output: Output) -> str:
    return f'{output.name}_quantized' if output.dequantized else output.name


def _removed_scales(outputs: Sequence[Output]) -> dict[str, str]:
    found = {}
    for output in outputs:
        if output.scale and not output.dequantized:
            prefix = f'DN_D_{output.name}_quantized'
            found.update({f'{prefix}_valueinfo': output.name,
                          f'{prefix}_scale': f'{output.name}_scale',
                          f'{prefix}_axis': str(len(output.shape) - 1)})
    return found


def _dequantize_node(output: Output) -> bytes:
    axis = _field(5, _field(1, b'axis') + _number(4, len(output.shape) - 1))
    return (_field(1, f'{output.name}_quantized'.encode())
            + _field(1, f'{output.name}_scale'.encode()) + _field(2, output.name.encode())
            + _field(3, f'{output.name}_dequantize'.encode()) + _field(4, b'Dequantize') + axis)


def _scale_tensor(output: Output) -> bytes:
    factors = struct.pack(f'<{len(output.scale)}f', *output.scale)
    return _field(2, factors) + _field(8, f'{output.name}_scale'.encode())


def _value(name: str, element: int, shape: Sequence[int]) -> bytes:
    sides = b''.join(map(_varint, shape))
    return _field(1, name.encode()) + _field(2, _number(1, element) + _field(2, sides))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes([*parts, value])
