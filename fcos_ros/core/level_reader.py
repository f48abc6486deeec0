# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the raw outputs of a network without dequantising all of them.

A gate is the lowest raw value with which a cell may reach the score threshold. Class values at or
above it are hits, and only hits are dequantised. A gate may be slightly too low but is never too
high, so no detection is lost. The exact score decides later which hits become detections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from fcos_ros.core.arrays import Array, Boxes, Floats, Indices, Mask, Scale
from fcos_ros.core.head import Head, Level, Part
from fcos_ros.core.resize import Size


class ClassGates(NamedTuple):
    """
    The lowest raw class values with which a cell may reach the threshold.

    :ivar per_class: (levels, C).
    :ivar coarse: of each level the lowest of them, or all in the form for `_TensorLayout.mark`.
        Comparing with one number takes less time than with a row.
    :ivar floor: the lowest dequantised class value.
    :ivar total: the lowest sum of class value and centerness, both dequantised; None if few class
        values pass their gates, whatever the centerness.
    """

    per_class: Array
    coarse: Sequence[Array]
    floor: float
    total: float | None


class Hits(NamedTuple):
    """Class values that may belong to a detection, ascending by cell, then by class."""

    cells: Indices
    class_ids: Indices
    values: Floats


class HeadReader:
    """
    Read the outputs of a network.

    The cells of all levels are numbered consecutively, fine levels first. Few hits take less time
    than the calls of numpy, so each step is one call for all levels where that is possible.

    :ivar cells: number of cells of all levels.
    """

    def __init__(self, head: Head) -> None:
        self._levels = tuple(_LevelReader(head, level) for level in head.levels)
        self._starts = np.cumsum([0, *(level.cells for level in head.levels)])
        self.cells = int(self._starts[-1])
        self._level_of = np.arange(len(self._levels)).repeat(np.diff(self._starts))
        self._num_classes = head.num_classes
        self._class_scales = np.stack([level.class_scale for level in self._levels])
        self._box_scales = np.stack([level.box_scale for level in self._levels])
        self._box_units = np.stack([level.box_unit for level in self._levels])
        self._box_is_logarithm = head.box_activation == 'exp'
        self._centerness_scale = np.concatenate(
            [level.centerness_scale for level in self._levels])
        self._points = np.concatenate([level.points for level in self._levels])
        self._scratch = _ScratchMask(self.cells * head.num_classes)

    def class_gates(self, outputs: Sequence[Array], floor: float, total: float) -> ClassGates:
        """
        Convert the lowest class value that may become a detection to raw values.

        The coarse gates are those that are fast for the given outputs.

        :param total: the lowest sum of class value and centerness, or -inf.
        """
        gates = [level.class_gate(outputs, floor) for level in self._levels]
        passed = sum(level.passed(outputs, gate) for level, gate in zip(self._levels, gates))
        is_low = np.isfinite(total) and passed * _FEW > self.cells
        return ClassGates(
            np.stack(gates), [level.coarse_gate(outputs, gate)
                              for level, gate in zip(self._levels, gates)],
            floor, total if is_low else None)

    def centerness_gates(self, outputs: Sequence[Array], floor: float) -> list[Array]:
        """Convert the lowest centerness likewise; (cells,) for each level."""
        return [level.centerness_gate(outputs, floor) for level in self._levels]

    def centerness(self, outputs: Sequence[Array]) -> Array:
        """Return the raw centerness of all cells, (cells,)."""
        return np.concatenate([level.centerness(outputs) for level in self._levels])

    def centerness_values(self, raw: Array, cells: Indices) -> Floats:
        """Return the dequantised centerness of some cells, (N,)."""
        values: Floats = raw.take(cells) * self._centerness_scale.take(cells)
        return values

    def class_values(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """Return all class values of some ascending cells, (N, C)."""
        raw = np.concatenate([level.classes(outputs, own) for level, own in self._divided(cells)])
        return self._class_values(raw, cells)

    def boxes(self, outputs: Sequence[Array], cells: Indices) -> Boxes:
        """Return the boxes of some ascending cells; at least one."""
        levels = self._level_of.take(cells)
        raw = np.concatenate([level.box(outputs, own) for level, own in self._divided(cells)])
        distances = _distances(raw * self._box_scales.take(levels, axis=0),
                               self._box_units.take(levels, axis=0), self._box_is_logarithm)
        boxes: Floats = self._points.take(cells, axis=0) + np.maximum(distances, 0) * _OUTWARD
        return boxes.astype(np.float32)

    def hits(
        self, outputs: Sequence[Array], gates: ClassGates, centred: Mask,
        centerness: Array | None, only_best: bool,
    ) -> Hits | None:
        """
        Return the class values of some cells that reach their gates; None if there are none.

        :param centred: the cells.
        :param centerness: the raw centerness of all cells; None if scores do not depend on it.
        :param only_best: whether only the best class of a cell counts.
        """
        is_sparse = np.count_nonzero(centred) * _SPARSE <= centred.size
        find = self._hits_of_cells if is_sparse else self._hits_of_all
        hits = find(outputs, gates, centred, centerness, only_best)
        return _best_per_cell(hits) if hits is not None and only_best else hits

    def _hits_of_cells(
        self, outputs: Sequence[Array], gates: ClassGates, centred: Mask,
        centerness: Array | None, only_best: bool,
    ) -> Hits | None:
        """Pick the class values of the cells, and compare them."""
        cells = centred.nonzero()[0]
        parts = [level.classes(outputs, own) for level, own in self._divided(cells)]
        if not parts:
            return None
        raw = np.concatenate(parts)
        levels = self._level_of.take(cells)
        marks = raw >= gates.per_class.take(levels, axis=0)
        count = np.count_nonzero(marks)
        if not count:
            return None
        if only_best and count > _MANY * cells.size:
            return self._best(raw, cells)
        marked = marks.reshape(-1).nonzero()[0]
        rows, class_ids = np.divmod(marked, self._num_classes)
        scales = self._class_scales.take(
            levels.take(rows) * self._num_classes + class_ids)
        return Hits(cells.take(rows), class_ids, raw.reshape(-1).take(marked) * scales)

    def _hits_of_all(
        self, outputs: Sequence[Array], gates: ClassGates, centred: Mask,
        centerness: Array | None, only_best: bool,
    ) -> Hits | None:
        """Compare all class values."""
        counts = self._starts * self._num_classes
        self._mark_all(outputs, gates, centerness, counts)
        words = self._scratch.words()
        if only_best and words.size > _MANY * self.cells:
            cells = centred.nonzero()[0]
            return self._best(np.concatenate(
                [level.classes(outputs, own) for level, own in self._divided(cells)]), cells)
        positions = self._scratch.positions(words)
        bounds = positions.searchsorted(counts).tolist()
        parts = [level.pick(outputs, positions[start:end] - count, first)
                 for level, count, first, (start, end)
                 in zip(self._levels, counts, self._starts, pairwise(bounds)) if start < end]
        if not parts:
            return None
        cells, class_ids, raw = map(np.concatenate, zip(*parts))
        places = self._level_of.take(cells) * self._num_classes + class_ids
        reached = centred.take(cells) & (raw >= gates.per_class.take(places))
        own = reached.nonzero()[0]
        if not own.size:
            return None
        return Hits(cells.take(own), class_ids.take(own),
                    (raw * self._class_scales.take(places)).take(own))

    def _mark_all(
        self, outputs: Sequence[Array], gates: ClassGates, centerness: Array | None,
        counts: Indices,
    ) -> None:
        """Mark the class values that may belong to a hit, and few others."""
        marks = [self._scratch.marks[start:end] for start, end in pairwise(counts.tolist())]
        if gates.total is None or centerness is None:
            for level, own, gate in zip(self._levels, marks, gates.coarse):
                level.mark(outputs, gate, own)
            return
        bounds = self._bounds(gates.floor, gates.total, centerness)
        for level, own, lowest in zip(
                self._levels, marks, np.split(bounds, self._starts[1:-1])):
            level.mark_above(outputs, lowest, own)

    def _bounds(self, floor: float, total: float, centerness: Array) -> Array:
        """Return the lowest class value that may reach the threshold in each cell, (cells,)."""
        bounds = np.maximum(total - centerness * self._centerness_scale, floor)
        rounded: Array = (bounds - _SLACK * np.abs(bounds) - _SMALLEST).astype(np.float32)
        return rounded

    def _class_values(self, raw: Array, cells: Indices) -> Floats:
        values: Floats = raw * self._class_scales.take(self._level_of.take(cells), axis=0)
        return values

    def _best(self, raw: Array, cells: Indices) -> Hits:
        """Return the best value of each cell: the fastest way when the gate is very low."""
        values, rows = self._class_values(raw, cells), np.arange(cells.size)
        class_ids = values.argmax(axis=1)  # NaN is the highest
        best = values[rows, class_ids]
        if np.isnan(best).any():
            class_ids = np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
            best = values[rows, class_ids]
        return Hits(cells, class_ids, best)

    def _divided(self, cells: Indices) -> Iterator[tuple[_LevelReader, Indices]]:
        """Divide ascending cells by level; levels without cells are left out."""
        bounds = cells.searchsorted(self._starts).tolist()
        return ((level, cells[start:end] - first) for level, first, (start, end)
                in zip(self._levels, self._starts, pairwise(bounds)) if start < end)


class _LevelReader:
    """
    Read the outputs of one level; its cells are numbered from 0.

    :ivar points: the point of each cell as (x, y, x, y) in canvas pixels, (cells, 4).
    :ivar class_scale: the factor of each class value, (C,).
    :ivar box_scale: likewise, (4,).
    :ivar box_unit: canvas pixels of a distance of 1, (1,).
    :ivar centerness_scale: the factor of the centerness of each cell, (cells,).
    """

    def __init__(self, head: Head, level: Level) -> None:
        self._level = level
        self._layout: _TensorLayout = _TENSOR_LAYOUTS[head.layout](level.grid)
        self.class_scale = np.broadcast_to(_factor(level.classes.scale), head.num_classes)
        self.box_scale = np.broadcast_to(_factor(level.box.scale), 4)
        self.box_unit = np.array([level.stride if head.box_unit == 'stride' else 1.0])
        self.box_is_logarithm = head.box_activation == 'exp'
        self.points = _points(level, head.point_offset)
        scale = None if level.centerness is None else level.centerness.scale
        self.centerness_scale = np.broadcast_to(_factor(scale), level.cells)

    def class_gate(self, outputs: Sequence[Array], floor: float) -> Array:
        part = self._level.classes
        return np.broadcast_to(
            _gate(floor, part.scale, outputs[part.output].dtype), self.class_scale.size)

    def passed(self, outputs: Sequence[Array], gate: Array) -> int:
        """Return the number of class values that reach their gates."""
        marks = np.empty(self._level.cells * gate.size, np.bool_)
        self.mark(outputs, self._layout.gate_of_row(gate), marks)
        return int(np.count_nonzero(marks))

    def coarse_gate(self, outputs: Sequence[Array], gate: Array) -> Array:
        """Return the lowest gate if few other values of these outputs pass it, or all gates."""
        lowest = np.array([gate.min()])
        passed = np.count_nonzero(self._view(outputs, self._level.classes) >= lowest)
        if gate.max() == lowest or passed * _RARE <= self._level.cells:
            return lowest
        return self._layout.gate_of_row(gate)

    def centerness_gate(self, outputs: Sequence[Array], floor: float) -> Array:
        part = self._level.centerness
        assert part is not None
        return np.broadcast_to(
            _gate(floor, part.scale, outputs[part.output].dtype), self._level.cells)

    def centerness(self, outputs: Sequence[Array]) -> Array:
        """Return the raw centerness of all cells, (cells,)."""
        assert self._level.centerness is not None
        return self._view(outputs, self._level.centerness).reshape(-1)

    def classes(self, outputs: Sequence[Array], cells: Indices) -> Array:
        """Return the raw class values of some cells, C-contiguous (N, C)."""
        return self._layout.take(self._view(outputs, self._level.classes), cells)

    def box(self, outputs: Sequence[Array], cells: Indices) -> Array:
        """Return the raw box values of some cells, C-contiguous (N, 4)."""
        return self._layout.take(self._view(outputs, self._level.box), cells)

    def mark(self, outputs: Sequence[Array], gate: Array, marks: Mask) -> None:
        """Mark the class values that reach the gate; the order is that of the tensor."""
        self._layout.mark(self._view(outputs, self._level.classes), gate, marks)

    def mark_above(self, outputs: Sequence[Array], bounds: Array, marks: Mask) -> None:
        """Mark the class values of each cell that reach its bound, after they are dequantised."""
        part = self._level.classes
        self._layout.mark_above(self._view(outputs, part), part.scale, bounds, marks)

    def pick(
        self, outputs: Sequence[Array], marked: Indices, start: int,
    ) -> tuple[Indices, Indices, Array]:
        """
        Return the cells, the classes and the raw values of marks, sorted by cell and class.

        :param start: number of the first cell in the result.
        """
        cells, class_ids = self._layout.locate(marked, self.class_scale.size)
        view = self._view(outputs, self._level.classes)
        return cells + start, class_ids, self._layout.pick(view, cells, class_ids)

    def read_all(self, outputs: Sequence[Array]) -> LevelValues:
        """Return all values of the level."""
        cells = np.arange(self._level.cells)
        return LevelValues(
            self._level, self.classes(outputs, cells) * self.class_scale,
            _distances(self.box(outputs, cells) * self.box_scale, self.box_unit,
                       self.box_is_logarithm),
            None if self._level.centerness is None
            else self.centerness(outputs) * self.centerness_scale)

    def _view(self, outputs: Sequence[Array], part: Part) -> Array:
        return self._layout.view(outputs[part.output], part, self._level.cells)


class LevelValues(NamedTuple):
    """All values of one level, dequantised; cells row by row."""

    level: Level
    classes: Floats
    """(cells, C); logits or probabilities."""
    distances: Floats
    """(cells, 4); l, t, r, b in canvas pixels, by the head's `box_unit`."""
    centerness: Floats | None
    """(cells,); logits or probabilities."""


def read_levels(head: Head, outputs: Sequence[Array]) -> list[LevelValues]:
    """Return all values of a network's outputs, to examine them; decoding reads far fewer."""
    return [_LevelReader(head, level).read_all(outputs) for level in head.levels]


class _ScratchMask:
    """Scratch memory with a mark for each number of a tensor; fast if few marks are set."""

    def __init__(self, count: int) -> None:
        memory = np.zeros(-(-count // 8) * 8, np.bool_)
        self.marks = memory[:count]
        self._bytes = memory.reshape(-1, 8)
        self._words = memory.view(np.uint64)

    def words(self) -> Indices:
        """Return the indices of the 64-bit words, of eight marks each, that have a mark."""
        return np.not_equal(self._words, 0).nonzero()[0]

    def positions(self, words: Indices) -> Indices:
        """Return the positions of the marks in some words."""
        found = self._bytes.take(words, axis=0).reshape(-1).nonzero()[0]
        positions: Indices = words.take(found >> 3) * 8 + (found & 7)
        return positions


class _TensorLayout(Protocol):
    """The order of the tensors of one level in memory."""

    def __init__(self, grid: Size) -> None:
        """:param grid: the cells of the level."""

    def view(self, output: Array, part: Part, cells: int) -> Array:
        """Return the values of a part of the level in two dimensions; a copy only if needed."""

    def gate_of_row(self, gate: Array) -> Array:
        """Convert one value for each channel to the form for `mark`."""

    def mark(self, view: Array, gate: Array, marks: Mask) -> None:
        """Mark the values that reach the gate; long rows are faster to compare than short ones."""

    def mark_above(self, view: Array, scale: Scale | None, bounds: Array, marks: Mask) -> None:
        """
        Mark the values of each cell that reach its bound, in the order of the tensor.

        :param scale: the factors of the values; they are dequantised in float32.
        :param bounds: (cells,).
        """

    def locate(self, marked: Indices, channels: int) -> tuple[Indices, Indices]:
        """Convert ascending positions of marks to cells and channels, sorted by both."""

    def pick(self, view: Array, cells: Indices, channels: Indices) -> Array:
        """Return single values, (N,)."""

    def take(self, view: Array, cells: Indices) -> Array:
        """Return the values of some cells, C-contiguous (N, channels)."""


class _ChannelsLast:
    """Tensors whose last side is that of the channels."""

    def __init__(self, grid: Size) -> None:
        self._grid = grid

    def view(self, output: Array, part: Part, cells: int) -> Array:
        table = output.reshape(-1, output.shape[-1])
        if table.shape == (cells, part.channels):
            return table
        return table[part.first_cell:part.first_cell + cells,
                     part.first_channel:part.first_channel + part.channels]

    def gate_of_row(self, gate: Array) -> Array:
        return np.tile(gate, self._grid.width)

    def mark(self, view: Array, gate: Array, marks: Mask) -> None:
        # Channels of other parts lie between those of a view that is not contiguous.
        sides = self._grid.width, view.shape[1]
        row = (prod(sides),) if view.flags.c_contiguous else sides
        shape = self._grid.height, *row
        gate = gate if gate.size == 1 else gate.reshape(row)
        np.greater_equal(view.reshape(shape), gate, out=marks.reshape(shape))

    def mark_above(self, view: Array, scale: Scale | None, bounds: Array, marks: Mask) -> None:
        np.greater_equal(_rounded(view, scale), bounds[:, None], out=marks.reshape(view.shape))

    def locate(self, marked: Indices, channels: int) -> tuple[Indices, Indices]:
        cells = marked // channels
        return cells, marked - cells * channels

    def pick(self, view: Array, cells: Indices, channels: Indices) -> Array:
        return view[cells, channels]

    def take(self, view: Array, cells: Indices) -> Array:
        return view.take(cells, axis=0) if view.flags.c_contiguous else view[cells]


class _ChannelsFirst:
    """Tensors whose second side is that of the channels."""

    def __init__(self, grid: Size) -> None:
        self._cells = grid.width * grid.height

    def view(self, output: Array, part: Part, cells: int) -> Array:
        table = output.reshape(output.shape[1], -1)
        return table[part.first_channel:part.first_channel + part.channels,
                     part.first_cell:part.first_cell + cells]

    def gate_of_row(self, gate: Array) -> Array:
        return gate[:, None]

    def mark(self, view: Array, gate: Array, marks: Mask) -> None:
        np.greater_equal(view, gate, out=marks.reshape(view.shape))

    def mark_above(self, view: Array, scale: Scale | None, bounds: Array, marks: Mask) -> None:
        column = None if scale is None else scale[:, None]
        np.greater_equal(_rounded(view, column), bounds, out=marks.reshape(view.shape))

    def locate(self, marked: Indices, channels: int) -> tuple[Indices, Indices]:
        class_ids = marked // self._cells
        cells = marked - class_ids * self._cells
        order = cells.argsort(kind='stable')
        return cells.take(order), class_ids.take(order)

    def pick(self, view: Array, cells: Indices, channels: Indices) -> Array:
        return view[channels, cells]

    def take(self, view: Array, cells: Indices) -> Array:
        return np.ascontiguousarray(view[:, cells].T)


_TENSOR_LAYOUTS: dict[str, Callable[[Size], _TensorLayout]] = {
    'NHWC': _ChannelsLast, 'NCHW': _ChannelsFirst}


_OUTWARD = np.array([-1, -1, 1, 1], np.float64)

_SPARSE = 4
"""
When at most one cell in four passes the centerness gate, picking the values of those cells is
faster than comparing all values; see benchmarks/decode.py.
"""

_RARE = 4
"""Cells for one class value above the lowest gate, up to which only that gate is compared."""

_FEW = 4
"""Cells for each value that passes its gate, from which the centerness is not compared too."""

_MANY = 2
"""Hits of a cell on average above which the best class is found among all values of the cells."""


_SLACK, _SMALLEST = 1e-6, 1e-30
"""Relative and absolute changes of a value that are above those of rounding to float32."""


def _best_per_cell(hits: Hits) -> Hits:
    """Keep the highest value of each cell; if equal, that of the lowest class."""
    starts = _changes(hits.cells)
    if starts.size == hits.cells.size:
        return hits
    highest = np.fmax.reduceat(hits.values, starts)
    counts = np.diff(starts, append=hits.cells.size)
    best = (hits.values == highest.repeat(counts)).nonzero()[0]
    best = best.take(_changes(hits.cells.take(best)))
    return Hits(hits.cells.take(best), hits.class_ids.take(best), hits.values.take(best))


def _changes(ascending: Indices) -> Indices:
    """Return the positions where a new value begins."""
    new = np.ones(ascending.size, bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new.nonzero()[0]


def _distances(values: Floats, unit: Floats, is_logarithm: bool) -> Floats:
    """Return distances in canvas pixels."""
    return (np.exp(values) if is_logarithm else values) * unit


def _rounded(raw: Array, scale: Scale | None) -> Array:
    """Return values in float32, which takes less time than `_factor`."""
    return raw if scale is None else raw.astype(np.float32) * scale


def _factor(scale: Array | None) -> Floats:
    return np.ones(1) if scale is None else scale.astype(np.float64)


def _gate(floor: float, scale: Array | None, dtype: np.dtype[Any]) -> Array:
    """Return raw values, (1,) or (channels,), that every value of at least `floor` reaches."""
    if scale is None:
        rounded = np.array([floor], dtype)
        down = np.nextafter(rounded, np.array(-np.inf, dtype))
        return np.where(rounded.astype(np.float64) > floor, down, rounded)
    limits = np.iinfo(dtype)
    with np.errstate(all='ignore'):
        lowest = np.floor(floor / _factor(scale))
    # Raw values grow with real ones only where the scale is positive; elsewhere all pass.
    return np.where(scale > 0, np.clip(lowest, limits.min, limits.max), limits.min).astype(dtype)


def _points(level: Level, offset: float) -> Floats:
    y, x = np.mgrid[:level.grid.height, :level.grid.width].reshape(2, -1)
    return np.asarray((np.stack([x, y, x, y], axis=1) + offset) * (level.spacing * 2), np.float64)
