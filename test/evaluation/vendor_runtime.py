# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Stand in for the runtime of the vendor's toolchain, in numpy: `HB_ONNXRuntime`.

Like the real one, it changes the dictionary that it is given, and shifts the input by 128. A small
network has operators of the vendor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODULE = """
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class HzCalibration(OpRun):
    op_domain = 'horizon'

    def _run(self, x, thresholds=None, switch=None):
        if switch != 'ON':
            return (x,)
        step = np.float32(max(thresholds) / 127)
        return ((np.clip(np.rint(x / step), -128, 127) * step).astype(np.float32),)


class HB_ONNXRuntime:
    def __init__(self, model_file):
        model = onnx.load(model_file)
        self.output_names = [output.name for output in model.graph.output]
        self._session = ReferenceEvaluator(model, new_ops=[HzCalibration])

    def run(self, output_names, input_info):
        for name in input_info:
            input_info[name] = input_info[name] - np.float32(128)
        return self._session.run(output_names, input_info)
"""


WEIGHT = np.random.default_rng(1).normal(0, 0.1, (5, 3, 1, 1)).astype(np.float32)
SECOND = np.random.default_rng(2).normal(0, 0.1, (2, 5, 1, 1)).astype(np.float32)


def install(folder: Path, python: str) -> dict[str, str]:
    """Write the stand-in; return the environment variables by which it is found."""
    (folder / 'packages').mkdir(parents=True, exist_ok=True)
    (folder / 'packages' / 'horizon_tc_ui.py').write_text(MODULE)
    command = folder / 'hb_mapper'
    if not command.exists():
        command.write_text(f'#!{python}\n')
        command.chmod(0o755)
    return {'FCOS_BPU_TOOLS': str(folder), 'PYTHONPATH': str(folder / 'packages')}


def write_network(
    path: Path, thresholds: tuple[float, float] = (9.0, 7.0), switch: str = 'ON',
    attributes: Sequence[str] = ('thresholds', 'switch'), width: int = 8, height: int = 4,
) -> Path:
    """Write image -> Conv -> Relu -> HzCalibration -> Conv -> HzCalibration -> Relu."""
    def quantiser(name: str, threshold: float) -> Any:
        given: dict[str, Any] = {'thresholds': [threshold], 'switch': switch}
        return helper.make_node('HzCalibration', [name], [f'{name}_calibrated'], f'{name}_q',
                                domain='horizon', **{key: given[key] for key in attributes})
    nodes = [
        quantiser('image', 127.0),
        helper.make_node('Conv', ['image_calibrated', 'w1'], ['c1'], 'first/Conv'),
        helper.make_node('Relu', ['c1'], ['r1'], 'first/Relu'),
        quantiser('r1', thresholds[0]),
        helper.make_node('Conv', ['r1_calibrated', 'w2'], ['c2'], 'second/Conv'),
        quantiser('c2', thresholds[1]),
        helper.make_node('Relu', ['c2_calibrated'], ['class_8'], 'last/Relu')]
    graph = helper.make_graph(
        nodes, 'network',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info('class_8', TensorProto.FLOAT, [1, 2, height, width])],
        [numpy_helper.from_array(WEIGHT, 'w1'), numpy_helper.from_array(SECOND, 'w2')])
    model = helper.make_model(graph, ir_version=7, opset_imports=[
        helper.make_opsetid('', 11), helper.make_opsetid('horizon', 1)])
    onnx.save(model, str(path))
    return path
