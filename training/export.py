# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the network as the file that the node loads."""

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

CANVAS = 512
OPSET = 17

METADATA = {
    'labels': json.dumps(CLASS_NAMES), 'strides': json.dumps(STRIDES), 'box_unit': 'stride',
    'point_offset': '0.5', 'pixels': 'rgb', 'score_threshold': '0.5', 'nms_threshold': '0.6'}
"""What shapes cannot tell."""

OUTPUTS = [f'{kind}_{stride}' for kind in ('class', 'box', 'centerness') for stride in STRIDES]


class Deployed(nn.Module):
    """
    The network as the node meets it.

    In goes uint8 RGB of shape (1, 512, 512, 3), out come class logits, boxes and centerness
    logits, each (1, H, W, C) at five strides.
    """

    def __init__(self, network: Fcos) -> None:
        super().__init__()
        self._network = network

    def forward(self, image: Tensor) -> list[Tensor]:
        """Give the 15 outputs in the order of `OUTPUTS`."""
        outputs = self._network(image.permute(0, 3, 1, 2).float())
        return [level.permute(0, 2, 3, 1) for levels in outputs for level in levels]


def export(network: Fcos, path: Path) -> None:
    """
    Write a trained network; it is in evaluation mode afterwards.

    :raises AssertionError: when the file does not compute what the network does.
    """
    deployed = Deployed(network).eval()
    image = torch.zeros((1, CANVAS, CANVAS, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # The exporter that needs no other package is on its way out.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            deployed, (image,), path, dynamo=False, opset_version=OPSET,
            input_names=['image'], output_names=OUTPUTS)
    model = onnx.load(path)
    model.graph.name = path.stem
    onnx.helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    _compare(deployed, path)


def _compare(deployed: Deployed, path: Path) -> None:
    image = torch.randint(0, 256, (1, CANVAS, CANVAS, 3), dtype=torch.uint8)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    with torch.no_grad():
        wanted = [output.numpy() for output in deployed(image)]
    for name, one, other in zip(OUTPUTS, wanted, session.run(OUTPUTS, {'image': image.numpy()})):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3, err_msg=name)
