# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A trained network with everything that a model file says about it.

Import this module inside functions only, as torch may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path

from fcos_ros.core.resize import Size
from fcos_ros.deploy.checkpoint import Checkpoint
from fcos_ros.deploy.network import STRIDES, Head, Outputs, Tensor, torch

BOX_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {'exp': torch.exp, 'relu': torch.relu}
"""Functions that convert raw boxes to distances."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """
    A network that converts a normalised image to raw `Outputs`.

    :ivar network: takes float32 of shape (1, 3, height, width), with the channels in the order of
        `pixels`, normalised by `mean` and `std`.
    :ivar folded: computes the same, and each output comes from a convolution.
    :ivar size: size of the input in pixels.
    :ivar mean: for each channel, on the scale 0 to 255; likewise `std`.
    :ivar box_activation: converts raw boxes to distances; a key of `BOX_ACTIVATIONS`.
    :ivar metadata: the other keys of the metadata of a model file, such as `labels`.
    """

    network: torch.nn.Module
    folded: torch.nn.Module
    size: Size
    pixels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    box_activation: str
    metadata: Mapping[str, object]

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> TrainedNetwork:
        """Return the network of our own training."""
        network = checkpoint.network()
        folded = deepcopy(network)
        folded.add_module('head', FoldedHead(network.head))
        return cls(
            network, folded, checkpoint.size, 'rgb', checkpoint.mean, checkpoint.std, 'exp', {
                'labels': list(checkpoint.labels), 'strides': list(STRIDES),
                'box_unit': 'stride', 'point_offset': 0.5,
                'score_threshold': checkpoint.score_threshold,
                'nms_threshold': checkpoint.nms_threshold})


def with_provenance(trained: TrainedNetwork, source: Path) -> TrainedNetwork:
    """Return a network whose metadata states the file that it was read from."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    origin = {'source': source.name, 'sha256': digest, 'torch': torch.__version__}
    return replace(trained, metadata={**trained.metadata, 'provenance': origin})


class FoldedHead(torch.nn.Module):
    """A `Head` with a box convolution for each level, which contains the scale of the level."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.trunk, self.class_branch, self.box_branch, self.classes, self.centerness = (
            head.trunk, head.class_branch, head.box_branch, head.classes, head.centerness)
        self.boxes = scaled_convolutions(head.boxes, head.scales.tolist())

    def forward(self, pyramid: list[Tensor]) -> Outputs:
        """Return the raw outputs of all strides."""
        trunk = self.trunk(pyramid)
        class_features, box_features = self.class_branch(trunk), self.box_branch(trunk)
        return Outputs(
            [self.classes(level) for level in class_features],
            [convolution(level) for convolution, level in zip(self.boxes, box_features)],
            [self.centerness(level) for level in box_features])


def scaled_convolutions(
    convolution: torch.nn.Conv2d, scales: list[float],
) -> torch.nn.ModuleList:
    """Return a convolution for each scale whose results are multiplied by it."""
    copies = [deepcopy(convolution) for _ in scales]
    with torch.no_grad():
        for copy, scale in zip(copies, scales):
            copy.weight *= scale
            assert copy.bias is not None
            copy.bias *= scale
    return torch.nn.ModuleList(copies)
