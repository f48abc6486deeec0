# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Small networks in the forms in which programs export FCOS, whose detections are known.

All detect the same: a white square that fills one cell of stride 8 is an object of class 0. Its
box has the same centre and reaches `HALF_BOX` pixels to each side. Boxes of dark cells are larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HALF_BOX = 8.0
KINDS = ('class', 'box', 'centerness')
DETECTIONS = 4
"""Number of detections of networks with NMS inside; the score of most is near 0."""


@dataclass(frozen=True)
class Export:
    """
    The form of a network.

    :ivar shape: of the input; texts are open sides.
    :ivar kinds: the parts, in the order of the outputs, or of the channels if they are combined.
    :ivar joined: whether an output holds all levels, as [1, cells, channels].
    :ivar combined: whether an output holds all parts.
    :ivar unit: of the boxes.
    :ivar probabilities: whether class and centerness end in a sigmoid.
    :ivar detections: 'boxes' for boxes, scores and labels, 'dets' for boxes with scores and
        labels; None for outputs of cells.
    """

    shape: tuple[object, ...] = (1, 3, 128, 128)
    dtype: int = TensorProto.FLOAT
    classes: int = 3
    strides: tuple[int, ...] = (8, 16, 32, 64, 128)
    kinds: tuple[str, ...] = KINDS
    joined: bool = False
    combined: bool = False
    unit: str = 'pixel'
    probabilities: bool = False
    detections: str | None = None
    names: tuple[str, ...] = ()
    opset: int = 13
    ir_version: int = 8

    def write(self, path: Path, metadata: Mapping[str, str] | None = None) -> Path:
        """Write the network to an ONNX file."""
        graph = _Graph()
        graph.add('Cast', ['image'], 'float', to=TensorProto.FLOAT)
        graph.constant('grey', np.full((1, 3, 1, 1), 1 / 3))
        graph.add('Conv', ['float', 'grey'], 'brightness')
        outputs = self._detections(graph) if self.detections else self._cells(graph)
        if self.names:
            for old, new in zip(outputs, self.names):
                graph.add('Identity', [old], new)
            outputs = list(self.names)
        types = {'labels': TensorProto.INT64}
        model = helper.make_model(
            helper.make_graph(
                graph.nodes, 'export',
                [helper.make_tensor_value_info('image', self.dtype, self.shape)],
                [helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)
                 for name in outputs], graph.weights),
            opset_imports=[helper.make_opsetid('', self.opset)], ir_version=self.ir_version)
        helper.set_model_props(model, dict(metadata or {}))
        path.write_bytes(model.SerializeToString())
        return path

    def _cells(self, graph: _Graph) -> list[str]:
        """Return the names of the outputs after joining and combining them."""
        parts = [[self._part(graph, kind, stride) for stride in self.strides]
                 for kind in self.kinds]
        if self.joined:
            parts = [[graph.add('Concat', names, f'{kind}_all', axis=1)]
                     for kind, names in zip(self.kinds, parts)]
        if not self.combined:
            return [name for names in parts for name in names]
        axis = 2 if self.joined else 1
        return [graph.add('Concat', names, f'level_{index}', axis=axis)
                for index, names in enumerate(zip(*parts))]

    def _part(self, graph: _Graph, kind: str, stride: int) -> str:
        """Add one part of one level: (1, channels, height, width), or (1, cells, channels)."""
        name = f'{kind}_{stride}'
        graph.add('AveragePool', ['brightness'], f'{name}_pool', kernel_shape=[stride, stride],
                  strides=[stride, stride], ceil_mode=1)
        half = HALF_BOX / 8 * (1 if self.unit == 'stride' else stride)
        channels, slope, base = {
            'class': (self.classes, 0.1, -20.0), 'box': (4, -2 * half / 255, 3 * half),
            'centerness': (1, 0.1, -20.0)}[kind]
        slopes = np.full((channels, 1, 1, 1), slope)
        if kind == 'class':
            slopes[1:] = 0.01
        graph.constant(f'{name}_weight', slopes)
        graph.constant(f'{name}_bias', np.full(channels, base))
        values = graph.add('Conv', [f'{name}_pool', f'{name}_weight', f'{name}_bias'],
                           f'{name}_values')
        if self.probabilities and kind != 'box':
            values = graph.add('Sigmoid', [values], f'{name}_sigmoid')
        if not self.joined:
            return graph.add('Identity', [values], name)
        graph.constant(f'{name}_shape', np.array([1, channels, -1]), np.int64)
        graph.add('Reshape', [values, f'{name}_shape'], f'{name}_flat')
        return graph.add('Transpose', [f'{name}_flat'], name, perm=[0, 2, 1])

    def _detections(self, graph: _Graph) -> list[str]:
        """Add a choice of the best cells of stride 8, without a threshold."""
        height, width = (int(str(side)) // 8 for side in self.shape[2:])
        rows, columns = np.indices((height, width)).reshape(2, -1) * 8 + 4
        centres = np.stack([columns, rows, columns, rows], 1)
        graph.constant('all_boxes', centres + np.array([-1, -1, 1, 1]) * HALF_BOX)
        logits = self._part(graph, 'centerness', 8)
        graph.constant('flat', np.array([-1]), np.int64)
        graph.constant('count', np.array([DETECTIONS]), np.int64)
        graph.constant('zero', np.array([0]), np.int64)
        graph.constant('last', np.array([-1]), np.int64)
        graph.add('Reshape', [logits, 'flat'], 'logits')
        graph.add('Sigmoid', ['logits'], 'all_scores')
        graph.nodes.append(helper.make_node('TopK', ['all_scores', 'count'], ['scores', 'best']))
        graph.add('Gather', ['all_boxes', 'best'], 'boxes')
        graph.add('Mul', ['best', 'zero'], 'labels')
        if self.detections == 'boxes':
            return ['boxes', 'scores', 'labels']
        graph.add('Unsqueeze', ['scores', 'last'], 'column')
        graph.add('Concat', ['boxes', 'column'], 'dets', axis=1)
        return ['dets', 'labels']


class _Graph:
    """Nodes and weights of a network."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Add a node with one output, and return the name of the output."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, values: np.ndarray, dtype: type = np.float32) -> None:
        self.weights.append(numpy_helper.from_array(values.astype(dtype), name))
