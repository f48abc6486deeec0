# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Small FCOS networks in ONNX files, whose detections are known.

Class 0 is brightness: a white square that fills one cell of stride 8 is detected, and nothing
else. The box has the same centre as the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32, 64, 128)
LABELS = ('cube', 'ball', 'cone')
"""Names for the classes of a network, whose squares are then cubes."""

DTYPES = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT}


def write_fcos(
    path: Path, *, size: int = 128, classes: int = 3, layout: str = 'NHWC',
    output_layout: str = 'NHWC', dtype: str = 'uint8', outputs: int = 15, half_box: float = 1.0,
    metadata: Mapping[str, str] | None = None, sides: tuple[object, object] | None = None,
    hanging: str = '',
) -> Path:
    """
    Write an FCOS network that detects white squares.

    :param outputs: number of outputs to declare, at most 15.
    :param half_box: the value of all box distances l, t, r and b.
    :param sides: declared height and width of the input; `size` if None.
    :param hanging: the images whose inference takes many minutes: `all`, `white` or none.
    """
    height, width = sides or (size, size)
    shape = [1, height, width, 3] if layout == 'NHWC' else [1, 3, height, width]
    nodes = [helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT)]
    pixels = 'float'
    if layout == 'NHWC':
        nodes.append(helper.make_node('Transpose', ['float'], ['chw'], perm=[0, 3, 1, 2]))
        pixels = 'chw'
    weights = {
        'grey': np.full((1, 3, 1, 1), 1 / 3), 'zero': np.zeros(1),
        'class_weight': np.eye(classes, 1).reshape(classes, 1, 1, 1) * 0.1,
        'class_bias': np.array([-20.0] + [-10.0] * (classes - 1)),
        'box_weight': np.zeros((4, 1, 1, 1)), 'box_bias': np.full(4, half_box),
        'centerness_weight': np.full((1, 1, 1, 1), 0.1), 'centerness_bias': np.full(1, -20.0),
    }
    if hanging:
        nodes += _hang(pixels, hanging)
        pixels = 'late'
    nodes.append(helper.make_node('Conv', [pixels, 'grey', 'zero'], ['brightness']))
    names = []
    for part in ('class', 'box', 'centerness'):
        for stride in STRIDES:
            name = f'{part}_{stride}'
            names.append(name)
            nodes += _output(part, stride, name, output_layout)
    graph = helper.make_graph(
        nodes, 'bright_squares',
        [helper.make_tensor_value_info('image', DTYPES[dtype], shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
         for name in names[:outputs]],
        [numpy_helper.from_array(value.astype(np.float32), name)
         for name, value in weights.items()])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, str(path))
    return path


def write_relu(path: Path) -> Path:
    """Write a network that is no FCOS network."""
    before, after = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 64, 64])
                     for name in 'xy')
    graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'relu', [before], [after])
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), str(path))
    return path


def white_square(size: int, column: int, row: int) -> np.ndarray:
    """Return a black image (size, size, 3) with one white cell of stride 8."""
    image = np.zeros((size, size, 3), np.uint8)
    image[8 * row:8 * row + 8, 8 * column:8 * column + 8] = 255
    return image


def _hang(pixels: str, images: str) -> list[onnx.NodeProto]:
    """Copy `pixels` to `late`, for many minutes if the whole image is white, or for any image."""
    def constant(name: str, value: object, dtype: type) -> onnx.NodeProto:
        return helper.make_node(
            'Constant', [], [name], value=numpy_helper.from_array(np.array(value, dtype), name))

    body = helper.make_graph(
        [helper.make_node('Identity', ['running'], ['still_running']),
         helper.make_node('MatMul', ['matrix'] * 2, ['product']),
         helper.make_node('Add', ['before', 'product'], ['after'])],
        'wait',
        [helper.make_tensor_value_info('step', TensorProto.INT64, []),
         helper.make_tensor_value_info('running', TensorProto.BOOL, []),
         helper.make_tensor_value_info('before', TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info('still_running', TensorProto.BOOL, []),
         helper.make_tensor_value_info('after', TensorProto.FLOAT, None)])
    return [
        constant('matrix', np.zeros((256, 256)), np.float32), constant('nothing', 0, np.float32),
        constant('always', True, np.bool_),
        constant('offset', 255 if images == 'all' else -254, np.float32),
        constant('lowest', 0, np.float32), constant('factor', 10 ** 9, np.float32),
        helper.make_node('ReduceMean', [pixels], ['brightness_of_all'], keepdims=0),
        helper.make_node('Add', ['brightness_of_all', 'offset'], ['excess']),
        helper.make_node('Max', ['excess', 'lowest'], ['positive']),
        helper.make_node('Mul', ['positive', 'factor'], ['product_of_steps']),
        helper.make_node('Cast', ['product_of_steps'], ['steps'], to=TensorProto.INT64),
        helper.make_node('Loop', ['steps', 'always', 'nothing'], ['waited'], body=body),
        helper.make_node('ReduceMax', ['waited'], ['zero_after_all'], keepdims=0),
        helper.make_node('Add', [pixels, 'zero_after_all'], ['late'])]


def _output(part: str, stride: int, name: str, layout: str) -> list[onnx.NodeProto]:
    pool = helper.make_node('AveragePool', ['brightness'], [f'{name}_pool'],
                            kernel_shape=[stride, stride], strides=[stride, stride])
    raw = f'{name}_nchw' if layout == 'NHWC' else name
    conv = helper.make_node('Conv', [f'{name}_pool', f'{part}_weight', f'{part}_bias'], [raw])
    transposed = helper.make_node('Transpose', [raw], [name], perm=[0, 2, 3, 1])
    return [pool, conv, transposed] if layout == 'NHWC' else [pool, conv]
