# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The demo network: a small FCOS with five strides that share one head.

Images are RGB from 0 to 255, float32 of shape (B, 3, H, W); their sides are multiples of 128.
Black is 0, so that the padding of convolutions looks like the black area of the letterbox.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32, 64, 128)
LEVEL_LIMITS = (0.0, 48.0, 96.0, 192.0, 384.0, math.inf)
"""
Level i detects the objects whose farthest side is LEVEL_LIMITS[i] to LEVEL_LIMITS[i + 1] pixels
away from the point.
"""

PIXEL_SCALE = 64.0
"""The divisor of pixel values: about their standard deviation."""


class Outputs(NamedTuple):
    """
    The raw outputs: in each field one tensor per level, (B, C, H / stride, W / stride).

    :ivar classes: logits, one channel per class.
    :ivar boxes: distances to the left, top, right and bottom in strides, greater than 0.
    :ivar centerness: logits, one channel.
    """

    classes: list[Tensor]
    boxes: list[Tensor]
    centerness: list[Tensor]


class Fcos(nn.Module):
    """
    Backbone, feature pyramid and head.

    :param classes: number of classes.
    :param widths: channels at strides 2, 4, 8, 16 and 32.
    :param features: channels of the pyramid and the head.
    """

    def __init__(
        self, classes: int, widths: tuple[int, ...] = (16, 24, 48, 80, 128), features: int = 48,
    ) -> None:
        super().__init__()
        two, four, eight, sixteen, thirtytwo = widths
        self.stem = nn.Sequential(_conv(3, two, 2), _conv(two, four, 2))
        self.stages = nn.ModuleList([
            nn.Sequential(_conv(four, eight, 2), ResidualBlock(eight)),
            nn.Sequential(_conv(eight, sixteen, 2), ResidualBlock(sixteen)),
            nn.Sequential(_conv(sixteen, thirtytwo, 2), ResidualBlock(thirtytwo))])
        self.lateral = nn.ModuleList([nn.Conv2d(width, features, 1) for width in widths[2:]])
        self.coarser = nn.ModuleList([_conv(features, features, 2) for _ in range(2)])
        self.head = Head(classes, features)

    def forward(self, image: Tensor) -> Outputs:
        """Return the raw outputs of all levels."""
        feature = self.stem(image / PIXEL_SCALE)
        pyramid: list[Tensor] = []
        for stage, lateral in zip(self.stages, self.lateral):
            feature = stage(feature)
            pyramid.append(lateral(feature))
        for finer, coarser in ((1, 2), (0, 1)):
            pyramid[finer] = pyramid[finer] + functional.interpolate(
                pyramid[coarser], scale_factor=2.0, mode='nearest')
        for coarser_level in self.coarser:
            pyramid.append(coarser_level(pyramid[-1]))
        return self.head(pyramid)


class ResidualBlock(nn.Module):
    """Two convolutions with a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width, 1)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, feature: Tensor) -> Tensor:
        """Return features of the same shape."""
        return functional.relu(feature + self.second(self.first(feature)))


class Head(nn.Module):
    """The head, with the same weights on all levels; centerness uses the branch of the boxes."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.trunk = SharedConv(features)
        self.class_branch = SharedConv(features)
        self.box_branch = SharedConv(features)
        self.classes = nn.Conv2d(features, classes, 3, padding=1)
        self.boxes = nn.Conv2d(features, 4, 3, padding=1)
        self.centerness = nn.Conv2d(features, 1, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(STRIDES)))
        for last in (self.classes, self.boxes, self.centerness):
            nn.init.normal_(last.weight, std=0.01)
        # Scores begin at 0.01, as hardly any point belongs to an object.
        nn.init.constant_(self.classes.bias, -math.log(99))
        nn.init.constant_(self.boxes.bias, 0.7)

    def forward(self, pyramid: list[Tensor]) -> Outputs:
        """Return the raw outputs of all levels."""
        trunk = self.trunk(pyramid)
        class_features, box_features = self.class_branch(trunk), self.box_branch(trunk)
        boxes = [torch.exp((self.boxes(level) * scale).clamp(max=5.0))
                 for level, scale in zip(box_features, self.scales)]
        return Outputs([self.classes(level) for level in class_features], boxes,
                       [self.centerness(level) for level in box_features])


class SharedConv(nn.Module):
    """
    A convolution on all levels, with one batch normalisation over all of them together.

    Normalised one by one, each level would have its own statistics in training, but not in
    inference.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(features)

    def forward(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Return features of the same shapes."""
        levels = [self.conv(level) for level in pyramid]
        if not self.training:
            return [functional.relu(self.norm(level)) for level in levels]
        batch, width = levels[0].shape[:2]
        together = torch.cat([level.permute(0, 2, 3, 1).reshape(batch, -1, width)
                              for level in levels], 1)
        together = together.permute(0, 2, 1).unsqueeze(2)
        together = functional.relu(self.norm(together), inplace=True)
        parts = together.split([level.shape[2] * level.shape[3] for level in levels], 3)
        return [part.reshape(level.shape) for part, level in zip(parts, levels)]


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                         nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
