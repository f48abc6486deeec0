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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.head import Head
from fcos_ros.core.level import Array, ClassGate, Hits, LevelReader, logit_floor
from fcos_ros.core.nms import Floats, Indices, nms_sorted
from fcos_ros.core.zones import EVERYWHERE, Zones


@dataclass(frozen=True)
class Criteria:
    """
    What counts as a detection.

    A cell of the network votes for its best class only: one that looks more like a dog is no
    person, even when nobody asks for dogs, or when it misses the threshold of dogs and would
    reach that of persons. So a stricter threshold only ever takes detections away.

    :ivar score_threshold: lowest score, from 0 to 1.
    :ivar nms_threshold: of two boxes of a class with an IoU above this, the better one stays.
    :ivar max_detections: most detections in one image.
    :ivar top_k: most candidates that enter NMS, best first.
    :ivar class_ids: the wanted classes, None for all.
    :ivar class_thresholds: the lowest score of classes that have one of their own, as pairs of
        class and score.
    :ivar min_size: least width and least height of a box, in pixels of the image; of an object
        that is cut off, what is seen counts.
    :ivar hypotheses: how many classes a detection names at most: its own and the next best of
        the same cell, as far as they are wanted and reach the lowest threshold of a wanted class.
    :ivar zones: where in the image objects count.
    """

    score_threshold: float = 0.5
    nms_threshold: float = 0.6
    max_detections: int = 100
    top_k: int = 500
    class_ids: tuple[int, ...] | None = None
    class_thresholds: tuple[tuple[int, float], ...] = ()
    min_size: float = 0.0
    hypotheses: int = 1
    zones: Zones = EVERYWHERE

    def __post_init__(self) -> None:
        for name in ('score_threshold', 'nms_threshold'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} is {getattr(self, name)}: accepted are 0 to 1')
        for name in ('max_detections', 'top_k', 'hypotheses'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} is {getattr(self, name)}: at least 1 is needed')
        if not 0 <= self.min_size < math.inf:
            raise ValueError(f'min_size is {self.min_size}: accepted are 0 pixels and more')
        for class_id, threshold in self.class_thresholds:
            if not 0 <= threshold <= 1:
                raise ValueError(f'class_thresholds has {threshold} for class {class_id}: '
                                 'accepted are 0 to 1')
        if len(dict(self.class_thresholds)) < len(self.class_thresholds):
            raise ValueError(f'class_thresholds are {self.class_thresholds}: '
                             'a class can have one only')

    def thresholds(self, num_classes: int) -> Floats:
        """
        Say the lowest score of each class of a network, infinite for those that are not wanted.

        :returns: (num_classes,).
        :raises ValueError: a class is named that the network does not have.
        """
        own = dict(self.class_thresholds)
        _require_classes('class_ids', self.class_ids or (), num_classes)
        _require_classes('class_thresholds', own, num_classes)
        wanted = range(num_classes) if self.class_ids is None else self.class_ids
        thresholds = np.full(num_classes, np.inf)
        for class_id in wanted:
            thresholds[class_id] = own.get(class_id, self.score_threshold)
        return thresholds

    def reached(self, detections: Detections) -> NDArray[np.bool_]:
        """
        Tell which detections are of a wanted class and reach its threshold.

        :returns: (N,); scores are compared in float32.
        """
        thresholds = np.full(len(detections), self.score_threshold, np.float32)
        for class_id, threshold in self.class_thresholds:
            thresholds[detections.class_ids == class_id] = threshold
        return (detections.scores >= thresholds) & self.wants(detections.class_ids)

    def wants(self, class_ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell which of these classes are to be reported; any shape."""
        if self.class_ids is None:
            return np.ones(class_ids.shape, bool)
        return np.isin(class_ids, self.class_ids)

    def lowered(self, threshold: float) -> Criteria:
        """
        Want the same down to a lower score, and as many as `top_k` lets through.

        What is found then holds all that is found now, as far as `top_k` leaves room.

        :param threshold: takes the place of every threshold above it.
        """
        return replace(
            self, score_threshold=min(self.score_threshold, threshold),
            max_detections=max(self.max_detections, self.top_k),
            class_thresholds=tuple((class_id, min(own, threshold))
                                   for class_id, own in self.class_thresholds))


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
        self._rules: dict[tuple[Any, ...], _Rules] = {}

    def __call__(self, outputs: Sequence[Array], criteria: Criteria) -> Detections:
        """
        Decode one image, but for what `selection` judges: size, place and number.

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
            if candidates is None:
                return Detections.empty()
            found = _thinned(candidates, criteria)
            others = criteria.hypotheses - 1
            alternatives = (self._alternatives(outputs, centerness, found, rules, others)
                            if others and found.cells.size else None)
        return Detections(found.boxes, found.scores.astype(np.float32),
                          found.class_ids.astype(np.int32), alternatives)

    def _rules_for(self, outputs: Sequence[Array], criteria: Criteria) -> _Rules:
        """Translate the criteria into raw values, once for each camera that has its own."""
        kinds = [(output.shape, output.dtype) for output in outputs]
        wanted = criteria.score_threshold, criteria.class_ids, criteria.class_thresholds
        rules = self._rules.get(wanted)
        if rules is None or rules.kinds != kinds:
            rules = self._new_rules(outputs, criteria.thresholds(self._head.num_classes), kinds)
            if len(self._rules) >= _MANY_RULES:
                self._rules.clear()
            self._rules[wanted] = rules
        return rules

    def _new_rules(
        self, outputs: Sequence[Array], thresholds: Floats, kinds: list[tuple[Any, ...]],
    ) -> _Rules:
        if len(outputs) != 3 * len(self._readers):
            raise ValueError(f'{len(outputs)} outputs: the head has {3 * len(self._readers)}')
        for reader in self._readers:
            reader.check(outputs)
        # One gate for all classes: which is the best of a cell shows only when none that may be
        # better is missing.
        lowest = float(min(thresholds.min(), 1))
        floor = logit_floor(lowest)
        centerness = [reader.centerness_gate(outputs, floor) for reader in self._readers]
        classes = [reader.class_gate(outputs, floor) for reader in self._readers]
        return _Rules(kinds, thresholds, lowest, np.concatenate(centerness), classes)

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
        scores = np.sqrt(_sigmoid(best.logits) * self._centred(centerness, best.cells))
        kept = (scores >= rules.thresholds.take(best.class_ids)).nonzero()[0]
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
        """Find the next best classes of the cells that made detections, one or more."""
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
        """Sigmoid of the centerness of some cells."""
        return _sigmoid(centerness.take(cells) * self._centerness_scale.take(cells))

    def _by_level(self, cells: Indices) -> Iterator[tuple[int, Indices]]:
        """Divide ascending cells by level, leaving out the levels that have none."""
        bounds = np.searchsorted(cells, self._starts).tolist()
        return ((level, cells[start:end])
                for level, (start, end) in enumerate(pairwise(bounds)) if end > start)


class _Rules(NamedTuple):
    """What `Criteria` mean for raw values of these shapes and types."""

    kinds: list[tuple[Any, ...]]
    thresholds: Floats
    """(C,), infinite for classes that are not wanted."""
    lowest: float
    centerness_gate: Array
    """(cells of all levels,)"""
    class_gates: list[ClassGate]


class _Candidates(NamedTuple):
    """Cells that reach the threshold, and what they see."""

    boxes: NDArray[np.float32]
    scores: Floats
    class_ids: Indices
    cells: Indices

    def take(self, index: Indices) -> _Candidates:
        return _Candidates(self.boxes.take(index, axis=0), self.scores.take(index),
                           self.class_ids.take(index), self.cells.take(index))


_OUTWARD = np.array([-1, -1, 1, 1], np.float64)

_MANY_RULES = 32
"""More are only seen while somebody moves a slider: then the past is forgotten."""

# When less than one cell in four passes the gate of centerness, it is cheaper to pick the class
# logits of those cells than to sweep over all; see benchmarks/decode.py.
_SPARSE = 4


def _require_classes(name: str, named: Iterable[int], num_classes: int) -> None:
    if any(not 0 <= class_id < num_classes for class_id in named):
        raise ValueError(f'{name} are {tuple(named)}: the network has the classes '
                         f'0 to {num_classes - 1}')


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


def _thinned(found: _Candidates, criteria: Criteria) -> _Candidates:
    """Keep the best candidates, best first, and let NMS thin them out."""
    finite = np.isfinite(found.boxes)
    if not finite.all():
        found = found.take(finite.all(axis=1).nonzero()[0])
    order = np.argsort(-found.scores, kind='stable')[:criteria.top_k]
    boxes, class_ids = found.boxes.take(order, axis=0), found.class_ids.take(order)
    return found.take(order.take(nms_sorted(boxes, class_ids, criteria.nms_threshold)))
