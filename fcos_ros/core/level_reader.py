# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the raw outputs of one level without dequantising all of them.

A gate is the lowest raw value with which a cell may reach the score threshold. Logits at or above
it are hits, and only hits are dequantised. A gate may be slightly too low but is never too high,
so no detection is lost. The exact score decides later which hits become detections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
from typing import Any, NamedTuple, Protocol

import numpy as np

from fcos_ros.core.arrays import Array, Floats, Indices, Mask
from fcos_ros.core.head import Head, Level
from fcos_ros.core.resize import Size


class ClassGate(NamedTuple):
    """The lowest raw class logits with which a cell may reach the threshold."""

    per_class: Array
    """(C,)"""
    broadcastable: Array
    """The same values, in a shape that broadcasts to `_TensorLayout.flat_shape`."""


class Hits(NamedTuple):
    """Class logits that may belong to a detection, ascending by cell, then by class."""

    cells: Indices
    class_ids: Indices
    logits: Floats


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
        self._tensors: _TensorLayout = _TENSOR_LAYOUTS[level.layout](level.grid)
        self._class_scale = np.broadcast_to(_factor(level.class_scale), head.num_classes)
        unit = level.stride if head.box_unit == 'stride' else 1
        self._box_scale = _factor(level.box_scale) * unit
        self._scratch = _ScratchMask(self._tensors.flat_shape(head.num_classes))
        self.points = _points(level, head.point_offset)
        self.centerness_scale = np.broadcast_to(
            _factor(level.centerness_scale), self._tensors.cells)

    def check(self, outputs: Sequence[Array]) -> None:
        """Raise ValueError if an output has another shape or kind of number than the level."""
        level = self._level
        for index, channels, scale in (
            (level.class_output, self._num_classes, level.class_scale),
            (level.box_output, 4, level.box_scale),
            (level.centerness_output, 1, level.centerness_scale),
        ):
            shape = self._tensors.shape(channels)
            kind, codes = ('float', 'f') if scale is None else ('integer', 'iu')
            output = outputs[index]
            if output.shape != shape or output.dtype.kind not in codes:
                raise ValueError(f'output {index} is {output.dtype}{list(output.shape)}; '
                                 f'accepted: {kind}{list(shape)}, as in the head')

    def class_gate(self, outputs: Sequence[Array], floor: float) -> ClassGate:
        """Convert the lowest logit that may become a detection to raw values."""
        dtype = outputs[self._level.class_output].dtype
        gate = np.broadcast_to(_gate(floor, self._level.class_scale, dtype), self._num_classes)
        return ClassGate(gate, self._tensors.broadcastable(gate))

    def centerness_gate(self, outputs: Sequence[Array], floor: float) -> Array:
        """Convert the lowest logit that may become a detection to raw values, (cells,)."""
        dtype = outputs[self._level.centerness_output].dtype
        return np.broadcast_to(
            _gate(floor, self._level.centerness_scale, dtype), self._tensors.cells)

    def scan(
        self, outputs: Sequence[Array], gate: ClassGate, centred: Mask,
    ) -> Hits | None:
        """
        Return the hits among all class logits; None without hits.

        :param centred: the cells of all levels that may become detections. It is only used when
            there are more hits than cells; else hits of other cells are returned, too.
        """
        raw = outputs[self._level.class_output].reshape(self._scratch.marks.shape)
        np.greater_equal(raw, gate.broadcastable, out=self._scratch.marks)
        words = self._scratch.words()
        if not words.size:
            return None
        if words.size > self._tensors.cells:  # more hits than cells
            own = centred[self._start:self._start + self._tensors.cells].nonzero()[0]
            return self._best(self._tensors.take(raw, own), own + self._start)
        cells, class_ids, hits = self._tensors.locate(
            self._scratch.positions(words), self._num_classes)
        logits = raw.reshape(-1).take(hits) * self._class_scale.take(class_ids)
        return Hits(cells + self._start, class_ids, logits)

    def scan_cells(self, outputs: Sequence[Array], gate: ClassGate, cells: Indices) -> Hits | None:
        """Return the hits among the class logits of some cells; None without hits."""
        raw = self._tensors.take(outputs[self._level.class_output], cells - self._start)
        marks = np.greater_equal(raw, gate.per_class)
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
        """Return all class logits of some cells, (N, C)."""
        raw = self._tensors.take(outputs[self._level.class_output], cells - self._start)
        logits: Floats = raw * self._class_scale
        return logits

    def distances(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """Return the distances l, t, r, b of some cells in canvas pixels, (N, 4)."""
        raw = self._tensors.take(outputs[self._level.box_output], cells - self._start)
        distances: Floats = raw * self._box_scale
        return distances

    def _best(self, raw: Array, cells: Indices) -> Hits:
        """Return the best logit of each cell: the fastest way when the gate is very low."""
        logits = raw * self._class_scale
        missing = np.isnan(logits)
        logits[missing] = -np.inf
        class_ids = logits.argmax(axis=1)
        best = logits[np.arange(cells.size), class_ids]
        best[missing.all(axis=1)] = np.nan
        return Hits(cells, class_ids, best)


class _ScratchMask:
    """Scratch memory with a mark for each number of a tensor; fast if few marks are set."""

    def __init__(self, shape: tuple[int, int]) -> None:
        count = shape[0] * shape[1]
        memory = np.zeros(-(-count // 8) * 8, np.bool_)
        self.marks = memory[:count].reshape(shape)
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

    cells: int

    def shape(self, channels: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""

    def flat_shape(self, channels: int) -> tuple[int, int]:
        """Return a shape of the same memory with few long rows, which are faster to compare."""

    def broadcastable(self, gate: Array) -> Array:
        """Return one value for each channel in a shape that broadcasts to `flat_shape`."""

    def locate(self, hits: Indices, channels: int) -> tuple[Indices, Indices, Indices]:
        """
        Sort ascending positions in memory by cell, then by channel.

        :returns: cells, channels and positions.
        """

    def take(self, tensor: Array, cells: Indices) -> Array:
        """Return the values of some cells, (N, channels)."""


class _ChannelsLast:
    """Tensors of shape (1, height, width, channels)."""

    def __init__(self, grid: Size) -> None:
        self._grid = grid
        self.cells = grid.width * grid.height

    def shape(self, channels: int) -> tuple[int, ...]:
        return 1, self._grid.height, self._grid.width, channels

    def flat_shape(self, channels: int) -> tuple[int, int]:
        return self._grid.height, self._grid.width * channels

    def broadcastable(self, gate: Array) -> Array:
        return np.tile(gate, self._grid.width)

    def locate(self, hits: Indices, channels: int) -> tuple[Indices, Indices, Indices]:
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

    def broadcastable(self, gate: Array) -> Array:
        return gate[:, None]

    def locate(self, hits: Indices, channels: int) -> tuple[Indices, Indices, Indices]:
        class_ids = hits // self.cells
        cells = hits - class_ids * self.cells
        order = cells.argsort(kind='stable')
        return cells.take(order), class_ids.take(order), hits.take(order)

    def take(self, tensor: Array, cells: Indices) -> Array:
        return np.ascontiguousarray(tensor.reshape(-1, self.cells).take(cells, axis=1).T)


_TENSOR_LAYOUTS: dict[str, Callable[[Size], _TensorLayout]] = {
    'NHWC': _ChannelsLast, 'NCHW': _ChannelsFirst}


def _factor(scale: Array | None) -> Floats:
    return np.ones(1) if scale is None else scale.astype(np.float64)


def logit_floor(threshold: float) -> float:
    """
    Return a lower bound of the logits that can reach the score threshold.

    It is the logit of the squared threshold, minus a margin. The margin is far above all rounding
    errors and far below the differences that matter.
    """
    if threshold == 0:
        return -math.inf
    return 2 * math.log(threshold) - math.log1p(-threshold**2 * (1 - 1e-9)) - 1e-9


def _gate(floor: float, scale: Array | None, dtype: np.dtype[Any]) -> Array:
    """Return raw values, (1,) or (channels,), that every logit of at least `floor` reaches."""
    if scale is None:
        rounded = np.array([floor], dtype)
        down = np.nextafter(rounded, np.array(-np.inf, dtype))
        return np.where(rounded.astype(np.float64) > floor, down, rounded)
    limits = np.iinfo(dtype)
    with np.errstate(all='ignore'):
        lowest = np.floor(floor / _factor(scale))
    # Raw values grow with logits only where the scale is positive; elsewhere all pass.
    return np.where(scale > 0, np.clip(lowest, limits.min, limits.max), limits.min).astype(dtype)


def _points(level: Level, offset: float) -> Floats:
    y, x = np.mgrid[:level.grid.height, :level.grid.width].reshape(2, -1)
    return np.asarray((np.stack([x, y, x, y], axis=1) + offset) * level.stride, np.float64)
