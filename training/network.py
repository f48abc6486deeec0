# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The demo's network: a small FCOS of five strides with one head for all.

Pictures are float32 of shape (B, 3, H, W), RGB from 0 to 255, sides multiples of 128. Black is 0,
so that the padding of convolutions, the letterbox and the world outside look the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32, 64, 128)
LIMITS = (0.0, 48.0, 96.0, 192.0, 384.0, math.inf)
"""Level i finds objects whose farthest side is from LIMITS[i] to LIMITS[i + 1] pixels away."""

SHADES = 64.0
"""Pixel values are divided by it: about the standard deviation of pictures."""


class Outputs(NamedTuple):
    """
    One tensor a level in each field, (B, C, H / stride, W / stride).

    :ivar classes: logits, one channel a class.
    :ivar boxes: distances to the left, top, right and bottom, in strides, above 0.
    :ivar centerness: logits, one channel.
    """

    classes: list[Tensor]
    boxes: list[Tensor]
    centerness: list[Tensor]


class Fcos(nn.Module):
    """
    Backbone, pyramid and head.

    :param classes: how many.
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
            nn.Sequential(_conv(four, eight, 2), Residual(eight)),
            nn.Sequential(_conv(eight, sixteen, 2), Residual(sixteen)),
            nn.Sequential(_conv(sixteen, thirtytwo, 2), Residual(thirtytwo))])
        self.lateral = nn.ModuleList([nn.Conv2d(width, features, 1) for width in widths[2:]])
        self.coarser = nn.ModuleList([_conv(features, features, 2) for _ in range(2)])
        self.head = Head(classes, features)

    def forward(self, picture: Tensor) -> Outputs:
        """Give the raw outputs of all levels."""
        feature = self.stem(picture / SHADES)
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


class Residual(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width, 1)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, feature: Tensor) -> Tensor:
        """Keep the shape."""
        return functional.relu(feature + self.second(self.first(feature)))


class Head(nn.Module):
    """The same weights on all levels; centerness hangs on the boxes' branch."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.trunk = Shared(features)
        self.class_branch = Shared(features)
        self.box_branch = Shared(features)
        self.classes = nn.Conv2d(features, classes, 3, padding=1)
        self.boxes = nn.Conv2d(features, 4, 3, padding=1)
        self.centerness = nn.Conv2d(features, 1, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(STRIDES)))
        for last in (self.classes, self.boxes, self.centerness):
            nn.init.normal_(last.weight, std=0.01)
        # Hardly any point is an object: begin by saying so.
        nn.init.constant_(self.classes.bias, -math.log(99))
        nn.init.constant_(self.boxes.bias, 0.7)

    def forward(self, pyramid: list[Tensor]) -> Outputs:
        """Give the raw outputs of all levels."""
        trunk = self.trunk(pyramid)
        of_class, of_box = self.class_branch(trunk), self.box_branch(trunk)
        boxes = [torch.exp((self.boxes(level) * scale).clamp(max=5.0))
                 for level, scale in zip(of_box, self.scales)]
        return Outputs([self.classes(level) for level in of_class], boxes,
                       [self.centerness(level) for level in of_box])


class Shared(nn.Module):
    """
    A convolution on all levels, normalised over all of them together.

    Level by level, training would normalise each by its own statistics, and nothing else could.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(features)

    def forward(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Keep the shapes."""
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


def _conv(narrow: int, wide: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(narrow, wide, 3, stride, 1, bias=False),
                         nn.BatchNorm2d(wide), nn.ReLU(inplace=True))
