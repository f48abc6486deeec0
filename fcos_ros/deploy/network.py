# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The networks that we train: FCOS with five strides that share one head, in torch.

Images are RGB, float32 of shape (B, 3, H, W), normalised; their sides are multiples of `MULTIPLE`.
Both architectures have only operators that the BPU runs: convolutions, ReLU, additions, and
enlarging by two. Import this module inside functions only, as torch may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import NamedTuple

from fcos_ros.backends.errors import ModelError

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise ModelError(
        f'a trained network needs torch, which cannot be imported ({error}); install it: '
        'python3 -m pip install torch --index-url https://download.pytorch.org/whl/cpu') from error

__all__ = ['MULTIPLE', 'STRIDES', 'Fcos', 'NetworkSettings', 'Outputs', 'Tensor', 'torch']

STRIDES = (8, 16, 32, 64, 128)

MULTIPLE = 32
"""The sides of an image are multiples of this: the pyramid enlarges its levels by two twice."""


@dataclass(frozen=True)
class NetworkSettings:
    """
    The numbers that build a network.

    :ivar backbone: a key of `BACKBONES`.
    :ivar widths: channels of the stages of the backbone.
    :ivar features: channels of the pyramid and of the head.
    :ivar branch_depth: convolutions of each branch of the head.
    """

    backbone: str
    widths: tuple[int, ...]
    features: int
    branch_depth: int = 1

    def __post_init__(self) -> None:
        kind = BACKBONES.get(self.backbone)
        if kind is None:
            raise ValueError(f'backbone is {self.backbone!r}; accepted: {", ".join(BACKBONES)}')
        numbers = (*self.widths, self.features, self.branch_depth)
        if len(self.widths) != kind.stages or min(numbers) < 1:
            raise ValueError(f'widths is {self.widths}, features is {self.features} and '
                             f'branch_depth is {self.branch_depth}; accepted: {kind.stages} '
                             'widths, and all above 0')


class Outputs(NamedTuple):
    """
    The raw outputs: in each field one tensor for each stride, (B, C, H / stride, W / stride).

    :ivar classes: logits, one channel for each class.
    :ivar boxes: logarithms of the distances to the left, top, right and bottom, in strides.
    :ivar centerness: logits, one channel.
    """

    classes: list[Tensor]
    boxes: list[Tensor]
    centerness: list[Tensor]


class Fcos(nn.Module):
    """
    Backbone, feature pyramid and head.

    :param classes: number of classes.
    """

    def __init__(self, settings: NetworkSettings, classes: int) -> None:
        super().__init__()
        features = settings.features
        self.backbone = BACKBONES[settings.backbone](settings.widths)
        self.lateral = nn.ModuleList(
            [nn.Conv2d(width, features, 1) for width in self.backbone.output_widths])
        self.coarser = nn.ModuleList([_conv(features, features, 2) for _ in range(2)])
        self.head = Head(classes, features, settings.branch_depth)

    def forward(self, image: Tensor) -> Outputs:
        """Return the raw outputs of all strides."""
        pyramid = [lateral(feature)
                   for lateral, feature in zip(self.lateral, self.backbone(image))]
        for finer, coarser in ((1, 2), (0, 1)):
            pyramid[finer] = pyramid[finer] + functional.interpolate(
                pyramid[coarser], scale_factor=2.0, mode='nearest')
        for coarser_level in self.coarser:
            pyramid.append(coarser_level(pyramid[-1]))
        outputs: Outputs = self.head(pyramid)
        return outputs


class ResidualBackbone(nn.Module):
    """
    The backbone of the demo network: few plain convolutions.

    :param widths: channels at strides 2, 4, 8, 16 and 32.
    """

    stages = 5

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        two, four, eight, sixteen, thirtytwo = widths
        self.output_widths = (eight, sixteen, thirtytwo)
        self.stem = nn.Sequential(_conv(3, two, 2), _conv(two, four, 2))
        self.blocks = nn.ModuleList([
            nn.Sequential(_conv(before, after, 2), ResidualBlock(after))
            for before, after in ((four, eight), (eight, sixteen), (sixteen, thirtytwo))])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features at strides 8, 16 and 32."""
        features = [self.stem(image)]
        for block in self.blocks:
            features.append(block(features[-1]))
        return features[1:]


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


class Stage(NamedTuple):
    """
    A stage of `LiteBackbone`.

    :ivar blocks: number of blocks; the first one has the stride.
    :ivar expansion: factor of the channels inside a block.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int


class LiteBackbone(nn.Module):
    """
    The stages of EfficientNet-Lite0, with ReLU, which the BPU prefers to ReLU6.

    Names and shapes of the weights are those of `efficientnet_lite0` in timm, so its weights can
    be loaded.

    :param widths: channels of the stem and of the seven stages.
    """

    stages = 8
    STAGES = (Stage(1, 3, 1, 1), Stage(2, 3, 2, 6), Stage(2, 5, 2, 6), Stage(3, 3, 2, 6),
              Stage(3, 5, 1, 6), Stage(4, 5, 2, 6), Stage(1, 3, 1, 6))
    OUTPUTS = (2, 4, 6)
    """The last stages at strides 8, 16 and 32."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList([
            nn.Sequential(*self._blocks(stage, before, after))
            for stage, before, after in zip(self.STAGES, widths, widths[1:])])
        self.output_widths = tuple(widths[1:][index] for index in self.OUTPUTS)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features at strides 8, 16 and 32."""
        features = [functional.relu(self.bn1(self.conv_stem(image)))]
        for block in self.blocks:
            features.append(block(features[-1]))
        return [features[1:][index] for index in self.OUTPUTS]

    @staticmethod
    def _blocks(stage: Stage, before: int, after: int) -> list[nn.Module]:
        if stage.expansion == 1:
            return [SeparableBlock(before, after, stage.kernel)]
        return [InvertedBlock(after if number else before, after, stage.kernel,
                              1 if number else stage.stride, stage.expansion)
                for number in range(stage.blocks)]


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution, without a skip connection."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(before, before, kernel, 1, kernel // 2, groups=before, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.conv_pw = nn.Conv2d(before, after, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, feature: Tensor) -> Tensor:
        """Return features of the same sides."""
        inner = functional.relu(self.bn1(self.conv_dw(feature)))
        result: Tensor = self.bn2(self.conv_pw(inner))
        return result


class InvertedBlock(nn.Module):
    """Pointwise, depthwise, pointwise; with a skip connection where the shapes are equal."""

    def __init__(
        self, before: int, after: int, kernel: int, stride: int, expansion: int,
    ) -> None:
        super().__init__()
        width = expansion * before
        self._skips = before == after and stride == 1
        self.conv_pw = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv_dw = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width,
                                 bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv_pwl = nn.Conv2d(width, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)

    def forward(self, feature: Tensor) -> Tensor:
        """Return features whose sides are divided by the stride."""
        inner = functional.relu(self.bn1(self.conv_pw(feature)))
        inner = functional.relu(self.bn2(self.conv_dw(inner)))
        result: Tensor = self.bn3(self.conv_pwl(inner))
        return feature + result if self._skips else result


BACKBONES: Mapping[str, type[ResidualBackbone | LiteBackbone]] = {
    'residual': ResidualBackbone, 'lite': LiteBackbone}
"""The backbones by their names in a checkpoint."""


class Head(nn.Module):
    """
    The head, with the same weights at all strides; centerness uses the branch of the boxes.

    :ivar scales: a factor of the raw boxes for each stride, (5,).
    """

    def __init__(self, classes: int, features: int, branch_depth: int) -> None:
        super().__init__()
        self.trunk = SharedConv(features)
        self.class_branch, self.box_branch = (
            nn.Sequential(*(SharedConv(features) for _ in range(branch_depth)))
            for _ in range(2))
        self.classes = nn.Conv2d(features, classes, 3, padding=1)
        self.boxes = nn.Conv2d(features, 4, 3, padding=1)
        self.centerness = nn.Conv2d(features, 1, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(STRIDES)))
        # The scores begin at 0.01, as hardly any point belongs to an object.
        for output, bias in ((self.classes, -math.log(99)), (self.boxes, 0.7),
                             (self.centerness, 0.0)):
            nn.init.normal_(output.weight, std=0.01)
            assert output.bias is not None
            nn.init.constant_(output.bias, bias)

    def forward(self, pyramid: list[Tensor]) -> Outputs:
        """Return the raw outputs of all strides."""
        trunk = self.trunk(pyramid)
        class_features, box_features = self.class_branch(trunk), self.box_branch(trunk)
        return Outputs(
            [self.classes(level) for level in class_features],
            [self.boxes(level) * scale for level, scale in zip(box_features, self.scales)],
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
        parts = torch.split(together, [level.shape[2] * level.shape[3] for level in levels], 3)
        return [part.reshape(level.shape) for part, level in zip(parts, levels)]


def _conv(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False),
                         nn.BatchNorm2d(after), nn.ReLU(inplace=True))
