# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write small ONNX files of the kind that the compiler for the BPU takes."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = ['cube', 'ball']
STRIDES = (8, 16, 32, 64, 128)
PARTS = {'class': 2, 'box': 4, 'centerness': 1}

METADATA = {'labels': json.dumps(LABELS), 'strides': json.dumps(STRIDES), 'box_unit': 'stride',
            'box_activation': 'exp', 'mean': '[1, 2, 3]', 'std': '[4, 5, 6]', 'pixels': 'rgb',
            'score_threshold': '0.25'}

Change = Callable[[Any], None]


def write_compiler_model(path: Path, change: Change | None = None, side: int = 128,
                         opset: int = 11, ir_version: int = 7) -> Path:
    """
    Write a network of one convolution for each output.

    :param change: changes the model before it is written.
    """
    rng = np.random.default_rng(0)
    nodes, weights, outputs = [], [], []
    for part, channels in PARTS.items():
        for stride in STRIDES:
            name = f'{part}_{stride}'
            nodes.append(helper.make_node(
                'Conv', ['image', f'{name}_w'], [f'{name}_nchw'], f'{name}/Conv',
                kernel_shape=[1, 1], strides=[stride, stride]))
            nodes.append(helper.make_node(
                'Transpose', [f'{name}_nchw'], [name], f'{name}/Transpose', perm=[0, 2, 3, 1]))
            values = rng.normal(0, 0.01, (channels, 3, 1, 1)).astype(np.float32)
            weights.append(numpy_helper.from_array(values, f'{name}_w'))
            outputs.append(helper.make_tensor_value_info(
                name, TensorProto.FLOAT, [1, side // stride, side // stride, channels]))
    image = helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(nodes, 'fcos', [image], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)],
                              ir_version=ir_version)
    helper.set_model_props(model, METADATA)
    if change is not None:
        change(model)
    onnx.save(model, str(path))
    return path
