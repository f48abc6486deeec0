# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compare the layers of a quantised network with those of the float one, on given images.

The compiler leaves its network with the quantisation that it chose: an ONNX file whose operators
`HzCalibration` round and clip a tensor as 8 bits do. Each of them has a switch. So one file is the
float and the quantised network. The runtime of the vendor's toolchain runs both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fcos_ros.backends.bpu_tools import run_tool, tool_python
from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.onnx_package import load_graph, require_onnx
from fcos_ros.core.arrays import Array
from fcos_ros.core.resize import Size

QUANTISER = 'HzCalibration'
"""The type of the operators that quantise a tensor."""

PROGRAM = Path(__file__).with_name('layer_program.py')

MARK = 'fcos_ros: one image is done'
"""The line that the program prints after each image."""


@dataclass(frozen=True)
class LayerSimilarity:
    """
    The output of one layer in both networks, over all images.

    :ivar name: of the operator.
    :ivar cosine: similarity of all values, at most 1.
    :ivar limits: lowest and highest value of the float network.
    :ivar threshold: the largest absolute value that the calibration left room for.
    :ivar beyond: the fraction of the values beyond the threshold; quantisation clips them.
    """

    name: str
    cosine: float
    limits: tuple[float, float]
    threshold: float
    beyond: float


def compare_layers(
    network: Path, size: Size, tensors: Sequence[Array],
    advance: Callable[[], object] = lambda: None,
) -> tuple[LayerSimilarity, ...]:
    """
    Compare the layers of the float and the quantised network, the least similar first.

    :param network: the compiler's network with `QUANTISER` operators.
    :param size: of its input.
    :param tensors: NV12 images of that size.
    :param advance: called after each image.
    :raises ModelError: the file is no such network, or the toolchain is missing or fails.
    :raises OSError: a temporary file cannot be written.
    """
    python = tool_python('hb_mapper', 'the comparison of layers')
    model = load_graph(network)
    layers = list(_quantised_layers(model))
    if not layers:
        raise ModelError(f'{network} has no operator {QUANTISER}; accepted: the network that '
                         'fcos convert writes beside the compiled file')
    with TemporaryDirectory(prefix='fcos_layers_') as folder_name:
        folder = Path(folder_name)
        np.save(folder / 'images.npy', np.stack(tensors))
        for name, switch, tensor in (('float', 'OFF', 0), ('quantised', 'ON', 1)):
            _write(_switched(model, switch, [names[tensor] for _, names, _ in layers]),
                   folder / f'{name}.onnx')
        job = {
            'float': 'float.onnx', 'quantised': 'quantised.onnx', 'images': 'images.npy',
            'input': model.graph.input[0].name, 'width': size.width, 'height': size.height,
            'layers': [{'tensor': names[0], 'quantised': names[1], 'threshold': threshold}
                       for _, names, threshold in layers],
            'mark': MARK, 'result': 'result.json'}
        results = _run(python, folder, job, advance)
    compared = (LayerSimilarity(name, result['cosine'], tuple(result['limits']), threshold,
                                result['beyond'])
                for (name, _, threshold), result in zip(layers, results))
    return tuple(sorted(compared, key=lambda layer: layer.cosine))


def _run(
    python: Path, folder: Path, job: dict[str, Any], advance: Callable[[], object],
) -> list[dict[str, Any]]:
    """Run the program, and return its result for each layer."""
    (folder / 'job.json').write_text(json.dumps(job))
    last = ['it printed nothing']

    def read(line: str) -> None:
        if line.strip() == MARK:
            advance()
        elif line.strip():
            last[0] = line.strip()

    code = run_tool([python, PROGRAM, 'job.json'], folder, read)
    if code != 0:
        raise ModelError(f'the runtime of the toolchain ended with {code}: {last[0]}')
    results: list[dict[str, Any]] = json.loads((folder / job['result']).read_text())
    return results


def _quantised_layers(model: Any) -> Iterator[tuple[str, tuple[str, str], float]]:
    """Yield each layer: its operator, its tensor before and after quantisation, the threshold."""
    makers = {name: node.name for node in model.graph.node if node.op_type != QUANTISER
              for name in node.output}
    for node in model.graph.node:
        if node.op_type == QUANTISER and node.input[0] in makers:
            thresholds = _attribute(node, 'thresholds').floats
            yield (makers[node.input[0]], (node.input[0], node.output[0]),
                   float(max(thresholds, default=np.inf)))


def _switched(model: Any, switch: str, outputs: Sequence[str]) -> Any:
    """Return a network whose quantisation is on or off, and that gives inner tensors."""
    onnx = require_onnx()
    model = deepcopy(model)
    for node in model.graph.node:
        if node.op_type == QUANTISER:
            _attribute(node, 'switch').s = switch.encode()
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in outputs)
    return model


def _attribute(node: Any, name: str) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return attribute
    raise ModelError(f'the operator {node.name} has no attribute {name}; accepted: a network of '
                     'hb_mapper 1.24')


def _write(model: Any, path: Path) -> None:
    path.write_bytes(model.SerializeToString())
