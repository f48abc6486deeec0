# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Check that an ONNX file is one that the vendor's compiler takes, before the compiler is called.

The compiler's own messages come late and name no remedy. The limits are those of `hb_mapper`
1.24.3. `fcos export --target bpu` makes files that pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.onnx_package import load_graph
from fcos_ros.core.head import OutputSpec
from fcos_ros.core.resize import Size

OPSETS = (10, 11)
MAX_IR_VERSION = 7
MAX_OUTPUTS = 32
MAX_KERNELS = {'x3': 7, 'x5': 31}
"""Maximum side of a convolution's kernel, by the target."""

FLOAT = 1
"""ONNX's number of float32."""

REFUSED_OPERATORS: Mapping[str, str] = {
    'NonMaxSuppression': 'NMS is done by the node',
    'Clip': 'the compiler stops at it; the limits are applied after the network',
    'Exp': 'it costs precision; it is applied after the network',
    'QuantizeLinear': 'the compiler quantises itself',
    'DequantizeLinear': 'the compiler quantises itself',
    'If': 'the compiler takes no branches',
    'Loop': 'the compiler takes no loops',
}
"""Operators that the compiler refuses or that cost more than they give, each with the reason."""

PASSED_OPERATORS = frozenset({'Transpose', 'Identity', 'Reshape'})
"""Operators that may stand between the last convolution and an output."""


@dataclass(frozen=True)
class CompilerInput:
    """
    An ONNX file that the compiler takes.

    :ivar input_name: of the one input, float32 (1, 3, H, W).
    :ivar outputs: float32.
    """

    path: Path
    input_name: str
    size: Size
    outputs: tuple[OutputSpec, ...]


def check_compiler_input(path: Path, target: str) -> CompilerInput:
    """
    Check an ONNX file.

    :param target: a key of `MAX_KERNELS`.
    :raises ModelError: the file cannot be read, or the compiler would refuse it; the message
        names every problem.
    """
    network = load_graph(path)
    problems = [problem for check in CHECKS for problem in check(network, target)]
    if problems:
        raise ModelError(
            f'{path} cannot be compiled: {"; ".join(problems)}; make the file with `fcos export '
            'CHECKPOINT --target bpu`')
    value = _inputs(network)[0]
    _, _, height, width = _shape(value)
    return CompilerInput(path, value.name, Size(width, height),
                         tuple(OutputSpec(output.name, _shape(output), np.dtype(np.float32))
                               for output in network.graph.output))


def _versions(network: Any, target: str) -> Iterator[str]:
    opset = max((entry.version for entry in network.opset_import if not entry.domain), default=0)
    if opset not in OPSETS:
        yield f'its opset is {opset}, accepted: {" and ".join(map(str, OPSETS))}'
    if network.ir_version > MAX_IR_VERSION:
        yield f'its IR version is {network.ir_version}, accepted: up to {MAX_IR_VERSION}'


def _input_tensor(network: Any, target: str) -> Iterator[str]:
    inputs = _inputs(network)
    if len(inputs) != 1:
        yield f'it has {len(inputs)} inputs, accepted: 1'
        return
    shape, kind = _shape(inputs[0]), inputs[0].type.tensor_type.elem_type
    if kind != FLOAT:
        yield 'its input is not float32'
    if len(shape) != 4 or shape[:2] != (1, 3) or not all(shape):
        yield f'its input has the shape {list(shape)}, accepted: [1, 3, H, W] without open sides'
    elif any(side % 2 for side in shape[2:]):
        yield f'its input has the shape {list(shape)}; NV12 needs even sides'


def _output_tensors(network: Any, target: str) -> Iterator[str]:
    outputs = network.graph.output
    if len(outputs) > MAX_OUTPUTS:
        yield f'it has {len(outputs)} outputs, accepted: up to {MAX_OUTPUTS}'
    writers = {name: node for node in network.graph.node for name in node.output}
    ends = {output.name: _last_operator(output.name, writers) for output in outputs}
    others = [f'{name} ({kind})' for name, kind in ends.items() if kind != 'Conv']
    if others:
        yield (f'its outputs {", ".join(others)} do not end in a convolution, so they would not '
               'be int32 with scales')


def _last_operator(name: str, writers: Mapping[str, Any]) -> str:
    while name in writers and writers[name].op_type in PASSED_OPERATORS:
        name = writers[name].input[0]
    return str(writers[name].op_type) if name in writers else 'input'


def _operators(network: Any, target: str) -> Iterator[str]:
    for kind in sorted({node.op_type for node in network.graph.node}):
        if kind in REFUSED_OPERATORS:
            yield f'it has the operator {kind}: {REFUSED_OPERATORS[kind]}'
    maximum = MAX_KERNELS[target]
    for node in network.graph.node:
        kernel = next((list(attribute.ints) for attribute in node.attribute
                       if attribute.name == 'kernel_shape'), [])
        if node.op_type == 'Conv' and max(kernel, default=0) > maximum:
            yield (f'the convolution {node.name} has a kernel of {kernel}, accepted for '
                   f'{target}: up to {maximum}')


def _inputs(network: Any) -> list[Any]:
    """Return the inputs that are not weights."""
    weights = {tensor.name for tensor in network.graph.initializer}
    return [value for value in network.graph.input if value.name not in weights]


def _shape(value: Any) -> tuple[int, ...]:
    """Return a shape; open sides are 0."""
    return tuple(side.dim_value for side in value.type.tensor_type.shape.dim)


CHECKS: tuple[Callable[[Any, str], Iterator[str]], ...] = (
    _versions, _input_tensor, _output_tensors, _operators)
"""The checks; each yields the problems that it finds."""
