# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The meaning of the output tensors of a network.

A `Head` has several levels of cells, with one cell for each stride x stride pixels of the canvas.
Each level has two or three parts:

- class values, one channel for each class;
- box distances l, t, r, b from the point of the cell to the sides of its box, 4 channels;
- a centerness, 1 channel, which some networks lack.

`DetectionOutputs` are the outputs of a network that ends in boxes, scores and labels.
`recognition.recognise` makes either of the descriptions of the outputs and of a `HeadSpec`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import math
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.core.arrays import Scale
from fcos_ros.core.resize import Size

STRIDES = (8, 16, 32, 64, 128)
"""The levels of FCOS."""

KINDS = ('class', 'box', 'centerness')
"""The parts of a level."""

BOX_UNITS = ('stride', 'pixel')
POINT_OFFSETS = (0.5, 0.0)
ACTIVATIONS = ('logits', 'sigmoid')
BOX_ACTIVATIONS = ('relu', 'exp')
SCORES = ('sqrt(cls*ctr)', 'cls*ctr', 'cls')
SPACINGS = ('stride', 'canvas/grid', 'canvas//grid')

_ACCEPTED: dict[str, tuple[object, ...]] = {
    'spacing': SPACINGS, 'box_unit': BOX_UNITS, 'point_offset': POINT_OFFSETS,
    'activation': ACTIVATIONS, 'box_activation': BOX_ACTIVATIONS, 'score': SCORES}


class HeadError(ValueError):
    """The outputs do not fit a network that can be decoded. The message lists what would."""


@dataclass(frozen=True, eq=False)
class OutputSpec:
    """
    One output tensor, as the inference engine describes it.

    :ivar shape: for one image; the first side is the batch of 1.
    :ivar dtype: float, or an integer of up to 32 bits that comes with a scale.
    :ivar scale: float32 of shape (channels,) or (1,): value = integer * scale. An empty array,
        which one vendor API reports, becomes None. Some files state a scale for float outputs; it
        is kept here and not applied.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: Scale | None = None

    def __post_init__(self) -> None:
        scale = None if self.scale is None else np.array(self.scale, np.float32).reshape(-1)
        object.__setattr__(self, 'shape', tuple(map(int, self.shape)))
        object.__setattr__(self, 'dtype', np.dtype(self.dtype))
        object.__setattr__(self, 'scale', scale if scale is not None and scale.size else None)

    def __str__(self) -> str:
        scale = '' if self.scale is None else f' x {self.scale.size} scales'
        return f'{self.name} {self.dtype}{list(self.shape)}{scale}'

    @property
    def is_float(self) -> bool:
        """Whether the values are used as they are; the scale of a float output is ignored."""
        return self.dtype.kind == 'f'


@dataclass(frozen=True)
class HeadSpec:
    """
    The properties of a network that its outputs do not show, as its author states them.

    None means that nothing is stated: the property follows from the outputs, or has the default
    of FCOS.

    :ivar strides: canvas pixels of one cell, one for each level; fractions are accepted. They are
        also the unit of distances if `box_unit` is 'stride'. None finds strides that double from
        level to level.
    :ivar spacing: canvas pixels between two cells. 'stride' is the default, as in FCOS of
        AdelaiDet and MMDetection, also if the canvas is no multiple of the stride. 'canvas/grid'
        and 'canvas//grid' divide each side of the canvas by the number of cells; the latter rounds
        down, as torchvision does.
    :ivar box_unit: 'stride' or 'pixel'. None is 'pixel' for float boxes of a head with
        centerness, and 'stride' for all others.
    :ivar point_offset: the point of a cell is spacing * (index + point_offset): 0.5 for its
        centre, 0.0 for its top-left corner. None is 0.5.
    :ivar activation: 'logits' if the sigmoid is still to be applied to class and centerness,
        'sigmoid' if the outputs are probabilities already. None is 'logits'.
    :ivar box_activation: 'relu' if the box outputs are distances, of which negative ones count as
        0; 'exp' if they are the logarithms of distances, as compilers for int8 prefer. None is
        'relu'.
    :ivar score: the score of a detection, made of the probabilities of class and centerness.
        None is 'sqrt(cls*ctr)', or 'cls' for a head without centerness.
    :ivar num_classes: number of classes; None takes the number of channels. `DetectionOutputs`
        need it.
    :ivar order: the parts in the order of the outputs, each of `KINDS`, one entry for each
        output. If an output holds several parts, the order of its channels instead. None goes by
        shapes, then by names.
    """

    strides: tuple[float, ...] | None = None
    spacing: str | None = None
    box_unit: str | None = None
    point_offset: float | None = None
    activation: str | None = None
    box_activation: str | None = None
    score: str | None = None
    num_classes: int | None = None
    order: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, accepted in _ACCEPTED.items():
            value = getattr(self, name)
            if value is not None and value not in accepted:
                raise HeadError(f'{name} is {value!r}; accepted: {_listed(accepted)}')
        if self.num_classes is not None and self.num_classes < 1:
            raise HeadError(f'num_classes is {self.num_classes}; accepted: 1 or more')
        if self.strides is not None:
            object.__setattr__(self, 'strides', _ascending(self.strides))
        if self.order is not None:
            object.__setattr__(self, 'order', _checked_order(self.order))


TORCHVISION = HeadSpec(spacing='canvas//grid', box_unit='stride', point_offset=0.0)
"""
The properties of torchvision's FCOS, whose raw outputs are `cls_logits`, `bbox_regression` and
`bbox_ctrness`. Sources: `AnchorGenerator.forward` and `BoxLinearCoder` of torchvision.
"""


@dataclass(frozen=True, eq=False)
class Part:
    """
    The place of one part of one level in the outputs.

    :ivar output: index of the output.
    :ivar channels: number of channels.
    :ivar first_channel: above 0 if the output holds several parts.
    :ivar first_cell: above 0 if the output holds several levels.
    :ivar scale: float32 of shape (channels,) or (1,); None for a float output.
    """

    output: int
    channels: int
    first_channel: int = 0
    first_cell: int = 0
    scale: Scale | None = None


@dataclass(frozen=True, eq=False)
class Level:
    """
    One level: a grid of cells.

    :ivar stride: nominal canvas pixels of one cell; the unit of distances in strides.
    :ivar grid: number of cells in x and in y.
    :ivar spacing: canvas pixels from one cell to the next in x and in y.
    :ivar centerness: None for a network without it.
    """

    stride: float
    grid: Size
    spacing: tuple[float, float]
    classes: Part
    box: Part
    centerness: Part | None = None

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.grid.width * self.grid.height

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by their name in `KINDS`."""
        parts = {'class': self.classes, 'box': self.box, 'centerness': self.centerness}
        return {kind: part for kind, part in parts.items() if part is not None}


class OutputContent(NamedTuple):
    """The parts in an output, in the order of its channels, and the strides of its cells."""

    parts: tuple[str, ...]
    strides: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Head:
    """
    All levels of a network, finest first.

    :ivar outputs: the outputs in the order in which the engine returns them.
    :ivar num_classes: number of class channels.
    :ivar canvas: size of the network's input in pixels.
    :ivar layout: 'NHWC' if the channels are the last side of all outputs, 'NCHW' if they are the
        second one.
    :ivar box_unit: see `HeadSpec`; likewise `point_offset`, `activation`, `score` and
        `box_activation`.
    :ivar notes: what the user should know: properties that were assumed, scales that are ignored.
    """

    outputs: tuple[OutputSpec, ...]
    levels: tuple[Level, ...]
    num_classes: int
    canvas: Size
    layout: str
    box_unit: str
    point_offset: float = 0.5
    activation: str = 'logits'
    score: str = 'sqrt(cls*ctr)'
    notes: tuple[str, ...] = ()
    box_activation: str = 'relu'

    def contents(self) -> tuple[OutputContent, ...]:
        """Return the parts and the strides that each output holds."""
        return tuple(self._content(index) for index in range(len(self.outputs)))

    def _content(self, output: int) -> OutputContent:
        found = [(part.first_channel, kind, level.stride) for level in self.levels
                 for kind, part in level.parts.items() if part.output == output]
        return OutputContent(tuple(dict.fromkeys(kind for _, kind, _ in sorted(found))),
                             tuple(dict.fromkeys(stride for _, _, stride in found)))


@dataclass(frozen=True, eq=False)
class DetectionOutputs:
    """
    Outputs that are detections already: the network decodes them and applies NMS itself.

    :ivar outputs: the outputs in the order in which the engine returns them.
    :ivar num_classes: number of classes; labels are from 0 to num_classes - 1.
    :ivar canvas: size of the network's input in pixels; boxes are (x1, y1, x2, y2) on it.
    :ivar boxes: index of the output of shape (N, 4), or (N, 5) with the score at the end; each
        output may have a leading side of 1.
    :ivar labels: index of the output of shape (N,) with whole numbers; below 0 is no detection.
    :ivar scores: index of the output of shape (N,); None if the boxes have five columns.
    :ivar notes: what the user should know.
    """

    outputs: tuple[OutputSpec, ...]
    num_classes: int
    canvas: Size
    boxes: int
    labels: int
    scores: int | None = None
    notes: tuple[str, ...] = ()

    levels: tuple[Level, ...] = ()
    """Always empty: such a network shows no levels."""

    box_unit: str = 'pixel'
    """Always canvas pixels."""

    def contents(self) -> tuple[OutputContent, ...]:
        """Return the parts that each output holds."""
        boxes = ('box',) if self.scores is not None else ('box', 'score')
        parts = {self.labels: ('label',), self.boxes: boxes}
        return tuple(OutputContent(parts.get(index, ('score',)))
                     for index in range(len(self.outputs)))


AnyHead = Head | DetectionOutputs


def _listed(values: Iterable[object]) -> str:
    return ', '.join(map(str, values))


def _ascending(strides: Iterable[float]) -> tuple[float, ...]:
    ordered = tuple(sorted(strides))
    if (not ordered or len(set(ordered)) < len(ordered)
            or not all(0 < stride < math.inf for stride in ordered)):
        raise HeadError(f'strides is {tuple(strides)}; accepted: different numbers of pixels '
                        'above 0, one for each level')
    return ordered


def _checked_order(order: Iterable[str]) -> tuple[str, ...]:
    entries = tuple(order)
    if not set(KINDS[:2]) <= set(entries) <= set(KINDS):
        raise HeadError(f'order is {_listed(entries)}; accepted: class, box and, if the network '
                        'has it, centerness, one entry for each output')
    return entries
