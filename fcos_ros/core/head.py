# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The head of an FCOS network: the meaning of each output tensor.

The network has several levels of cells, with one cell for each stride x stride pixels of the
canvas. Each level has three outputs:

- class logits, one channel for each class;
- box distances l, t, r, b from the point of the cell to the sides of its box, 4 channels;
- a centerness logit, 1 channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.core.arrays import Scale
from fcos_ros.core.resize import Size

STRIDES = (8, 16, 32, 64, 128)
"""The default levels of FCOS; a model may state others."""

BOX_UNITS = ('stride', 'pixel')
POINT_OFFSETS = (0.5, 0.0)


class HeadError(ValueError):
    """The outputs do not fit an FCOS network. The message lists accepted and given ones."""


@dataclass(frozen=True, eq=False)
class OutputSpec:
    """
    One output tensor, as the inference engine describes it.

    :ivar shape: (1, height, width, channels) or (1, channels, height, width).
    :ivar dtype: float, or an integer of up to 32 bits that comes with a scale.
    :ivar scale: float32 of shape (channels,) or (1,): value = integer * scale. None for a float
        output. An empty array, which one vendor API reports, becomes None.
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


@dataclass(frozen=True, eq=False)
class Level:
    """
    One level: a grid of cells, and the indices of its three outputs.

    :ivar stride: canvas pixels from one cell to the next.
    :ivar grid: number of cells in x and in y.
    :ivar class_output: index of the output; likewise `box_output` and `centerness_output`.
    :ivar layout: 'NHWC' or 'NCHW', the same for all outputs of a head.
    :ivar class_scale: float32 of shape (channels,) or (1,), None for a float output;
        likewise `box_scale` and `centerness_scale`.
    """

    stride: int
    grid: Size
    class_output: int
    box_output: int
    centerness_output: int
    layout: str = 'NHWC'
    class_scale: Scale | None = None
    box_scale: Scale | None = None
    centerness_scale: Scale | None = None


@dataclass(frozen=True, eq=False)
class Head:
    """
    All levels of a network, finest first.

    :ivar num_classes: number of class channels.
    :ivar canvas: size of the network's input in pixels.
    :ivar box_unit: 'stride' if distances are multiples of the level's stride, else 'pixel'.
    :ivar point_offset: the point of a cell is stride * (index + point_offset), in canvas pixels.
    """

    levels: tuple[Level, ...]
    num_classes: int
    canvas: Size
    box_unit: str
    point_offset: float = 0.5

    @classmethod
    def recognise(
        cls, outputs: Sequence[OutputSpec], canvas: Size, *,
        strides: Sequence[int] | None = None, box_unit: str | None = None,
        point_offset: float = 0.5, num_classes: int | None = None,
    ) -> Head:
        """
        Assign each output to its level and kind by its shape, in any order and either layout.

        Shapes are ambiguous for 1 or 4 classes, and for levels with grids of the same size.
        Then names that contain words for class, box or centerness decide. Without such names
        the order decides: class before box before centerness, fine levels before coarse ones.

        :param strides: one for each level; None for five levels from 8 to 128.
        :param box_unit: 'stride' or 'pixel'. None is 'stride' for integer boxes, as compilers
            for integer accelerators leave them, and 'pixel' for float boxes.
        :param point_offset: 0.5 for the centre of the cell, 0.0 for its top-left corner.
        :param num_classes: the only accepted number of class channels; None accepts any.
        :raises HeadError: the outputs are not those of an FCOS network with these properties.
        """
        _require('box_unit', box_unit, (None, *BOX_UNITS))
        _require('point_offset', point_offset, POINT_OFFSETS)
        expected = _Expected(canvas, _ascending(strides), num_classes)
        for layout, axes in _AXES.items():
            tensors = [_GridOutput.read(index, spec, axes) for index, spec in enumerate(outputs)]
            classes = expected.num_classes or _count_classes(tensors, len(expected.strides))
            levels = _match_levels(tensors, expected, classes, layout)
            if levels:
                unit = box_unit or _default_unit(levels, outputs)
                return cls(levels, classes, canvas, unit, point_offset)
        raise HeadError(_mismatch_text(outputs, expected))


class _Axes(NamedTuple):
    height: int
    width: int
    channels: int


_AXES = {'NHWC': _Axes(1, 2, 3), 'NCHW': _Axes(2, 3, 1)}

# The first kind that matches a name counts: 'bbox_ctrness' is a centerness.
_HINTS = {
    'centerness': ('ctr', 'center', 'centre'),
    'box': ('box', 'reg', 'ltrb'),
    'class': ('cls', 'class'),
}
_KINDS = ('class', 'box', 'centerness')


class _Expected(NamedTuple):
    canvas: Size
    strides: tuple[int, ...]
    num_classes: int | None

    def grid(self, stride: int) -> Size:
        """Return the cells of one level; the last cells may reach beyond the canvas."""
        return Size(*(-(-side // stride) for side in self.canvas))


class _GridOutput(NamedTuple):
    position: int
    spec: OutputSpec
    grid: Size
    channels: int

    @classmethod
    def read(cls, position: int, spec: OutputSpec, axes: _Axes) -> _GridOutput:
        if len(spec.shape) != 4 or spec.shape[0] != 1:
            return cls(position, spec, Size(0, 0), 0)
        width, height = spec.shape[axes.width], spec.shape[axes.height]
        return cls(position, spec, Size(width, height), spec.shape[axes.channels])

    def name_rank(self, kind: str) -> int:
        """Return 0 if the name hints at this kind, 1 if it has no hint, 2 for another kind."""
        name = self.spec.name.lower()
        for hinted, words in _HINTS.items():
            if any(word in name for word in words):
                return 0 if hinted == kind else 2
        return 1


def _ascending(strides: Sequence[int] | None) -> tuple[int, ...]:
    ordered = STRIDES if strides is None else tuple(sorted(map(int, strides)))
    if not ordered or ordered[0] < 1 or len(set(ordered)) < len(ordered):
        raise HeadError(f'strides is {strides}; accepted: different numbers of pixels above 0')
    return ordered


def _require(name: str, value: object, accepted: tuple[object, ...]) -> None:
    if value not in accepted:
        raise HeadError(f'{name} is {value!r}; accepted: {", ".join(map(str, accepted))}')


def _count_classes(tensors: list[_GridOutput], levels: int) -> int:
    """Return the number of class channels; 0 if it is ambiguous."""
    channels = [tensor.channels for tensor in tensors]
    others = set(channels) - {1, 4}
    if others:
        return others.pop() if len(others) == 1 else 0
    return next((count for count in (1, 4) if channels.count(count) == 2 * levels), 0)


def _match_levels(
    tensors: list[_GridOutput], expected: _Expected, classes: int, layout: str,
) -> tuple[Level, ...]:
    """Return the levels with their outputs; none if an output does not fit this layout."""
    free = {tensor.position: tensor for tensor in tensors}
    grids = [expected.grid(stride) for stride in expected.strides]
    found: dict[str, list[_GridOutput]] = {}
    for kind, channels in zip(_KINDS, (classes, 4, 1)):
        found[kind] = []
        for grid in dict.fromkeys(grids):
            fitting = [t for t in free.values() if t.grid == grid and t.channels == channels]
            likely = sorted(fitting, key=lambda t: t.name_rank(kind))[:grids.count(grid)]
            found[kind] += sorted(likely)
            for tensor in likely:
                del free[tensor.position]
    if free or any(len(found[kind]) != len(grids) for kind in _KINDS):
        return ()
    return tuple(
        _level(stride, layout, *matched)
        for stride, *matched in zip(expected.strides, *(found[kind] for kind in _KINDS)))


def _level(
    stride: int, layout: str, classes: _GridOutput, box: _GridOutput, centerness: _GridOutput,
) -> Level:
    return Level(
        stride, classes.grid, classes.position, box.position, centerness.position, layout,
        *(_checked_scale(tensor) for tensor in (classes, box, centerness)))


def _checked_scale(tensor: _GridOutput) -> Scale | None:
    spec, scale = tensor.spec, tensor.spec.scale
    if spec.dtype.kind == 'f' and scale is None:
        return None
    if spec.dtype.kind not in 'iu' or spec.dtype.itemsize > 4:
        raise HeadError(f'output {spec} has an unknown format; accepted: float without a scale, '
                        'or integers of up to 32 bits with a scale')
    if scale is None or scale.size not in (1, tensor.channels) or not np.isfinite(scale).all():
        raise HeadError(f'output {spec} has no usable scale; '
                        f'accepted for integers: 1 or {tensor.channels} finite numbers')
    return scale


def _default_unit(levels: tuple[Level, ...], outputs: Sequence[OutputSpec]) -> str:
    units = {BOX_UNITS[level.box_scale is None] for level in levels}
    if len(units) > 1:
        boxes = ', '.join(str(outputs[level.box_output]) for level in levels)
        raise HeadError(f'box outputs are of different kinds ({boxes}); accepted: all float, '
                        f'or all integer; otherwise set box_unit to {" or ".join(BOX_UNITS)}')
    return units.pop()


def _mismatch_text(outputs: Sequence[OutputSpec], expected: _Expected) -> str:
    classes = expected.num_classes or 'C'
    rows = '\n'.join(
        f'  stride {stride}: [1, {grid.height}, {grid.width}, channels] or '
        f'[1, channels, {grid.height}, {grid.width}]'
        for stride, grid in ((stride, expected.grid(stride)) for stride in expected.strides))
    given = '\n'.join(f'  {spec}' for spec in outputs) or '  no outputs'
    return (f'the outputs are not those of an FCOS network with a {expected.canvas} canvas.\n'
            f'accepted: {3 * len(expected.strides)} outputs of the same layout; for each level, '
            f'one with {classes} (class), one with 4 (box) and one with 1 (centerness) channels:\n'
            f'{rows}\ngiven {len(outputs)}:\n{given}')
