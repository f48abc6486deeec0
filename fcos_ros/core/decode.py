# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decode the raw outputs of an FCOS network to detections, in canvas pixels.

The outputs hold hundreds of thousands of numbers, and nearly all belong to cells without an
object. The score is sqrt(sigmoid(class) * sigmoid(centerness)), and no sigmoid is above 1, so both
must reach the squared threshold. Comparing raw values with that limit rules out nearly all logits
(see `level_reader`). Only the rest is dequantised, in float64. The result is the same as if all
logits had been dequantised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fcos_ros.core.arrays import Array, Boxes, Floats, Indices
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.head import Head
from fcos_ros.core.level_reader import ClassGate, Hits, LevelReader, logit_floor
from fcos_ros.core.nms import nms_sorted


class Decoder:
    """
    Decode the outputs of one network.

    It owns scratch memory: give each thread a decoder of its own.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        cells = [level.grid.width * level.grid.height for level in head.levels]
        self._starts = np.cumsum([0, *cells])
        self._readers = tuple(
            LevelReader(head, level, start) for level, start in zip(head.levels, self._starts))
        self._points = np.concatenate([reader.points for reader in self._readers])
        self._centerness_scale = np.concatenate(
            [reader.centerness_scale for reader in self._readers])
        self._rules: dict[tuple[Any, ...], _Rules] = {}

    def decode(self, outputs: Sequence[Array], criteria: Criteria) -> Detections:
        """
        Decode one image. Size, zones and `max_detections` are applied later, by `selection`.

        :param outputs: the network's raw outputs in the order given to `Head.recognise`; they
            are neither changed nor kept. A class logit of NaN means that the class is absent.
            A centerness of NaN, a score of 0, or a box that is not finite makes no detection.
        :returns: detections in canvas pixels (not clipped to the canvas), best score first.
        :raises ValueError: the outputs differ from the head in number, shape or kind, or the
            criteria name a class that the network does not have.
        """
        rules = self._rules_for(outputs, criteria)
        with np.errstate(all='ignore'):  # a network may output infinities
            centerness = np.concatenate(
                [outputs[level.centerness_output].reshape(-1) for level in self._head.levels])
            hits = self._hits(outputs, centerness, rules)
            if hits is None:
                return Detections.empty()
            candidates = self._candidates(outputs, centerness, _best_per_cell(hits), rules)
            if candidates is None:
                return Detections.empty()
            found = _suppressed(candidates, criteria)
            others = criteria.hypotheses - 1
            alternatives = (self._alternatives(outputs, centerness, found, rules, others)
                            if others and found.cells.size else None)
        return Detections(found.boxes, found.scores.astype(np.float32),
                          found.class_ids.astype(np.int32), alternatives)

    def _rules_for(self, outputs: Sequence[Array], criteria: Criteria) -> _Rules:
        """Return the criteria as raw values, cached for each camera with criteria of its own."""
        kinds = [(output.shape, output.dtype) for output in outputs]
        wanted = criteria.score_threshold, criteria.class_ids, criteria.class_thresholds
        rules = self._rules.get(wanted)
        if rules is None or rules.kinds != kinds:
            rules = self._new_rules(outputs, criteria.thresholds(self._head.num_classes), kinds)
            if len(self._rules) >= _MAX_RULES:
                self._rules.clear()
            self._rules[wanted] = rules
        return rules

    def _new_rules(
        self, outputs: Sequence[Array], thresholds: Floats, kinds: list[tuple[Any, ...]],
    ) -> _Rules:
        if len(outputs) != 3 * len(self._readers):
            raise ValueError(f'the network has {len(outputs)} outputs; '
                             f'accepted: {3 * len(self._readers)}, as in the head')
        for reader in self._readers:
            reader.check(outputs)
        # All classes share one gate: the best class of a cell is only known when no better one is
        # missing.
        lowest = float(min(thresholds.min(), 1))
        floor = logit_floor(lowest)
        centerness = [reader.centerness_gate(outputs, floor) for reader in self._readers]
        classes = [reader.class_gate(outputs, floor) for reader in self._readers]
        return _Rules(kinds, thresholds, lowest, np.concatenate(centerness), classes)

    def _hits(
        self, outputs: Sequence[Array], centerness: Array, rules: _Rules,
    ) -> Hits | None:
        """Return the class logits that may belong to a detection; None when there are none."""
        centred = centerness >= rules.centerness_gate
        if np.count_nonzero(centred) * _SPARSE > centred.size:
            found = [reader.scan(outputs, gate, centred)
                     for reader, gate in zip(self._readers, rules.class_gates)]
        else:
            found = [self._readers[level].scan_cells(outputs, rules.class_gates[level], cells)
                     for level, cells in self._by_level(centred.nonzero()[0])]
        return _joined([hits for hits in found if hits is not None])

    def _candidates(
        self, outputs: Sequence[Array], centerness: Array, best: Hits, rules: _Rules,
    ) -> _Candidates | None:
        """Score one hit of each cell and read the boxes of those that reach the threshold."""
        scores = np.sqrt(_sigmoid(best.logits) * self._centred(centerness, best.cells))
        reached = (scores >= rules.thresholds.take(best.class_ids)) & (scores > 0)
        kept = reached.nonzero()[0]
        if not kept.size:
            return None
        cells = best.cells.take(kept)
        distances = np.concatenate([
            self._readers[level].distances(outputs, part)
            for level, part in self._by_level(cells)])
        boxes = self._points.take(cells, axis=0) + np.maximum(distances, 0) * _OUTWARD
        return _Candidates(
            boxes.astype(np.float32), scores.take(kept), best.class_ids.take(kept), cells)

    def _alternatives(
        self, outputs: Sequence[Array], centerness: Array, found: _Candidates, rules: _Rules,
        count: int,
    ) -> Alternatives:
        """Return the next best classes of the cells that made detections; at least one cell."""
        order = found.cells.argsort()
        cells = found.cells.take(order)
        logits = np.concatenate([
            self._readers[level].logits(outputs, part) for level, part in self._by_level(cells)])
        scores = np.sqrt(_sigmoid(logits) * self._centred(centerness, cells)[:, None])
        named = (scores >= rules.lowest) & (scores > 0) & (rules.thresholds < np.inf)
        np.put_along_axis(named, found.class_ids.take(order)[:, None], False, axis=1)
        ranks = np.where(named, -logits, np.inf).argsort(axis=1, kind='stable')[:, :count]
        named, scores = (np.take_along_axis(of, ranks, axis=1) for of in (named, scores))
        back = order.argsort()
        return Alternatives(
            np.where(named, ranks, -1).astype(np.int32)[back],
            np.where(named, scores, 0).astype(np.float32)[back])

    def _centred(self, centerness: Array, cells: Indices) -> Floats:
        """Return the sigmoid of the centerness of some cells."""
        return _sigmoid(centerness.take(cells) * self._centerness_scale.take(cells))

    def _by_level(self, cells: Indices) -> Iterator[tuple[int, Indices]]:
        """Divide ascending cells by level; levels without cells are left out."""
        bounds = np.searchsorted(cells, self._starts).tolist()
        return ((level, cells[start:end])
                for level, (start, end) in enumerate(pairwise(bounds)) if end > start)


class _Rules(NamedTuple):
    """`Criteria` converted to raw values of given shapes and dtypes."""

    kinds: list[tuple[Any, ...]]
    thresholds: Floats
    """(C,), infinite for classes that are not wanted."""
    lowest: float
    centerness_gate: Array
    """(cells of all levels,)"""
    class_gates: list[ClassGate]


class _Candidates(NamedTuple):
    """Cells that reach the threshold, with their boxes."""

    boxes: Boxes
    scores: Floats
    class_ids: Indices
    cells: Indices

    def take(self, index: Indices) -> _Candidates:
        return _Candidates(self.boxes.take(index, axis=0), self.scores.take(index),
                           self.class_ids.take(index), self.cells.take(index))


_OUTWARD = np.array([-1, -1, 1, 1], np.float64)

_MAX_RULES = 32
"""Cached rules. More occur only while a user moves a slider; then the cache is emptied."""

# When less than one cell in four passes the centerness gate, picking the class logits of those
# cells is faster than comparing all logits; see benchmarks/decode.py.
_SPARSE = 4


def _sigmoid(logits: Floats) -> Floats:
    sigmoid: Floats = 1 / (1 + np.exp(-logits))
    return sigmoid


def _joined(parts: Sequence[Hits]) -> Hits | None:
    if not parts:
        return None
    cells, class_ids, logits = zip(*parts)
    return Hits(np.concatenate(cells), np.concatenate(class_ids), np.concatenate(logits))


def _best_per_cell(hits: Hits) -> Hits:
    """Keep the highest logit of each cell; if equal, that of the lowest class."""
    starts = _changes(hits.cells)
    if starts.size == hits.cells.size:
        return hits
    winners = np.lexsort((-hits.logits, hits.cells)).take(starts)
    return Hits(hits.cells.take(winners), hits.class_ids.take(winners), hits.logits.take(winners))


def _changes(ascending: Indices) -> Indices:
    """Return the positions where a new value begins."""
    new = np.ones(ascending.size, bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new.nonzero()[0]


def _suppressed(found: _Candidates, criteria: Criteria) -> _Candidates:
    """Apply NMS to the best candidates, best first."""
    finite = np.isfinite(found.boxes)
    if not finite.all():
        found = found.take(finite.all(axis=1).nonzero()[0])
    order = np.argsort(-found.scores, kind='stable')[:criteria.top_k]
    boxes, class_ids = found.boxes.take(order, axis=0), found.class_ids.take(order)
    return found.take(order.take(nms_sorted(boxes, class_ids, criteria.nms_threshold)))
