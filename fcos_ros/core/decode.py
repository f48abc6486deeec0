# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From the raw outputs of an FCOS network to objects, in canvas pixels.

The outputs hold hundreds of thousands of numbers, and all but a few belong to cells that see
nothing. As score = sqrt(sigmoid(class) * sigmoid(centerness)) and no sigmoid is above 1, both must
reach threshold squared. That makes a smallest raw value, the gate, for each channel, an integer
where the output is an integer; comparing raw values with the gates rules out nearly all logits.
Only the rest, the hits, are dequantised. The result is the same as if all had been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Detections
from fcos_ros.core.head import Head, Level
from fcos_ros.core.nms import Indices, nms_sorted
from fcos_ros.core.resize import Size

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Criteria:
    """
    What counts as a detection.

    :ivar score_threshold: lowest score, from 0 to 1.
    :ivar nms_threshold: of two boxes of a class with an IoU above this, the better one stays.
    :ivar max_detections: most detections in one image.
    :ivar top_k: most candidates that enter NMS, best first.
    :ivar class_ids: the wanted classes, None for all. A cell votes for its best class only: one
        that looks more like a dog is no person, even when nobody asks for dogs.
    """

    score_threshold: float = 0.5
    nms_threshold: float = 0.6
    max_detections: int = 100
    top_k: int = 500
    class_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ('score_threshold', 'nms_threshold'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} is {getattr(self, name)}: accepted are 0 to 1')
        for name in ('max_detections', 'top_k'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} is {getattr(self, name)}: at least 1 is needed')


class Decoder:
    """
    Reads the outputs of one network.

    Owns scratch memory: give each thread a decoder of its own.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        cells = [level.grid.width * level.grid.height for level in head.levels]
        self._starts = np.cumsum([0, *cells])
        self._readers = tuple(
            _LevelReader(head, level, start) for level, start in zip(head.levels, self._starts))
        self._points = np.concatenate([reader.points for reader in self._readers])
        self._centerness_scale = np.concatenate([
            np.broadcast_to(_factor(level.centerness_scale), count)
            for level, count in zip(head.levels, cells)])
        self._rules: _Rules | None = None

    def __call__(self, outputs: Sequence[Array], criteria: Criteria) -> Detections:
        """
        Decode one image.

        :param outputs: the network's raw outputs in the order that `Head.recognise` saw; they
            are left unchanged and not kept. A class logit that is not a number is a class that
            is not there; a centerness or a box that is not finite makes no detection.
        :returns: detections in canvas pixels (not clipped to the canvas), best score first.
        :raises ValueError: the outputs are not of the head's number, shapes and kind, or the
            criteria name a class that the network does not have.
        """
        rules = self._rules_for(outputs, criteria)
        with np.errstate(all='ignore'):  # a broken network's infinities are no news to the log
            centerness = np.concatenate(
                [outputs[level.centerness_output].reshape(-1) for level in self._head.levels])
            hits = self._hits(outputs, centerness, rules)
            if hits is None:
                return Detections.empty()
            candidates = self._candidates(outputs, centerness, _best_per_cell(hits), rules)
        return Detections.empty() if candidates is None else _select(candidates, criteria)

    def _rules_for(self, outputs: Sequence[Array], criteria: Criteria) -> _Rules:
        """Translate the criteria into raw values, anew only when something has changed."""
        kinds = [(output.shape, output.dtype) for output in outputs]
        rules = self._rules
        if rules is None or rules.kinds != kinds or rules.criteria != criteria:
            if len(outputs) != 3 * len(self._readers):
                raise ValueError(f'{len(outputs)} outputs: the head has {3 * len(self._readers)}')
            for reader in self._readers:
                reader.check(outputs)
            wanted = _wanted_classes(criteria, self._head.num_classes)
            floor = _logit_floor(criteria.score_threshold)
            centerness = [reader.centerness_gate(outputs, floor) for reader in self._readers]
            classes = [reader.class_gate(outputs, floor) for reader in self._readers]
            rules = _Rules(criteria, kinds, wanted, np.concatenate(centerness), classes)
            self._rules = rules
        return rules

    def _hits(
        self, outputs: Sequence[Array], centerness: Array, rules: _Rules,
    ) -> _Hits | None:
        """Find the class logits that may belong to a detection; None when there are none."""
        centred = centerness >= rules.centerness_gate
        if np.count_nonzero(centred) * _SPARSE > centred.size:
            found = [reader.sweep(outputs, gate, centred)
                     for reader, gate in zip(self._readers, rules.class_gates)]
        else:
            found = [self._readers[level].pick(outputs, rules.class_gates[level], cells)
                     for level, cells in self._by_level(centred.nonzero()[0])]
        return _joined([hits for hits in found if hits is not None])

    def _candidates(
        self, outputs: Sequence[Array], centerness: Array, best: _Hits, rules: _Rules,
    ) -> _Candidates | None:
        """Score one hit of each cell, keep those that reach the threshold, find their boxes."""
        factor = self._centerness_scale.take(best.cells)
        scores = np.sqrt(_sigmoid(best.logits) * _sigmoid(centerness.take(best.cells) * factor))
        passing = scores >= rules.criteria.score_threshold
        if rules.wanted is not None:
            passing &= rules.wanted.take(best.class_ids)
        kept = passing.nonzero()[0]
        if not kept.size:
            return None
        cells = best.cells.take(kept)
        distances = np.concatenate([
            self._readers[level].distances(outputs, part)
            for level, part in self._by_level(cells)])
        boxes = self._points.take(cells, axis=0) + np.maximum(distances, 0) * _OUTWARD
        return _Candidates(
            boxes.astype(np.float32), scores.take(kept), best.class_ids.take(kept))

    def _by_level(self, cells: Indices) -> Iterator[tuple[int, Indices]]:
        """Divide ascending cells by level, leaving out the levels that have none."""
        bounds = np.searchsorted(cells, self._starts).tolist()
        return ((level, cells[start:end])
                for level, (start, end) in enumerate(pairwise(bounds)) if end > start)


class _Rules(NamedTuple):
    """What `Criteria` mean for raw values of these shapes and types."""

    criteria: Criteria
    kinds: list[tuple[Any, ...]]
    wanted: NDArray[np.bool_] | None
    """(C,), None when all are."""
    centerness_gate: Array
    """(cells of all levels,)"""
    class_gates: list[_ClassGate]


class _ClassGate(NamedTuple):
    """The smallest raw class logits with which a cell may reach the threshold."""

    channels: Array
    """(C,)"""
    spread: Array
    """The same, to compare with the tensor as it lies in memory."""


class _Hits(NamedTuple):
    """Class logits that may belong to a detection, ascending by cell, then by class."""

    cells: Indices
    class_ids: Indices
    logits: Floats


class _Candidates(NamedTuple):
    """Cells that reach the threshold, ascending."""

    boxes: NDArray[np.float32]
    scores: Floats
    class_ids: Indices


class _LevelReader:
    """Reads what one level says about its cells, which count on from those of finer levels."""

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

    def check(self, outputs: Sequence[Array]) -> None:
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

    def class_gate(self, outputs: Sequence[Array], floor: float) -> _ClassGate:
        dtype = outputs[self._level.class_output].dtype
        gate = np.broadcast_to(_gate(floor, self._level.class_scale, dtype), self._num_classes)
        return _ClassGate(gate, self._tensors.spread(gate))

    def centerness_gate(self, outputs: Sequence[Array], floor: float) -> Array:
        dtype = outputs[self._level.centerness_output].dtype
        return np.broadcast_to(
            _gate(floor, self._level.centerness_scale, dtype), self._tensors.cells)

    def sweep(
        self, outputs: Sequence[Array], gate: _ClassGate, centred: NDArray[np.bool_],
    ) -> _Hits | None:
        """Compare all class logits, in the order of memory."""
        raw = outputs[self._level.class_output].reshape(self._mask.marks.shape)
        np.greater_equal(raw, gate.spread, out=self._mask.marks)
        words = self._mask.words()
        if not words.size:
            return None
        if words.size > self._tensors.cells:
            own = centred[self._start:self._start + self._tensors.cells].nonzero()[0]
            return self._best(self._tensors.take(raw, own), own + self._start)
        cells, class_ids, hits = self._tensors.place(
            self._mask.positions(words), self._num_classes)
        logits = raw.reshape(-1).take(hits) * self._class_scale.take(class_ids)
        return _Hits(cells + self._start, class_ids, logits)

    def pick(
        self, outputs: Sequence[Array], gate: _ClassGate, cells: Indices,
    ) -> _Hits | None:
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
        return _Hits(cells.take(rows), class_ids, logits)

    def _best(self, raw: Array, cells: Indices) -> _Hits:
        """Dequantise all logits of some cells: the shortest way when the gate is very low."""
        logits = raw * self._class_scale
        missing = np.isnan(logits)
        logits[missing] = -np.inf
        class_ids = logits.argmax(axis=1)
        best = logits[np.arange(cells.size), class_ids]
        best[missing.all(axis=1)] = np.nan
        return _Hits(cells, class_ids, best)

    def distances(self, outputs: Sequence[Array], cells: Indices) -> Floats:
        """Distances l, t, r, b of some cells in canvas pixels, (N, 4)."""
        raw = self._tensors.take(outputs[self._level.box_output], cells - self._start)
        distances: Floats = raw * self._box_scale
        return distances


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

_OUTWARD = np.array([-1, -1, 1, 1], np.float64)

# When less than one cell in four passes the gate of centerness, it is cheaper to pick the class
# logits of those cells than to sweep over all; see benchmarks/decode.py.
_SPARSE = 4


def _factor(scale: Array | None) -> Floats:
    return np.ones(1) if scale is None else scale.astype(np.float64)


def _points(level: Level, offset: float) -> Floats:
    """The point of each cell, (cells, 4) as (x, y, x, y) in canvas pixels."""
    y, x = np.mgrid[:level.grid.height, :level.grid.width].reshape(2, -1)
    return np.asarray((np.stack([x, y, x, y], axis=1) + offset) * level.stride, np.float64)


def _wanted_classes(criteria: Criteria, num_classes: int) -> NDArray[np.bool_] | None:
    if criteria.class_ids is None:
        return None
    if any(not 0 <= index < num_classes for index in criteria.class_ids):
        raise ValueError(f'class_ids are {criteria.class_ids}: the network has the classes '
                         f'0 to {num_classes - 1}')
    wanted = np.zeros(num_classes, bool)
    wanted[list(criteria.class_ids)] = True
    return wanted


def _logit_floor(threshold: float) -> float:
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
    factor = scale.astype(np.float64)
    with np.errstate(all='ignore'):
        lowest = np.floor(floor / factor)
    # Greater integers mean greater logits only where the scale is positive: elsewhere all pass.
    return np.where(factor > 0, np.clip(lowest, limits.min, limits.max), limits.min).astype(dtype)


def _sigmoid(logits: Floats) -> Floats:
    sigmoid: Floats = 1 / (1 + np.exp(-logits))
    return sigmoid


def _joined(parts: Sequence[_Hits]) -> _Hits | None:
    if not parts:
        return None
    cells, class_ids, logits = zip(*parts)
    return _Hits(np.concatenate(cells), np.concatenate(class_ids), np.concatenate(logits))


def _best_per_cell(hits: _Hits) -> _Hits:
    """Keep the greatest logit of each cell, of equal ones that of the lowest class."""
    starts = _changes(hits.cells)
    if starts.size == hits.cells.size:
        return hits
    winners = np.lexsort((-hits.logits, hits.cells)).take(starts)
    return _Hits(hits.cells.take(winners), hits.class_ids.take(winners), hits.logits.take(winners))


def _changes(ascending: Indices) -> Indices:
    """Positions where a new value begins."""
    new = np.ones(ascending.size, bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new.nonzero()[0]


def _select(found: _Candidates, criteria: Criteria) -> Detections:
    """Keep the best candidates and let NMS thin them out."""
    boxes, scores, class_ids = found
    if not np.isfinite(boxes).all():
        finite = np.isfinite(boxes).all(axis=1)
        boxes, scores, class_ids = boxes[finite], scores[finite], class_ids[finite]
    order = np.argsort(-scores, kind='stable')[:criteria.top_k]
    boxes, class_ids = boxes.take(order, axis=0), class_ids.take(order)
    kept = nms_sorted(boxes, class_ids, criteria.nms_threshold, criteria.max_detections)
    return Detections(
        boxes.take(kept, axis=0),
        scores.take(order.take(kept)).astype(np.float32),
        class_ids.take(kept).astype(np.int32))
