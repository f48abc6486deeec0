# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The targets of a network and its losses. Boxes are in pixels of the training image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fcos_ros.deploy.network import STRIDES, Outputs
from training.augment import IGNORED

LEVEL_LIMITS = (0.0, 48.0, 96.0, 192.0, 384.0, math.inf)
"""
Stride i detects the objects whose farthest side is LEVEL_LIMITS[i] to LEVEL_LIMITS[i + 1] pixels
away from the point.
"""

CENTER_RADIUS = 1.5
"""Points that detect an object are nearer to its centre than this, in strides along each axis."""

MAX_RAW_BOX = 5.0
"""Limit of raw boxes in training: the exponential of the first steps might overflow."""

BACKGROUND = -1


class AnchorPoints(NamedTuple):
    """
    The points of an image at which the network detects objects, level after level.

    :ivar positions: (N, 2), x and y in pixels.
    :ivar strides: (N,).
    :ivar limits: (N, 2), minimum and maximum of the point's stride; see `LEVEL_LIMITS`.
    """

    positions: Tensor
    strides: Tensor
    limits: Tensor

    @classmethod
    def of(cls, width: int, height: int) -> AnchorPoints:
        """Create the points of an image; those of the last cells may lie beyond it."""
        positions, strides, limits = [], [], []
        for level, stride in enumerate(STRIDES):
            y, x = torch.meshgrid(torch.arange(-(-height // stride)),
                                  torch.arange(-(-width // stride)), indexing='ij')
            positions.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
            strides.append(torch.full((len(positions[-1]),), float(stride)))
            limit = torch.tensor([LEVEL_LIMITS[level:level + 2]])
            limits.append(limit.expand(len(positions[-1]), 2))
        return cls(torch.cat(positions), torch.cat(strides), torch.cat(limits))

    def to(self, device: str) -> AnchorPoints:
        """Move the points to a device."""
        return AnchorPoints(*(values.to(device) for values in self))


class Losses(NamedTuple):
    """Focal loss of the classes, GIoU loss of the boxes, cross entropy of the centerness."""

    classes: Tensor
    boxes: Tensor
    centerness: Tensor

    def total(self) -> Tensor:
        """Return the weighted sum; boxes count twice."""
        return self.classes + 2 * self.boxes + self.centerness


def compute_losses(
    outputs: Outputs, points: AnchorPoints, ground_truth: list[tuple[Tensor, Tensor]],
) -> Losses:
    """
    Compare the outputs with the ground truth.

    :param ground_truth: boxes (M, 4) and class ids (M,) of each image. Objects that hardly show
        have the class `IGNORED`: points on them do not count for the loss of the classes.
    """
    logits, raw_boxes, centers = (_flat(levels).float() for levels in outputs)
    targets = [_targets(points, *objects) for objects in ground_truth]
    labels = torch.stack([label for label, _ in targets])
    positive = labels >= 0
    count = positive.sum().clamp(min=1)
    one_hot = torch.zeros_like(logits)
    one_hot[positive] = functional.one_hot(labels[positive], logits.shape[-1]).float()
    classes = _focal_loss(logits, one_hot)[labels != IGNORED].sum() / count
    sides = torch.stack([side for _, side in targets])[positive]
    sides = sides / points.strides.expand(labels.shape)[positive][:, None]
    centerness = _centerness(sides)
    boxes = torch.exp(raw_boxes[positive].clamp(max=MAX_RAW_BOX))
    giou = (_giou_loss(boxes, sides) * centerness).sum()
    return Losses(
        classes, giou / centerness.sum().clamp(min=1.0),
        functional.binary_cross_entropy_with_logits(
            centers[..., 0][positive], centerness, reduction='sum') / count)


def _flat(levels: list[Tensor]) -> Tensor:
    """Convert (B, C, H, W) of each level to (B, N, C)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def _targets(points: AnchorPoints, boxes: Tensor, class_ids: Tensor) -> tuple[Tensor, Tensor]:
    """
    Assign each point to an object.

    :returns: the label of each point, (N,), and its distances to the sides of its object, (N, 4).
    """
    labels = torch.full((len(points.positions),), BACKGROUND, device=boxes.device)
    if not len(boxes):
        return labels, torch.zeros(len(labels), 4, device=boxes.device)
    x, y = points.positions[:, :1], points.positions[:, 1:]
    sides = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], -1)
    inside = sides.min(-1).values > 0
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = (points.positions[:, None] - centre).abs().max(-1).values
    near = distance < CENTER_RADIUS * points.strides[:, None]
    farthest = sides.max(-1).values
    level = (farthest >= points.limits[:, :1]) & (farthest < points.limits[:, 1:])
    ignored = class_ids == IGNORED
    labels[(inside & ignored).any(1)] = IGNORED
    # Where objects overlap, the smaller one is in front: otherwise it would be hidden.
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1).expand(inside.shape)
    area = torch.where(inside & near & level & ~ignored, area, torch.inf)
    smallest, owner = area.min(1)
    assigned = torch.isfinite(smallest)
    labels[assigned] = class_ids[owner[assigned]]
    return labels, sides[torch.arange(len(labels), device=owner.device), owner]


def _focal_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the focal loss (Lin et al., 2017) with alpha 0.25 and gamma 2."""
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction='none')
    error = torch.abs(targets - logits.sigmoid())
    return (0.25 * targets + 0.75 * (1 - targets)) * error.square() * entropy


def _centerness(sides: Tensor) -> Tensor:
    across, along = sides[:, [0, 2]], sides[:, [1, 3]]
    ratio = across.min(1).values / across.max(1).values
    return torch.sqrt(ratio * along.min(1).values / along.max(1).values)


def _giou_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - GIoU of boxes around the same point, given as distances to their sides."""
    inner, outer = torch.minimum(predicted, targets), torch.maximum(predicted, targets)
    intersection, hull = _area(inner), _area(outer)
    union = _area(predicted) + _area(targets) - intersection
    return 1 - intersection / union + (hull - union) / hull


def _area(sides: Tensor) -> Tensor:
    return (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
