# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
FCOS with a ResNet, as torchvision, MMDetection and AdelaiDet build it.

The networks of the three differ in the names of their weights, in the place of a stride, in the
branch of the centerness, and in the meaning of the outputs; see `families`. Import this module
inside functions only, as torch may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fcos_ros.deploy.network import STRIDES, Outputs, Tensor, torch

BLOCKS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
"""The depth of a ResNet by the number of blocks in its four stages."""

GROUPS = 32
"""Groups of the normalisation in the head."""


@dataclass(frozen=True)
class ResNetSettings:
    """
    The numbers that build a network.

    :ivar blocks: number of blocks in each stage.
    :ivar features: channels of the pyramid and of the head.
    :ivar tower: convolutions of each branch of the head.
    :ivar normalises_head: whether the branches have group normalisation.
    :ivar stride_in_1x1: whether the first convolution of a block has its stride, as in networks
        from Caffe; otherwise the second one has it.
    :ivar centerness_of_boxes: whether the centerness uses the branch of the boxes; otherwise that
        of the classes.
    """

    classes: int
    blocks: tuple[int, ...]
    features: int
    tower: int
    normalises_head: bool
    stride_in_1x1: bool
    centerness_of_boxes: bool


class ResNetFcos(torch.nn.Module):
    """
    Backbone, feature pyramid and head. The box convolution of each level contains its scale.

    The names of the weights are those that `families` converts to.
    """

    def __init__(self, settings: ResNetSettings) -> None:
        super().__init__()
        features = settings.features
        self.backbone = ResNet(settings.blocks, settings.stride_in_1x1)
        self.lateral = torch.nn.ModuleList(
            [torch.nn.Conv2d(width, features, 1) for width in (512, 1024, 2048)])
        self.smooth, self.coarser = (
            torch.nn.ModuleList(
                [torch.nn.Conv2d(features, features, 3, stride, 1) for _ in range(count)])
            for stride, count in ((1, 3), (2, 2)))
        self.class_tower, self.box_tower = (
            _tower(features, settings.tower, settings.normalises_head) for _ in range(2))
        self.classes = torch.nn.Conv2d(features, settings.classes, 3, 1, 1)
        self.boxes = torch.nn.ModuleList([torch.nn.Conv2d(features, 4, 3, 1, 1) for _ in STRIDES])
        self.centerness = torch.nn.Conv2d(features, 1, 3, 1, 1)
        self._centerness_of_boxes = settings.centerness_of_boxes

    def forward(self, image: Tensor) -> Outputs:
        """Return the raw outputs of all strides."""
        outputs = Outputs([], [], [])
        for level, boxes in zip(self._pyramid(image), self.boxes):
            class_features, box_features = self.class_tower(level), self.box_tower(level)
            outputs.classes.append(self.classes(class_features))
            outputs.boxes.append(boxes(box_features))
            outputs.centerness.append(self.centerness(
                box_features if self._centerness_of_boxes else class_features))
        return outputs

    def _pyramid(self, image: Tensor) -> list[Tensor]:
        inner = [lateral(feature) for lateral, feature in zip(self.lateral, self.backbone(image))]
        for finer, coarser in ((1, 2), (0, 1)):
            inner[finer] = inner[finer] + torch.nn.functional.interpolate(
                inner[coarser], scale_factor=2.0, mode='nearest')
        levels = [smooth(feature) for smooth, feature in zip(self.smooth, inner)]
        levels.append(self.coarser[0](levels[-1]))
        levels.append(self.coarser[1](torch.relu(levels[-1])))
        return levels


class ResNet(torch.nn.Module):
    """A ResNet of bottleneck blocks."""

    def __init__(self, blocks: tuple[int, ...], stride_in_1x1: bool) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        self.pool = torch.nn.MaxPool2d(3, 2, 1)
        self.stages = torch.nn.ModuleList()
        before = 64
        for number, count in enumerate(blocks):
            width = 64 * 2 ** number
            self.stages.append(torch.nn.Sequential(*(
                Bottleneck(4 * width if index else before, width,
                           2 if number and not index else 1, stride_in_1x1)
                for index in range(count))))
            before = 4 * width

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features at strides 8, 16 and 32."""
        features = [self.pool(torch.relu(self.bn1(self.conv1(image))))]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[2:]


class Bottleneck(torch.nn.Module):
    """Three convolutions with a skip connection."""

    def __init__(self, before: int, width: int, stride: int, stride_in_1x1: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = torch.nn.Conv2d(before, width, 1, first, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, second, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.conv3 = torch.nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = torch.nn.BatchNorm2d(4 * width)
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if before != 4 * width:
            self.shortcut = torch.nn.Sequential(
                torch.nn.Conv2d(before, 4 * width, 1, stride, bias=False),
                torch.nn.BatchNorm2d(4 * width))

    def forward(self, feature: Tensor) -> Tensor:
        """Return features whose sides are divided by the stride."""
        inner = torch.relu(self.bn1(self.conv1(feature)))
        inner = torch.relu(self.bn2(self.conv2(inner)))
        return torch.relu(self.bn3(self.conv3(inner)) + self.shortcut(feature))


def _tower(features: int, depth: int, normalises: bool) -> torch.nn.Sequential:
    """Return convolutions, each with its normalisation and ReLU."""
    normalise: Callable[[], torch.nn.Module] = (
        (lambda: torch.nn.GroupNorm(GROUPS, features)) if normalises else torch.nn.Identity)
    return torch.nn.Sequential(*(
        torch.nn.Sequential(
            torch.nn.Conv2d(features, features, 3, 1, 1), normalise(), torch.nn.ReLU())
        for _ in range(depth)))


def count_blocks(weights: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the number of blocks in each stage, by the converted names of the weights."""
    found = {tuple(map(int, name.split('.')[2:4])) for name in weights
             if name.startswith('backbone.stages.')}
    return tuple(sum(stage == number for stage, _ in found) for number in range(4))
