# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Export the network as an ONNX file that the node loads."""

from __future__ import annotations

import json
from pathlib import Path
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from fcos_ros.demo.scenes import CLASS_NAMES
from training.network import STRIDES, Fcos

CANVAS_SIDE = 512
OPSET = 17

METADATA = {
    'labels': json.dumps(CLASS_NAMES), 'strides': json.dumps(STRIDES), 'box_unit': 'stride',
    'point_offset': '0.5', 'pixels': 'rgb', 'score_threshold': '0.5', 'nms_threshold': '0.6'}
"""The properties of the network that the shapes of its outputs do not show."""

OUTPUTS = [f'{kind}_{stride}' for kind in ('class', 'box', 'centerness') for stride in STRIDES]


class ExportedNetwork(nn.Module):
    """
    The network with the inputs and outputs of the exported file.

    The input is RGB, uint8 of shape (1, 512, 512, 3). The outputs are class logits, boxes and
    centerness logits, each of shape (1, H, W, C) at five strides.
    """

    def __init__(self, network: Fcos) -> None:
        super().__init__()
        self._network = network

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the 15 outputs in the order of `OUTPUTS`."""
        outputs = self._network(image.permute(0, 3, 1, 2).float())
        return [level.permute(0, 2, 3, 1) for levels in outputs for level in levels]


def export(network: Fcos, path: Path) -> None:
    """
    Write a trained network to a file. The network is in evaluation mode afterwards.

    :raises AssertionError: the outputs of the file differ from those of the network.
    """
    deployed = ExportedNetwork(network).eval()
    image = torch.zeros((1, CANVAS_SIDE, CANVAS_SIDE, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # This exporter is deprecated; the new one needs another package.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            deployed, (image,), path, dynamo=False, opset_version=OPSET,
            input_names=['image'], output_names=OUTPUTS)
    model = onnx.load(path)
    model.graph.name = path.stem
    onnx.helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    _compare_outputs(deployed, path)


def _compare_outputs(deployed: ExportedNetwork, path: Path) -> None:
    image = torch.randint(0, 256, (1, CANVAS_SIDE, CANVAS_SIDE, 3), dtype=torch.uint8)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    with torch.no_grad():
        expected = [output.numpy() for output in deployed(image)]
    actual = session.run(OUTPUTS, {'image': image.numpy()})
    for name, one, other in zip(OUTPUTS, expected, actual):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3, err_msg=name)
