# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the raw outputs of one level without dequantising all of them.

A gate is the lowest raw value with which a cell may reach the score threshold. Class values at or
above it are hits, and only hits are dequantised. A gate may be slightly too low but is never too
high, so no detection is lost. The exact score decides later which hits become detections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fcos_ros.core.arrays import Array, Floats, Indices, Mask
from fcos_ros.core.head import Head, Level, Part
from fcos_ros.core.resize import Size


class ClassGate(NamedTuple):
    """The lowest raw class values with which a cell may reach the threshold."""

    per_class: Array
    """(C,)"""
    of_row: Array
    """The same values in the form for `_TensorLayout.mark`."""


class Hits(NamedTuple):
    """Class values that may belong to a detection, ascending by cell, then by class."""

    cells: Indices
    class_ids: Indices
    values: Floats


class LevelReader:
    """
    Read the outputs of one level.

    The cells of all levels are numbered consecutively, fine levels first.

    :ivar points: the point of each cell as (x, y, x, y) in canvas pixels, (cells, 4).
    :ivar centerness_scale: the factor of the centerness of each cell, (cells,).

    :param start: number of the first cell.
    """

    def __init__(self, head: Head, level: Level, start: int) -> None:
        self._level = level
        self._num_classes = head.num_classes
        self._start = start
        self._layout: _TensorLayout = _TENSOR_LAYOUTS[head.layout](level.grid)
        self._class_scale = np.broadcast_to(_factor(level.classes.scale), head.num_classes)
        self._box_unit = level.stride if head.box_unit == 'stride' else 1
        self._box_scale = _factor(level.box.scale)
        self._box_is_logarithm = head.box_activation == 'exp'
        self._scratch = _ScratchMask(level.cells * head.num_classes)
        self.points = _points(level, head.point_offset)
        scale = None if level.centerness is None else level.centerness.scale
        self.centerness_scale = np.broadcast_to(_factor(scale), level.cells)

    def class_gate(self, outputs: Sequence[Array], floor: float) -> ClassGate:
        """Convert the lowest class value that may become a detection to raw values."""
        part = self._level.classes
        gate = np.broadcast_to(
            _gate(floor, part.scale, outputs[part.output].dtype), self._num_classes)
        return ClassGate(gate, self._layout.gate_of_row(gate))

    def centerness_gate(self, outputs: Sequence[Array], floor: float) -> Array:
        """Convert the lowest centerness that may become a detection to raw values, (cells,)."""
        part = self._level.centerness
        assert part is not None
        return np.broadcast_to(
            _gate(floor, part.scale, outputs[part.output].dtype), self._level.cells)

    def centerness(self, outputs: Sequence[Array]) -> Array:
        """Return the raw centerness of all cells, (cells,)."""
        assert self._level.centerness is not None
        return self._view(outputs, self._level.centerness).reshape(-1)

    def scan(
        self, outputs: Sequence[Array], gate: ClassGate, only_best: Mask | None,
    ) -> Hits | None:
        """
        Return the hits among all class values; None without hits.

        :param only_best: the cells of all levels that may become detections, if only the best
            class of a cell counts. It is used when there are more hits than cells.
        """
        raw = self._view(outputs, self._level.classes)
        self._layout.mark(raw, gate.of_row, self._scratch.marks)
        words = self._scratch.words()
        if not words.size:
            return None
        if only_best is not None and words.size > self._level.cells:  # more hits than cells
            own = only_best[self._start:self._start + self._level.cells].nonzero()[0]
            return self._best(self._layout.take(raw, own), own + self._start)
        cells, class_ids = self._layout.locate(self._scratch.positions(words), self._num_classes)
        values = self._layout.pick(raw, cells, class_ids) * self._class_scale.take(class_ids)
        return Hits(cells + self._start, class_ids, values)

    def scan_cells(
        self, outputs: Sequence[Array], gate: ClassGate, cells: Indices, only_best: bool,
    ) -> Hits | None:
        """
        Return the hits among the class values of some cells; None without hits.

        :param only_best: whether only the best class of a cell counts.
        """
        raw = self._values(outputs, self._level.classes, cells)
        marks = np.greater_equal(raw, gate.per_class)
        count = np.count_nonzero(marks)
        if not count:
            return None
        if only_best and count > cells.size:
            return self._best(raw, cells)
        hits = marks.reshape(-1).nonzero()[0]
        rows, class_ids = np.divmod(hits, self._num_classes)
        values = raw.reshape(-1).take(hits) * self._class_scale.take(class_ids)
        return Hits(cells.take(rows), class_ids, values)

    def class_values(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """Return all class values of some cells, (N, C)."""
        values: Floats = self._values(outputs, self._level.classes, cells) * self._class_scale
        return values

    def distances(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """Return the distances l, t, r, b of some cells in canvas pixels, (N, 4)."""
        values: Floats = self._values(outputs, self._level.box, cells) * self._box_scale
        return (np.exp(values) if self._box_is_logarithm else values) * self._box_unit

    def read_all(self, outputs: Sequence[Array]) -> LevelValues:
        """Return all values of the level."""
        cells = np.arange(self._start, self._start + self._level.cells)
        return LevelValues(
            self._level, self.class_values(outputs, cells), self.distances(outputs, cells),
            None if self._level.centerness is None
            else self.centerness(outputs) * self.centerness_scale)

    def _values(self, outputs: Sequence[Array], part: Part, cells: Indices) -> Array:
        """Return the raw values of some cells, C-contiguous (N, channels)."""
        return self._layout.take(self._view(outputs, part), cells - self._start)

    def _view(self, outputs: Sequence[Array], part: Part) -> Array:
        return self._layout.view(outputs[part.output], part, self._level.cells)

    def _best(self, raw: Array, cells: Indices) -> Hits:
        """Return the best value of each cell: the fastest way when the gate is very low."""
        values = raw * self._class_scale
        missing = np.isnan(values)
        values[missing] = -np.inf
        class_ids = values.argmax(axis=1)
        best = values[np.arange(cells.size), class_ids]
        best[missing.all(axis=1)] = np.nan
        return Hits(cells, class_ids, best)


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
    return [LevelReader(head, level, 0).read_all(outputs) for level in head.levels]


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
        table = output.reshape(-1, output.shape[-1])[part.first_cell:part.first_cell + cells]
        return table[:, part.first_channel:part.first_channel + part.channels]

    def gate_of_row(self, gate: Array) -> Array:
        return np.tile(gate, self._grid.width)

    def mark(self, view: Array, gate: Array, marks: Mask) -> None:
        # Channels of other parts lie between those of a view that is not contiguous.
        row = (gate.size,) if view.flags.c_contiguous else (self._grid.width, view.shape[1])
        shape = self._grid.height, *row
        np.greater_equal(view.reshape(shape), gate.reshape(row), out=marks.reshape(shape))

    def locate(self, marked: Indices, channels: int) -> tuple[Indices, Indices]:
        cells = marked // channels
        return cells, marked - cells * channels

    def pick(self, view: Array, cells: Indices, channels: Indices) -> Array:
        return view[cells, channels]

    def take(self, view: Array, cells: Indices) -> Array:
        return view[cells]


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
