# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recognise the meaning of a network's outputs by their shapes, their names, and what is stated.

These forms are accepted, in either layout:

- one output for each level and part, of shape (1, height, width, channels);
- one output for each part, of shape (1, cells, channels), with the cells of all levels;
- one output for each level, or one for all, with all parts in its channels; then `order` must be
  stated;
- boxes, scores and labels, or boxes with scores and labels: see `DetectionOutputs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
import math
from typing import NamedTuple

import numpy as np

from fcos_ros.core.arrays import Scale
from fcos_ros.core.head import (
    BOX_UNITS,
    KINDS,
    STRIDES,
    TORCHVISION,
    AnyHead,
    DetectionOutputs,
    Head,
    HeadError,
    HeadSpec,
    Level,
    OutputSpec,
    Part,
)
from fcos_ros.core.resize import Size

NOTHING_STATED = HeadSpec()


def recognise(
    outputs: Sequence[OutputSpec], canvas: Size, spec: HeadSpec = NOTHING_STATED,
) -> AnyHead:
    """
    Return the meaning of each output.

    Outputs are matched by shape, in any order and either layout. Shapes are ambiguous for 1 or 4
    classes, and for levels with grids of the same size. Then `spec.order` decides. If it is not
    stated, names that contain words for class, box or centerness decide. Without such names the
    order decides: class before box before centerness, fine levels before coarse ones.

    :param canvas: size of the network's input.
    :param spec: the properties that are stated. `TORCHVISION` is assumed for outputs with the
        names of torchvision's FCOS.
    :raises HeadError: the outputs are not those of a network with these properties.
    """
    outputs = tuple(outputs)
    spec, notes = _with_assumptions(outputs, spec)
    notes += _ignored_scales(outputs)
    found = _detection_outputs(outputs, canvas, spec) or _dense_head(outputs, canvas, spec)
    if found is None:
        _require_class_count(outputs, canvas, spec)
        raise HeadError(_mismatch_text(outputs, canvas, spec))
    return replace(found, notes=(*notes, *found.notes))


_LAYOUTS = ('NHWC', 'NCHW')

_CHANNELS = {'box': 4, 'centerness': 1}

# The first kind that matches a name counts: 'bbox_ctrness' is a centerness.
_HINTS = {
    'centerness': ('ctr', 'center', 'centre'),
    'box': ('box', 'reg', 'ltrb'),
    'class': ('cls', 'class'),
}

_TORCHVISION_NAMES = {'cls_logits', 'bbox_regression', 'bbox_ctrness'}

_FINEST_STRIDES = (8, 4, 16, 2, 32, 64)
"""Finest strides that are tried if none are stated; the next levels double them."""

_MAX_LEVELS = 7

_ROUNDING = 0.005
"""Tolerance for the number of cells, as stated strides may be rounded to a few digits."""

Cells = Size | int
"""The cells of an output: a grid, or the number of cells of all levels."""


class _Tensor(NamedTuple):
    """An output with the meaning that its sides have in one layout."""

    position: int
    spec: OutputSpec
    cells: Cells
    channels: int

    @classmethod
    def read(cls, position: int, spec: OutputSpec, layout: str) -> _Tensor:
        batch, *sides = spec.shape or (0,)
        if batch != 1 or len(sides) not in (2, 3):
            return cls(position, spec, 0, 0)
        channels = sides.pop(-1 if layout == 'NHWC' else 0)
        cells = sides[0] if len(sides) == 1 else Size(width=sides[1], height=sides[0])
        return cls(position, spec, cells, channels)


def _name_rank(name: str, kind: str) -> int:
    """Return 0 if a name hints at this kind, 1 if it has no hint, 2 for another kind."""
    for hinted, words in _HINTS.items():
        if any(word in name.lower() for word in words):
            return 0 if hinted == kind else 2
    return 1


class _Plan(NamedTuple):
    """Levels that a network may have."""

    strides: tuple[float, ...]
    grids: tuple[Size, ...]

    @property
    def cells(self) -> tuple[int, ...]:
        return tuple(grid.width * grid.height for grid in self.grids)


def _with_assumptions(
    outputs: tuple[OutputSpec, ...], spec: HeadSpec,
) -> tuple[HeadSpec, tuple[str, ...]]:
    """Return the stated properties, completed by those of torchvision if the names are its."""
    if {output.name for output in outputs} != _TORCHVISION_NAMES:
        return spec, ()
    stated = {name: value for name, value in vars(spec).items() if value is not None}
    return replace(TORCHVISION, **stated), (
        "the outputs have the names of torchvision's FCOS; what is not stated is as there: "
        f'spacing {TORCHVISION.spacing}, box_unit {TORCHVISION.box_unit}, '
        f'point_offset {TORCHVISION.point_offset:g}',)


def _ignored_scales(outputs: tuple[OutputSpec, ...]) -> tuple[str, ...]:
    names = [spec.name for spec in outputs if spec.is_float and spec.scale is not None]
    if not names:
        return ()
    return (f'float outputs state scales, which are not applied: {", ".join(names)}',)


def _detection_outputs(
    outputs: tuple[OutputSpec, ...], canvas: Size, spec: HeadSpec,
) -> DetectionOutputs | None:
    """Return the meaning of outputs that are detections; None if they are not."""
    whole = [index for index, output in enumerate(outputs)
             if output.dtype.kind == 'i' and output.scale is None]
    if len(whole) != 1:
        return None
    labels, = whole
    shape = outputs[labels].shape
    if len(shape) != 1 and (len(shape) != 2 or shape[0] != 1):
        return None
    others = [index for index in range(len(outputs)) if index != labels]
    scores = [index for index in others if len(outputs[index].shape) == len(shape)]
    boxes = [index for index in others if len(outputs[index].shape) == len(shape) + 1
             and outputs[index].shape[-1] == (4 if scores else 5)]
    if (len(boxes) != 1 or len(scores) > 1 or len(boxes + scores) < len(others)
            or not all(outputs[index].is_float for index in others)):
        return None
    if spec.num_classes is None:
        raise HeadError('the outputs are boxes and labels, which do not show the number of '
                        'classes; state the labels')
    return DetectionOutputs(
        outputs, spec.num_classes, canvas, boxes[0], labels, scores[0] if scores else None)


def _dense_head(
    outputs: tuple[OutputSpec, ...], canvas: Size, spec: HeadSpec,
) -> Head | None:
    """Return the meaning of outputs with values for each cell; None if they are not."""
    for layout in _LAYOUTS:
        tensors = [_Tensor.read(index, output, layout) for index, output in enumerate(outputs)]
        for kinds in _kind_options(spec):
            found = {plan.strides: (plan, parts)
                     for plan, parts in _assignments(tensors, canvas, spec, kinds)}
            if len(found) > 1:
                options = ' or '.join(map(_listed, found))
                raise HeadError(f'the outputs fit the strides {options}; state strides')
            for plan, parts in found.values():
                return _make_head(outputs, canvas, spec, layout, plan, parts)
    return None


def _kind_options(spec: HeadSpec) -> Sequence[tuple[str, ...]]:
    """Return the sets of parts that a level may have."""
    if spec.order is None:
        return KINDS, KINDS[:2]
    return [tuple(kind for kind in KINDS if kind in spec.order)]


_LevelParts = dict[str, Part]


def _assignments(
    tensors: Sequence[_Tensor], canvas: Size, spec: HeadSpec, kinds: Sequence[str],
) -> Iterator[tuple[_Plan, list[_LevelParts]]]:
    """Yield each way to understand the outputs in one layout: levels with their parts."""
    joined = all(isinstance(tensor.cells, int) for tensor in tensors)
    for assign, outputs_of_level in ((_separate_parts, len(kinds)), (_combined_parts, 1)):
        count = len(tensors) / outputs_of_level
        if not tensors or count != (1 if joined else int(count)):
            continue
        levels = None if joined else int(count)
        for plan in _plans(spec, canvas, levels, {tensor.cells for tensor in tensors}):
            keys: Sequence[Cells] = (sum(plan.cells),) if joined else plan.grids
            parts = assign(tensors, keys, spec, kinds)
            if parts:
                yield plan, _split(parts[0], plan) if joined else parts


def _plans(
    spec: HeadSpec, canvas: Size, levels: int | None, present: set[Cells],
) -> Iterator[_Plan]:
    """
    Yield the levels that a network may have.

    :param levels: their number; None for any.
    :param present: the cells of the outputs.
    """
    for strides in _stride_options(spec, levels):
        options = [_grid_options(canvas, stride, spec.strides is not None) for stride in strides]
        if levels is None:  # all levels round alike
            yield from (_Plan(strides, grids) for grids in dict.fromkeys(zip(*options)))
        else:
            yield _Plan(strides, tuple(
                next((grid for grid in grids if grid in present), grids[0]) for grids in options))


def _stride_options(spec: HeadSpec, levels: int | None) -> Iterator[tuple[float, ...]]:
    if spec.strides is not None:
        if levels in (None, len(spec.strides)):
            yield spec.strides
        return
    # Any list of boxes may be as long as a single level, which therefore must be stated.
    for count in range(2, _MAX_LEVELS + 1) if levels is None else (levels,):
        for finest in _FINEST_STRIDES:
            yield tuple(finest * 2**level for level in range(count))


def _grid_options(canvas: Size, stride: float, stated: bool) -> list[Size]:
    """
    Return the grids that a level may have, the likeliest first.

    Convolutions with padding, as FCOS has them, round the number of cells up. Where strides are
    stated, it may also be rounded down.
    """
    up = [math.ceil(side / stride - _ROUNDING) for side in canvas]
    down = [math.floor(side / stride + _ROUNDING) for side in canvas] if stated else up
    return [Size(width, height) for width in (up[0], down[0]) for height in (up[1], down[1])]


def _separate_parts(
    tensors: Sequence[_Tensor], keys: Sequence[Cells], spec: HeadSpec, kinds: Sequence[str],
) -> list[_LevelParts]:
    """Return the parts of each level if each output holds one part; else nothing."""
    if spec.order is not None and len(spec.order) != len(tensors):
        return []
    channels = _channels(tensors, len(keys), spec, kinds)
    free = {tensor.position: tensor for tensor in tensors}
    found: dict[str, list[_Tensor]] = {}
    for kind in kinds:
        found[kind] = []
        for key in dict.fromkeys(keys):
            fitting = [tensor for tensor in free.values()
                       if tensor.cells == key and tensor.channels == channels.get(kind)
                       and (spec.order is None or spec.order[tensor.position] == kind)]
            likely = sorted(fitting, key=lambda tensor: _name_rank(tensor.spec.name, kind))
            found[kind] += sorted(likely[:list(keys).count(key)])
        for tensor in found[kind]:
            del free[tensor.position]
    if free or any(len(found[kind]) != len(keys) for kind in kinds):
        return []
    return [{kind: Part(tensor.position, tensor.channels, scale=_checked_scale(tensor))
             for kind, tensor in zip(kinds, level)}
            for level in zip(*(found[kind] for kind in kinds))]


def _channels(
    tensors: Sequence[_Tensor], levels: int, spec: HeadSpec, kinds: Sequence[str],
) -> dict[str, int]:
    """Return the number of channels of each kind; nothing if the outputs do not fit."""
    given = sorted(tensor.channels for tensor in tensors)
    for classes in [spec.num_classes] if spec.num_classes else sorted(set(given)):
        channels = {'class': classes, **_CHANNELS}
        if given == sorted(levels * [channels[kind] for kind in kinds]):
            return channels
    return {}


def _combined_parts(
    tensors: Sequence[_Tensor], keys: Sequence[Cells], spec: HeadSpec, kinds: Sequence[str],
) -> list[_LevelParts]:
    """Return the parts of each level if each output holds all parts; else nothing."""
    ordered = sorted(tensors, key=lambda tensor: (*keys, tensor.cells).index(tensor.cells))
    if spec.order is None or len(spec.order) != len(kinds) or [
            tensor.cells for tensor in ordered] != list(keys):
        return []
    others = sum(_CHANNELS[kind] for kind in kinds if kind in _CHANNELS)
    classes = spec.num_classes or ordered[0].channels - others
    if classes < 1 or any(tensor.channels != classes + others for tensor in ordered):
        return []
    channels = [{'class': classes, **_CHANNELS}[kind] for kind in spec.order]
    starts = np.cumsum([0, *channels]).tolist()
    return [{kind: Part(tensor.position, count, start, scale=_part_of(
                _checked_scale(tensor), start, count))
             for kind, count, start in zip(spec.order, channels, starts)}
            for tensor in ordered]


def _split(parts: _LevelParts, plan: _Plan) -> list[_LevelParts]:
    """Divide the parts of all levels among the levels, fine levels first."""
    starts = np.cumsum([0, *plan.cells]).tolist()
    return [{kind: replace(part, first_cell=start) for kind, part in parts.items()}
            for start, _ in zip(starts, plan.grids)]


def _part_of(scale: Scale | None, start: int, count: int) -> Scale | None:
    return scale if scale is None or scale.size == 1 else scale[start:start + count]


def _checked_scale(tensor: _Tensor) -> Scale | None:
    spec, scale = tensor.spec, tensor.spec.scale
    if spec.is_float:
        return None
    if spec.dtype.kind not in 'iu' or spec.dtype.itemsize > 4:
        raise HeadError(f'output {spec} has an unknown format; accepted: float, or integers of up '
                        'to 32 bits with a scale')
    if scale is None or scale.size not in (1, tensor.channels) or not np.isfinite(scale).all():
        raise HeadError(f'output {spec} has no usable scale; '
                        f'accepted for integers: 1 or {tensor.channels} finite numbers')
    return scale


def _make_head(
    outputs: tuple[OutputSpec, ...], canvas: Size, spec: HeadSpec, layout: str, plan: _Plan,
    parts: Sequence[_LevelParts],
) -> Head:
    spacing = spec.spacing or 'stride'
    levels = tuple(
        Level(stride, grid, _SPACINGS[spacing](canvas, stride, grid),
              own['class'], own['box'], own.get('centerness'))
        for stride, grid, own in zip(plan.strides, plan.grids, parts))
    centred = levels[0].centerness is not None
    score = spec.score or ('sqrt(cls*ctr)' if centred else 'cls')
    if score != 'cls' and not centred:
        raise HeadError(f'score is {score}, and the network has no centerness; accepted: cls')
    notes = []
    if spec.strides is None and plan.strides != STRIDES[:len(plan.strides)]:
        notes.append(f'the strides follow from the numbers of cells: {_listed(plan.strides)}')
    if spec.spacing is None and any(side % stride for stride in plan.strides for side in canvas):
        notes.append(f'the canvas {canvas} is no multiple of all strides; the spacing of cells is '
                     'taken to be their stride; other networks state spacing')
    if spec.box_unit is None and not centred and outputs[levels[0].box.output].is_float:
        notes.append('distances are taken to be in strides, as usual without centerness; other '
                     'networks state box_unit')
    if spec.order is None:
        notes += _guesses(outputs, levels[0])
    return Head(
        outputs, levels, levels[0].classes.channels, canvas, layout,
        spec.box_unit or _default_unit(levels, outputs),
        0.5 if spec.point_offset is None else spec.point_offset,
        spec.activation or 'logits', score, tuple(notes), spec.box_activation or 'relu')


def _guesses(outputs: Sequence[OutputSpec], level: Level) -> Iterator[str]:
    """Yield a note for each part that neither its shape nor its name tells from the classes."""
    for kind, part in level.parts.items():
        if kind == 'class' or part.channels != level.classes.channels:
            continue
        names = {named: outputs[own.output].name
                 for named, own in (('class', level.classes), (kind, part))}
        if all(_name_rank(name, named) for named, name in names.items()):
            yield (f'class and {kind} have equal shapes and names without a meaning; taken for '
                   f'class: {names["class"]}, for {kind}: {names[kind]}; other networks state '
                   'order')


_SPACINGS: dict[str, Callable[[Size, float, Size], tuple[float, float]]] = {
    'stride': lambda canvas, stride, grid: (stride, stride),
    'canvas/grid': lambda canvas, stride, grid: (
        canvas.width / grid.width, canvas.height / grid.height),
    'canvas//grid': lambda canvas, stride, grid: (
        canvas.width // grid.width, canvas.height // grid.height),
}


def _default_unit(levels: Sequence[Level], outputs: Sequence[OutputSpec]) -> str:
    boxes = [outputs[level.box.output] for level in levels]
    floats = {box.is_float for box in boxes}
    if len(floats) > 1:
        raise HeadError(f'box outputs are of different kinds ({_listed(boxes)}); accepted: all '
                        'float, or all integer; otherwise state box_unit: '
                        f'{" or ".join(BOX_UNITS)}')
    return 'pixel' if floats == {True} and levels[0].centerness is not None else 'stride'


def _require_class_count(
    outputs: tuple[OutputSpec, ...], canvas: Size, spec: HeadSpec,
) -> None:
    """Raise HeadError if the outputs fit another number of classes than the stated one."""
    if spec.num_classes is not None:
        other = _dense_head(outputs, canvas, replace(spec, num_classes=None))
        if other is not None:
            raise HeadError(f'num_classes is {spec.num_classes}, and the network has '
                            f'{other.num_classes} classes')


def _mismatch_text(outputs: Sequence[OutputSpec], canvas: Size, spec: HeadSpec) -> str:
    grids = ((stride, _grid_options(canvas, stride, stated=False)[0])
             for stride in spec.strides or STRIDES)
    rows = '\n'.join(f'  stride {stride:g}: [1, {grid.height}, {grid.width}, channels] or '
                     f'[1, channels, {grid.height}, {grid.width}]' for stride, grid in grids)
    given = '\n'.join(f'  {output}' for output in outputs) or '  no outputs'
    order = (f'\norder has {len(spec.order)} entries; accepted: one for each output, or one for '
             'each part that an output joins' if spec.order is not None else '')
    return (
        f'the outputs cannot be decoded for a canvas of {canvas}.\n'
        'accepted: outputs of the same layout; for each level, one with '
        f'{spec.num_classes or "C"} (class), one with 4 (box) and, optionally, one with 1 '
        f'(centerness) channels, such as:\n{rows}\n'
        'or the levels joined to one output for each part: [1, cells, channels];\n'
        'or the parts joined in the channels, if their order is stated;\n'
        'or boxes [N, 4], scores [N] and labels [N], or boxes with scores [1, N, 5] and labels '
        f'[1, N]\ngiven {len(outputs)}:\n{given}{order}')


def _listed(values: Iterable[object]) -> str:
    return ', '.join(map(str, values))
