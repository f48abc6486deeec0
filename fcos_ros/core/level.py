# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The raw outputs of one level, read without dequantising what cannot matter.

A gate is the smallest raw value with which a cell may reach the score threshold. Logits at or
above it are hits, and only hits are dequantised. Gates are never too high, at most a hair too low:
they rule out, the exact score decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.head import Head, Level
from fcos_ros.core.nms import Floats, Indices
from fcos_ros.core.resize import Size

Array = NDArray[Any]


class ClassGate(NamedTuple):
    """The smallest raw class logits with which a cell may reach the threshold."""

    channels: Array
    """(C,)"""
    spread: Array
    """The same, to compare with the tensor as it lies in memory."""


class Hits(NamedTuple):
    """Class logits that may belong to a detection, ascending by cell, then by class."""

    cells: Indices
    class_ids: Indices
    logits: Floats


class LevelReader:
    """
    Reads what one level says about its cells, which count on from those of finer levels.

    :ivar points: the point of each cell, (cells, 4) as (x, y, x, y) in canvas pixels.
    :ivar centerness_scale: factor of each cell's centerness, (cells,).
    """

    def __init__(self, head: Head, level: Level, start: int) -> None:
        self._level = level
        self._num_classes = head.num_classes
        self._start = start
        self._tensors: _Layout = _LAYOUTS[level.layout](level.grid)
        self._class_scale = np.broadcast_to(_factor(level.class_scale), head.num_classes)
        unit = level.stride if head.box_unit == 'stride' else 1
        self._box_scale = _factor(level.box_scale) * unit
        self._mask = _Mask(self._tensors.flat_shape(head.num_classes))
        self.points = _points(level, head.point_offset)
        self.centerness_scale = np.broadcast_to(
            _factor(level.centerness_scale), self._tensors.cells)

    def check(self, outputs: Sequence[Array]) -> None:
        """Raise ValueError unless the level's outputs have its shapes and kinds of number."""
        level = self._level
        for index, channels, scale in (
            (level.class_output, self._num_classes, level.class_scale),
            (level.box_output, 4, level.box_scale),
            (level.centerness_output, 1, level.centerness_scale),
        ):
            shape = self._tensors.shape(channels)
            word, kinds = ('float', 'f') if scale is None else ('integer', 'iu')
            output = outputs[index]
            if output.shape != shape or output.dtype.kind not in kinds:
                raise ValueError(f'output {index} is {output.dtype}{list(output.shape)}: '
                                 f'the head has {word}{list(shape)}')

    def class_gate(self, outputs: Sequence[Array], floor: float) -> ClassGate:
        """Turn the lowest logit that may do into raw values."""
        dtype = outputs[self._level.class_output].dtype
        gate = np.broadcast_to(_gate(floor, self._level.class_scale, dtype), self._num_classes)
        return ClassGate(gate, self._tensors.spread(gate))

    def centerness_gate(self, outputs: Sequence[Array], floor: float) -> Array:
        """Turn the lowest logit that may do into the raw value of each cell, (cells,)."""
        dtype = outputs[self._level.centerness_output].dtype
        return np.broadcast_to(
            _gate(floor, self._level.centerness_scale, dtype), self._tensors.cells)

    def sweep(
        self, outputs: Sequence[Array], gate: ClassGate, centred: NDArray[np.bool_],
    ) -> Hits | None:
        """Compare all class logits in the order of memory; `centred` marks the cells to read."""
        raw = outputs[self._level.class_output].reshape(self._mask.marks.shape)
        np.greater_equal(raw, gate.spread, out=self._mask.marks)
        words = self._mask.words()
        if not words.size:
            return None
        if words.size > self._tensors.cells:  # more hits than cells
            own = centred[self._start:self._start + self._tensors.cells].nonzero()[0]
            return self._best(self._tensors.take(raw, own), own + self._start)
        cells, class_ids, hits = self._tensors.place(
            self._mask.positions(words), self._num_classes)
        logits = raw.reshape(-1).take(hits) * self._class_scale.take(class_ids)
        return Hits(cells + self._start, class_ids, logits)

    def pick(self, outputs: Sequence[Array], gate: ClassGate, cells: Indices) -> Hits | None:
        """Compare the class logits of some cells."""
        raw = self._tensors.take(outputs[self._level.class_output], cells - self._start)
        marks = np.greater_equal(raw, gate.channels)
        count = np.count_nonzero(marks)
        if not count:
            return None
        if count > cells.size:
            return self._best(raw, cells)
        hits = marks.reshape(-1).nonzero()[0]
        rows, class_ids = np.divmod(hits, self._num_classes)
        logits = raw.reshape(-1).take(hits) * self._class_scale.take(class_ids)
        return Hits(cells.take(rows), class_ids, logits)

    def logits(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """All class logits of some cells, (N, C)."""
        raw = self._tensors.take(outputs[self._level.class_output], cells - self._start)
        logits: Floats = raw * self._class_scale
        return logits

    def distances(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """Distances l, t, r, b of some cells in canvas pixels, (N, 4)."""
        raw = self._tensors.take(outputs[self._level.box_output], cells - self._start)
        distances: Floats = raw * self._box_scale
        return distances

    def _best(self, raw: Array, cells: Indices) -> Hits:
        """Dequantise all logits of some cells: the shortest way when the gate is very low."""
        logits = raw * self._class_scale
        missing = np.isnan(logits)
        logits[missing] = -np.inf
        class_ids = logits.argmax(axis=1)
        best = logits[np.arange(cells.size), class_ids]
        best[missing.all(axis=1)] = np.nan
        return Hits(cells, class_ids, best)


class _Mask:
    """Scratch memory with a mark for each number of a tensor, of which few will be set."""

    def __init__(self, shape: tuple[int, int]) -> None:
        count = shape[0] * shape[1]
        memory = np.zeros(-(-count // 8) * 8, np.bool_)
        self.marks = memory[:count].reshape(shape)
        self._eights = memory.reshape(-1, 8)
        self._words = memory.view(np.uint64)

    def words(self) -> Indices:
        """Find the groups of eight that have a mark: nearly all have none."""
        return np.not_equal(self._words, 0).nonzero()[0]

    def positions(self, words: Indices) -> Indices:
        """Find the marks in groups of eight."""
        found = self._eights.take(words, axis=0).reshape(-1).nonzero()[0]
        positions: Indices = words.take(found >> 3) * 8 + (found & 7)
        return positions


class _Layout(Protocol):
    """How the tensors of one level lie in memory."""

    cells: int

    def shape(self, channels: int) -> tuple[int, ...]:
        """Shape of a tensor."""

    def flat_shape(self, channels: int) -> tuple[int, int]:
        """Long rows of the same memory, as many short ones are slow to compare."""

    def spread(self, gate: Array) -> Array:
        """Bring one value for each channel to where it meets its channel in `flat_shape`."""

    def place(self, hits: Indices, channels: int) -> tuple[Indices, Indices, Indices]:
        """Order positions in memory by cell, then channel; return cells, channels, positions."""

    def take(self, tensor: Array, cells: Indices) -> Array:
        """Values of some cells, (N, channels)."""


class _ChannelsLast:
    """Tensors of shape (1, height, width, channels)."""

    def __init__(self, grid: Size) -> None:
        self._grid = grid
        self.cells = grid.width * grid.height

    def shape(self, channels: int) -> tuple[int, ...]:
        return 1, self._grid.height, self._grid.width, channels

    def flat_shape(self, channels: int) -> tuple[int, int]:
        return self._grid.height, self._grid.width * channels

    def spread(self, gate: Array) -> Array:
        return np.tile(gate, self._grid.width)

    def place(self, hits: Indices, channels: int) -> tuple[Indices, Indices, Indices]:
        cells = hits // channels
        return cells, hits - cells * channels, hits

    def take(self, tensor: Array, cells: Indices) -> Array:
        return tensor.reshape(self.cells, -1).take(cells, axis=0)


class _ChannelsFirst:
    """Tensors of shape (1, channels, height, width)."""

    def __init__(self, grid: Size) -> None:
        self._grid = grid
        self.cells = grid.width * grid.height

    def shape(self, channels: int) -> tuple[int, ...]:
        return 1, channels, self._grid.height, self._grid.width

    def flat_shape(self, channels: int) -> tuple[int, int]:
        return channels, self.cells

    def spread(self, gate: Array) -> Array:
        return gate[:, None]

    def place(self, hits: Indices, channels: int) -> tuple[Indices, Indices, Indices]:
        class_ids = hits // self.cells
        cells = hits - class_ids * self.cells
        order = cells.argsort(kind='stable')
        return cells.take(order), class_ids.take(order), hits.take(order)

    def take(self, tensor: Array, cells: Indices) -> Array:
        return np.ascontiguousarray(tensor.reshape(-1, self.cells).take(cells, axis=1).T)


_LAYOUTS: dict[str, Callable[[Size], _Layout]] = {'NHWC': _ChannelsLast, 'NCHW': _ChannelsFirst}


def _factor(scale: Array | None) -> Floats:
    return np.ones(1) if scale is None else scale.astype(np.float64)


def logit_floor(threshold: float) -> float:
    """
    Lower bound of the logits that can reach the threshold.

    It is the logit of threshold squared, less a margin that is far above all rounding errors and
    far below any step that matters.
    """
    if threshold == 0:
        return -math.inf
    return 2 * math.log(threshold) - math.log1p(-threshold**2 * (1 - 1e-9)) - 1e-9


def _gate(floor: float, scale: Array | None, dtype: np.dtype[Any]) -> Array:
    """Raw values, (1,) or (channels,), that are not above any raw value of a logit >= floor."""
    if scale is None:
        rounded = np.array([floor], dtype)
        down = np.nextafter(rounded, np.array(-np.inf, dtype))
        return np.where(rounded.astype(np.float64) > floor, down, rounded)
    limits = np.iinfo(dtype)
    with np.errstate(all='ignore'):
        lowest = np.floor(floor / _factor(scale))
    # Greater integers mean greater logits only where the scale is positive: elsewhere all pass.
    return np.where(scale > 0, np.clip(lowest, limits.min, limits.max), limits.min).astype(dtype)


def _points(level: Level, offset: float) -> Floats:
    y, x = np.mgrid[:level.grid.height, :level.grid.width].reshape(2, -1)
    return np.asarray((np.stack([x, y, x, y], axis=1) + offset) * level.stride, np.float64)
