# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the network should have said, and how wrong it was; boxes are in canvas pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.network import LIMITS, STRIDES, Outputs

BACKGROUND, IGNORED = -1, -2
RADIUS = 1.5
"""Only points that near to the centre, in strides, are taught to find an object."""


class Points(NamedTuple):
    """
    The places where the network looks for objects, level after level.

    :ivar places: (N, 2), x and y in pixels.
    :ivar strides: (N,).
    :ivar limits: (N, 2), what its level is responsible for, see `LIMITS`.
    """

    places: Tensor
    strides: Tensor
    limits: Tensor

    @classmethod
    def of(cls, width: int, height: int) -> Points:
        """Points of a picture; its sides are multiples of 128."""
        places, strides, limits = [], [], []
        for level, stride in enumerate(STRIDES):
            y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride),
                                  indexing='ij')
            places.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
            strides.append(torch.full((len(places[-1]),), float(stride)))
            limits.append(torch.tensor([LIMITS[level:level + 2]]).expand(len(places[-1]), 2))
        return cls(torch.cat(places), torch.cat(strides), torch.cat(limits))


class Losses(NamedTuple):
    """Focal loss of the classes, GIoU loss of the boxes, cross entropy of centerness."""

    classes: Tensor
    boxes: Tensor
    centerness: Tensor

    def total(self) -> Tensor:
        """Weigh them: boxes twice."""
        return self.classes + 2 * self.boxes + self.centerness


def losses(outputs: Outputs, points: Points, truths: list[tuple[Tensor, Tensor]]) -> Losses:
    """
    Compare with the truth.

    :param truths: boxes (M, 4) and class ids (M,) of each picture; `IGNORED` objects, which
        hardly show, are right both found and not found.
    """
    logits, boxes, centers = (_flat(levels) for levels in outputs)
    answers = [_targets(points, *truth) for truth in truths]
    labels = torch.stack([label for label, _ in answers])
    found = labels >= 0
    count = found.sum().clamp(min=1)
    wanted = torch.zeros_like(logits)
    wanted[found] = functional.one_hot(labels[found], logits.shape[-1]).float()
    classes = _focal(logits, wanted)[labels != IGNORED].sum() / count
    sides = torch.stack([side for _, side in answers])[found]
    sides = sides / points.strides.expand(labels.shape)[found][:, None]
    centerness = _centerness(sides)
    overlap = (_giou_loss(boxes[found], sides) * centerness).sum()
    return Losses(
        classes, overlap / centerness.sum().clamp(min=1.0),
        functional.binary_cross_entropy_with_logits(
            centers[..., 0][found], centerness, reduction='sum') / count)


def _flat(levels: list[Tensor]) -> Tensor:
    """(B, C, H, W) of each level to (B, N, C)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def _targets(points: Points, boxes: Tensor, class_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Label of each point, (N,), and its distances to the sides of its object, (N, 4)."""
    labels = torch.full((len(points.places),), BACKGROUND)
    if not len(boxes):
        return labels, torch.zeros(len(labels), 4)
    x, y = points.places[:, :1], points.places[:, 1:]
    sides = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], -1)
    inside = sides.min(-1).values > 0
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    aside = (points.places[:, None] - centre).abs().max(-1).values
    near = aside < RADIUS * points.strides[:, None]
    farthest = sides.max(-1).values
    level = (farthest >= points.limits[:, :1]) & (farthest < points.limits[:, 1:])
    ignored = class_ids == IGNORED
    labels[(inside & ignored).any(1)] = IGNORED
    # Where objects overlap, the smaller one is in front, or it would not be seen.
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1).expand(inside.shape)
    area = torch.where(inside & near & level & ~ignored, area, torch.inf)
    smallest, owner = area.min(1)
    found = torch.isfinite(smallest)
    labels[found] = class_ids[owner[found]]
    return labels, sides[torch.arange(len(labels)), owner]


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction='none')
    miss = torch.abs(wanted - logits.sigmoid())
    return (0.25 * wanted + 0.75 * (1 - wanted)) * miss.square() * entropy


def _centerness(sides: Tensor) -> Tensor:
    across, along = sides[:, [0, 2]], sides[:, [1, 3]]
    ratio = across.min(1).values / across.max(1).values
    return torch.sqrt(ratio * along.min(1).values / along.max(1).values)


def _giou_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - GIoU of boxes around the same point, given by their distances to it."""
    small, large = torch.minimum(found, wanted), torch.maximum(found, wanted)
    shared, hull = _area(small), _area(large)
    union = _area(found) + _area(wanted) - shared
    return 1 - shared / union + (hull - union) / hull


def _area(sides: Tensor) -> Tensor:
    return (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
