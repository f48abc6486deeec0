# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""FCOS as MMDetection and AdelaiDet compute it, restated step by step with plain functions."""

from __future__ import annotations

from typing import NamedTuple

from core.reference import Candidate, suppress
import torch
from torch.nn import functional

STRIDES = (8, 16, 32, 64, 128)
BLOCKS = (3, 4, 6, 3)


class Names(NamedTuple):
    """The names of a program's weights; `{}` stand for stage, block and number."""

    stem: str
    stem_norm: str
    conv: str
    norm: str
    shortcut: str
    shortcut_norm: str
    lateral: tuple[str, ...]
    output: tuple[str, ...]
    coarser: tuple[str, ...]
    tower: str
    tower_norm: str
    class_tower: str
    box_tower: str
    classes: str
    boxes: str
    centerness: str
    scale: str


MMDETECTION = Names(
    'backbone.conv1', 'backbone.bn1', 'backbone.layer{}.{}.conv{}', 'backbone.layer{}.{}.bn{}',
    'backbone.layer{}.{}.downsample.0', 'backbone.layer{}.{}.downsample.1',
    tuple(f'neck.lateral_convs.{i}.conv' for i in range(3)),
    tuple(f'neck.fpn_convs.{i}.conv' for i in range(3)),
    ('neck.fpn_convs.3.conv', 'neck.fpn_convs.4.conv'),
    'bbox_head.{}.{}.conv', 'bbox_head.{}.{}.gn', 'cls_convs', 'reg_convs', 'bbox_head.conv_cls',
    'bbox_head.conv_reg', 'bbox_head.conv_centerness', 'bbox_head.scales.{}.scale')

_HEAD = 'proposal_generator.fcos_head.'
ADELAIDET = Names(
    'backbone.bottom_up.stem.conv1', 'backbone.bottom_up.stem.conv1.norm',
    'backbone.bottom_up.res{}.{}.conv{}', 'backbone.bottom_up.res{}.{}.conv{}.norm',
    'backbone.bottom_up.res{}.{}.shortcut', 'backbone.bottom_up.res{}.{}.shortcut.norm',
    tuple(f'backbone.fpn_lateral{i}' for i in (3, 4, 5)),
    tuple(f'backbone.fpn_output{i}' for i in (3, 4, 5)),
    ('backbone.top_block.p6', 'backbone.top_block.p7'),
    _HEAD + '{}.{}', _HEAD + '{}.{}', 'cls_tower', 'bbox_tower', _HEAD + 'cls_logits',
    _HEAD + 'bbox_pred', _HEAD + 'ctrness', _HEAD + 'scales.{}.scale')


class Program:
    """
    A network of random weights.

    :param first: number of the first stage.
    :param step: layers of a tower for each of its convolutions, by which they are numbered.
    :param stride_in_1x1: whether the first convolution of a block has the stride.
    :param norm_on_bbox: whether a distance is ReLU, in strides; otherwise it is exp, in pixels.
    :param centerness_on_reg: whether the centerness uses the tower of the boxes.
    :param head_norm: whether the towers have normalisations; without, they have no biases.
    """

    def __init__(
        self, names: Names, *, first: int, step: int, stride_in_1x1: bool, norm_on_bbox: bool,
        centerness_on_reg: bool, classes: int = 3, features: int = 256, head_norm: bool = True,
    ) -> None:
        self.names, self.first, self.step = names, first, step
        self.stride_in_1x1, self.norm_on_bbox = stride_in_1x1, norm_on_bbox
        self.centerness_on_reg, self.head_norm = centerness_on_reg, head_norm
        self.weights: dict[str, torch.Tensor] = {}
        torch.manual_seed(3)
        self._make_backbone()
        self._make_neck_and_head(classes, features)

    def _make_backbone(self):
        names = self.names
        self._conv(names.stem, 64, 3, 7)
        self._norm(names.stem_norm, 64)
        before = 64
        for number, count in enumerate(BLOCKS):
            width, stage = 64 * 2 ** number, number + self.first
            for block in range(count):
                shapes = ((width, before, 1), (width, width, 3), (4 * width, width, 1))
                for index, shape in enumerate(shapes, 1):
                    self._conv(names.conv.format(stage, block, index), *shape)
                    self._norm(names.norm.format(stage, block, index), shape[0],
                               0.3 if index == 3 else 1)
                if block == 0:
                    self._conv(names.shortcut.format(stage, block), 4 * width, before, 1)
                    self._norm(names.shortcut_norm.format(stage, block), 4 * width)
                before = 4 * width

    def _make_neck_and_head(self, classes, features):
        names = self.names
        for index, width in enumerate((512, 1024, 2048)):
            self._conv(names.lateral[index], features, width, 1, bias=True)
            self._conv(names.output[index], features, features, 3, bias=True)
        for name in names.coarser:
            self._conv(name, features, features, 3, bias=True)
        for tower in (names.class_tower, names.box_tower):
            for index in range(4):
                self._conv(names.tower.format(tower, self.step * index), features, features, 3,
                           bias=self.head_norm)
                if self.head_norm:
                    name = names.tower_norm.format(tower, self.step * index + (self.step > 1))
                    self.weights[f'{name}.weight'] = torch.rand(features) + 0.5
                    self.weights[f'{name}.bias'] = torch.randn(features) * 0.1
        for name, channels in ((names.classes, classes), (names.boxes, 4), (names.centerness, 1)):
            self._conv(name, channels, features, 3, bias=True)
        self.weights[f'{names.classes}.bias'] -= 2
        self.weights[f'{names.boxes}.weight'] *= 0.2
        for level in range(5):
            self.weights[names.scale.format(level)] = torch.tensor(0.7 + 0.2 * level)

    def _conv(self, name, after, before, kernel, bias=False):
        self.weights[f'{name}.weight'] = torch.randn(
            after, before, kernel, kernel) * (2 / (before * kernel ** 2)) ** 0.5
        if bias:
            self.weights[f'{name}.bias'] = torch.randn(after) * 0.1

    def _norm(self, name, width, scale=1.0):
        self.weights[f'{name}.weight'] = (torch.rand(width) + 0.5) * scale
        self.weights[f'{name}.bias'] = torch.randn(width) * 0.1
        self.weights[f'{name}.running_mean'] = torch.randn(width) * 0.1
        self.weights[f'{name}.running_var'] = torch.rand(width) + 0.5

    def conv(self, feature, name, stride=1):
        weight = self.weights[f'{name}.weight']
        return functional.conv2d(feature, weight, self.weights.get(f'{name}.bias'), stride,
                                 weight.shape[-1] // 2)

    def norm(self, feature, name):
        mean, var, weight, bias = (
            self.weights[f'{name}.{key}']
            for key in ('running_mean', 'running_var', 'weight', 'bias'))
        return functional.batch_norm(feature, mean, var, weight, bias)

    def bottleneck(self, feature, stage, block, stride):
        names = self.names
        strides = (stride, 1, 1) if self.stride_in_1x1 else (1, stride, 1)
        inner = feature
        for index in (1, 2, 3):
            inner = self.conv(inner, names.conv.format(stage, block, index), strides[index - 1])
            inner = self.norm(inner, names.norm.format(stage, block, index))
            inner = inner.relu() if index < 3 else inner
        if block == 0:
            feature = self.norm(
                self.conv(feature, names.shortcut.format(stage, 0), stride),
                names.shortcut_norm.format(stage, 0))
        return (inner + feature).relu()

    def pyramid(self, image):
        names = self.names
        feature = self.norm(self.conv(image, names.stem, 2), names.stem_norm).relu()
        feature = functional.max_pool2d(feature, 3, 2, 1)
        found = []
        for number, count in enumerate(BLOCKS):
            for block in range(count):
                stride = 2 if number and block == 0 else 1
                feature = self.bottleneck(feature, number + self.first, block, stride)
            found.append(feature)
        c3, c4, c5 = found[1:]
        p5 = self.conv(c5, names.lateral[2])
        p4 = self.conv(c4, names.lateral[1]) + functional.interpolate(p5, c4.shape[2:])
        p3 = self.conv(c3, names.lateral[0]) + functional.interpolate(p4, c3.shape[2:])
        levels = [self.conv(p, name) for p, name in zip((p3, p4, p5), names.output)]
        levels.append(self.conv(levels[-1], names.coarser[0], 2))
        levels.append(self.conv(levels[-1].relu(), names.coarser[1], 2))
        return levels

    def tower(self, feature, tower):
        for index in range(4):
            feature = self.conv(feature, self.names.tower.format(tower, self.step * index))
            if self.head_norm:
                name = self.names.tower_norm.format(tower, self.step * index + (self.step > 1))
                feature = functional.group_norm(
                    feature, 32, self.weights[f'{name}.weight'], self.weights[f'{name}.bias'])
            feature = feature.relu()
        return feature

    @torch.no_grad()
    def detect(self, image, threshold, iou, root):
        """
        Return the detections of a normalised image, best first.

        :param threshold: minimum score of the class alone.
        :param root: whether the score is the root of class and centerness.
        """
        names, candidates = self.names, []
        for level, (feature, stride) in enumerate(zip(self.pyramid(image), STRIDES)):
            class_features = self.tower(feature, names.class_tower)
            box_features = self.tower(feature, names.box_tower)
            classes = self.conv(class_features, names.classes)[0].sigmoid()
            centerness = self.conv(
                box_features if self.centerness_on_reg else class_features, names.centerness)
            centerness = centerness[0, 0].sigmoid()
            boxes = self.conv(box_features, names.boxes)[0] * self.weights[
                names.scale.format(level)]
            boxes = boxes.clamp(min=0) * stride if self.norm_on_bbox else boxes.exp()
            for class_id, y, x in (classes > threshold).nonzero().tolist():
                left, top, right, bottom = boxes[:, y, x].tolist()
                px, py = x * stride + stride // 2, y * stride + stride // 2
                score = float(classes[class_id, y, x] * centerness[y, x])
                box = torch.tensor([px - left, py - top, px + right, py + bottom]).numpy()
                candidates.append(Candidate(box, score ** 0.5 if root else score, class_id))
        candidates.sort(key=lambda candidate: -candidate.score)
        return suppress(candidates, iou)
