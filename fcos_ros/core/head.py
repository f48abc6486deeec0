# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which output tensor of an FCOS network means what.

The network looks at the canvas through levels of cells, one cell for every stride x stride
pixels. Each level has three outputs: class logits (one channel for each class), the distances
l, t, r, b from the cell's point to the sides of its box (4 channels), and a centerness logit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.resize import Size

STRIDES = (8, 16, 32, 64, 128)
"""The levels of FCOS, unless the model says otherwise."""

BOX_UNITS = ('stride', 'pixel')
POINT_OFFSETS = (0.5, 0.0)

Scale = NDArray[np.float32]


class HeadError(ValueError):
    """The outputs are not those of an FCOS network; the message lists both sides."""


@dataclass(frozen=True, eq=False)
class OutputSpec:
    """
    One output tensor, as the inference engine describes it.

    :ivar shape: (1, height, width, channels) or (1, channels, height, width).
    :ivar dtype: float, or an integer of up to 32 bits that comes with a scale.
    :ivar scale: float32 of shape (channels,) or (1,): value = integer * scale. None when the
        output is float; an empty array, as one vendor API reports it, becomes None.
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
    One level of cells.

    :ivar stride: canvas pixels from one cell to the next.
    :ivar grid: cells across and down.
    :ivar class_output: index of the output; likewise `box_output` and `centerness_output`.
    :ivar layout: 'NHWC' or 'NCHW', the same for all outputs of a head.
    :ivar class_scale: float32 of shape (channels,) or (1,), None when the output is float;
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

    :ivar num_classes: class channels.
    :ivar canvas: size of the network's input in pixels.
    :ivar box_unit: 'stride' when distances are multiples of the level's stride, else 'pixel'.
    :ivar point_offset: a cell's point is stride * (index + point_offset) in canvas pixels.
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
        Tell the outputs apart by their shapes, in any order and in either layout.

        Where shapes leave a choice (1 or 4 classes, or levels with grids of equal size) the
        names decide if they speak of class, box and centerness; otherwise the order does:
        class before box before centerness, fine levels before coarse ones.

        :param strides: one for each level; five levels from 8 to 128 when None.
        :param box_unit: 'stride' or 'pixel'; when None, 'stride' for integer boxes, as compilers
            for integer accelerators leave them, and 'pixel' for float boxes.
        :param point_offset: 0.5 for points in the middle of the cell, 0.0 for its corner.
        :param num_classes: refuse any other number of class channels; None takes what is there.
        :raises HeadError: the outputs do not fit.
        """
        _require('box_unit', box_unit, (None, *BOX_UNITS))
        _require('point_offset', point_offset, POINT_OFFSETS)
        expected = _Expected(canvas, _ascending(strides), num_classes)
        for layout, axes in _AXES.items():
            tensors = [_Tensor.read(index, spec, axes) for index, spec in enumerate(outputs)]
            classes = expected.num_classes or _count_classes(tensors, len(expected.strides))
            levels = _assign(tensors, expected, classes, layout)
            if levels:
                unit = box_unit or _usual_unit(levels, outputs)
                return cls(levels, classes, canvas, unit, point_offset)
        raise HeadError(_mismatch(outputs, expected))


class _Axes(NamedTuple):
    height: int
    width: int
    channels: int


_AXES = {'NHWC': _Axes(1, 2, 3), 'NCHW': _Axes(2, 3, 1)}

# A name with several hints is what comes first here: 'bbox_ctrness' is a centerness.
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
        """Cells of one level; a canvas that is no multiple of the stride ends in a part cell."""
        return Size(*(-(-side // stride) for side in self.canvas))


class _Tensor(NamedTuple):
    position: int
    spec: OutputSpec
    grid: Size
    channels: int

    @classmethod
    def read(cls, position: int, spec: OutputSpec, axes: _Axes) -> _Tensor:
        if len(spec.shape) != 4 or spec.shape[0] != 1:
            return cls(position, spec, Size(0, 0), 0)
        width, height = spec.shape[axes.width], spec.shape[axes.height]
        return cls(position, spec, Size(width, height), spec.shape[axes.channels])

    def likeness(self, kind: str) -> int:
        """Rank the name: 0 says it is of this kind, 1 says nothing, 2 says another kind."""
        name = self.spec.name.lower()
        for said, words in _HINTS.items():
            if any(word in name for word in words):
                return 0 if said == kind else 2
        return 1


def _ascending(strides: Sequence[int] | None) -> tuple[int, ...]:
    ordered = STRIDES if strides is None else tuple(sorted(map(int, strides)))
    if not ordered or ordered[0] < 1 or len(set(ordered)) < len(ordered):
        raise HeadError(f'strides are {strides}: expected different positive numbers of pixels')
    return ordered


def _require(name: str, value: object, accepted: tuple[object, ...]) -> None:
    if value not in accepted:
        raise HeadError(f'{name} is {value!r}: accepted are {accepted}')


def _count_classes(tensors: list[_Tensor], levels: int) -> int:
    """Find the number of class channels, 0 when the tensors give no single answer."""
    channels = [tensor.channels for tensor in tensors]
    others = set(channels) - {1, 4}
    if others:
        return others.pop() if len(others) == 1 else 0
    return next((count for count in (1, 4) if channels.count(count) == 2 * levels), 0)


def _assign(
    tensors: list[_Tensor], expected: _Expected, classes: int, layout: str,
) -> tuple[Level, ...]:
    """Give every level its three tensors; empty when they do not fit this layout."""
    free = {tensor.position: tensor for tensor in tensors}
    grids = [expected.grid(stride) for stride in expected.strides]
    found: dict[str, list[_Tensor]] = {}
    for kind, channels in zip(_KINDS, (classes, 4, 1)):
        found[kind] = []
        for grid in dict.fromkeys(grids):
            fitting = [t for t in free.values() if t.grid == grid and t.channels == channels]
            likely = sorted(fitting, key=lambda t: t.likeness(kind))[:grids.count(grid)]
            found[kind] += sorted(likely)
            for tensor in likely:
                del free[tensor.position]
    if free or any(len(found[kind]) != len(grids) for kind in _KINDS):
        return ()
    return tuple(
        _level(stride, layout, *trio)
        for stride, *trio in zip(expected.strides, *(found[kind] for kind in _KINDS)))


def _level(
    stride: int, layout: str, classes: _Tensor, box: _Tensor, centerness: _Tensor,
) -> Level:
    return Level(
        stride, classes.grid, classes.position, box.position, centerness.position, layout,
        *(_checked_scale(tensor) for tensor in (classes, box, centerness)))


def _checked_scale(tensor: _Tensor) -> Scale | None:
    spec, scale = tensor.spec, tensor.spec.scale
    if spec.dtype.kind == 'f' and scale is None:
        return None
    if spec.dtype.kind not in 'iu' or spec.dtype.itemsize > 4:
        raise HeadError(f'output {spec}: expected float values without a scale, '
                        'or integers of up to 32 bits with one')
    if scale is None or scale.size not in (1, tensor.channels) or not np.isfinite(scale).all():
        raise HeadError(f'output {spec}: integers need 1 or {tensor.channels} finite scales')
    return scale


def _usual_unit(levels: tuple[Level, ...], outputs: Sequence[OutputSpec]) -> str:
    units = {BOX_UNITS[level.box_scale is None] for level in levels}
    if len(units) > 1:
        boxes = ', '.join(str(outputs[level.box_output]) for level in levels)
        raise HeadError(f'box outputs are float and integer mixed ({boxes}): '
                        f'set box_unit to one of {BOX_UNITS}')
    return units.pop()


def _mismatch(outputs: Sequence[OutputSpec], expected: _Expected) -> str:
    classes = expected.num_classes or 'C'
    rows = '\n'.join(
        f'  stride {stride}: [1, {grid.height}, {grid.width}, channels] or '
        f'[1, channels, {grid.height}, {grid.width}]'
        for stride, grid in ((stride, expected.grid(stride)) for stride in expected.strides))
    found = '\n'.join(f'  {spec}' for spec in outputs) or '  nothing'
    return (f'these are not the outputs of an FCOS network with a {expected.canvas} canvas.\n'
            f'expected {3 * len(expected.strides)} outputs in one layout, for each level one '
            f'with {classes} (classes), one with 4 (box) and one with 1 (centerness) channels:\n'
            f'{rows}\nfound {len(outputs)}:\n{found}')
