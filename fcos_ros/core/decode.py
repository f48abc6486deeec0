# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From the raw outputs of an FCOS network to objects, in canvas pixels.

The outputs hold hundreds of thousands of numbers, and all but a few belong to cells that see
nothing. As score = sqrt(sigmoid(class) * sigmoid(centerness)) and no sigmoid is above 1, both must
reach threshold squared, and comparing raw values rules out nearly all logits (see `level`). Only
the rest is dequantised, in float64. The result is the same as if all had been.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Detections
from fcos_ros.core.head import Head
from fcos_ros.core.level import Array, ClassGate, Hits, LevelReader, logit_floor
from fcos_ros.core.nms import Floats, Indices, nms_sorted


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
            LevelReader(head, level, start) for level, start in zip(head.levels, self._starts))
        self._points = np.concatenate([reader.points for reader in self._readers])
        self._centerness_scale = np.concatenate(
            [reader.centerness_scale for reader in self._readers])
        self._rules: _Rules | None = None

    def __call__(self, outputs: Sequence[Array], criteria: Criteria) -> Detections:
        """
        Decode one image.

        :param outputs: the network's raw outputs in the order that `Head.recognise` saw; they
            are left unchanged and not kept. A class logit that is not a number is a class that
            is not there; a centerness that is not a number, or a box that is not finite, makes
            no detection.
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
            floor = logit_floor(criteria.score_threshold)
            centerness = [reader.centerness_gate(outputs, floor) for reader in self._readers]
            classes = [reader.class_gate(outputs, floor) for reader in self._readers]
            rules = _Rules(criteria, kinds, wanted, np.concatenate(centerness), classes)
            self._rules = rules
        return rules

    def _hits(
        self, outputs: Sequence[Array], centerness: Array, rules: _Rules,
    ) -> Hits | None:
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
        self, outputs: Sequence[Array], centerness: Array, best: Hits, rules: _Rules,
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
    class_gates: list[ClassGate]


class _Candidates(NamedTuple):
    """Cells that reach the threshold, ascending."""

    boxes: NDArray[np.float32]
    scores: Floats
    class_ids: Indices


_OUTWARD = np.array([-1, -1, 1, 1], np.float64)

# When less than one cell in four passes the gate of centerness, it is cheaper to pick the class
# logits of those cells than to sweep over all; see benchmarks/decode.py.
_SPARSE = 4


def _wanted_classes(criteria: Criteria, num_classes: int) -> NDArray[np.bool_] | None:
    if criteria.class_ids is None:
        return None
    if any(not 0 <= index < num_classes for index in criteria.class_ids):
        raise ValueError(f'class_ids are {criteria.class_ids}: the network has the classes '
                         f'0 to {num_classes - 1}')
    wanted = np.zeros(num_classes, bool)
    wanted[list(criteria.class_ids)] = True
    return wanted


def _sigmoid(logits: Floats) -> Floats:
    sigmoid: Floats = 1 / (1 + np.exp(-logits))
    return sigmoid


def _joined(parts: Sequence[Hits]) -> Hits | None:
    if not parts:
        return None
    cells, class_ids, logits = zip(*parts)
    return Hits(np.concatenate(cells), np.concatenate(class_ids), np.concatenate(logits))


def _best_per_cell(hits: Hits) -> Hits:
    """Keep the greatest logit of each cell, of equal ones that of the lowest class."""
    starts = _changes(hits.cells)
    if starts.size == hits.cells.size:
        return hits
    winners = np.lexsort((-hits.logits, hits.cells)).take(starts)
    return Hits(hits.cells.take(winners), hits.class_ids.take(winners), hits.logits.take(winners))


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
