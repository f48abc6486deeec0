# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decode the raw outputs of a network to detections, in canvas pixels.

The outputs of a `Head` hold hundreds of thousands of numbers, and nearly all belong to cells
without an object. A score is made of two probabilities (see `scores`), and no probability is
above 1, so each must reach a bound alone. Comparing raw values with that bound rules out nearly
all class values (see `level_reader`). Only the rest is dequantised, in float64. The result is the
same as if all values had been dequantised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Array, Boxes, Floats, Indices
from fcos_ros.core.candidates import (
    MARGIN,
    MAX_CANDIDATES,
    Candidates,
    Counted,
    decode_candidates,
    suppress,
)
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.head import AnyHead, DetectionOutputs, Head, OutputSpec
from fcos_ros.core.level_reader import ClassGates, HeadReader
from fcos_ros.core.native import Found, Limits, NativeDecoder, UnsupportedError, is_library_used
from fcos_ros.core.scores import Scoring


class Decoder(Protocol):
    """
    Convert the outputs of one network to detections.

    It may own scratch memory: give each thread a decoder of its own.
    """

    def decode(
        self, outputs: Sequence[Array], criteria: Criteria, counted: Counted | None = None,
    ) -> Detections:
        """
        Decode one image. Size, zones and `max_detections` are applied later, by `selection`.

        :param outputs: the network's raw outputs in the order of `Head.outputs`; they are neither
            changed nor kept.
        :param counted: which boxes count. Decoding may stop after `max_detections` of them, as
            no further detections are needed. None finds all detections.
        :returns: detections in canvas pixels (not clipped to the canvas), best score first.
        :raises ValueError: the outputs differ from the head in number, shape or kind, or the
            criteria name a class that the network does not have.
        """

    def candidates(self, outputs: Sequence[Array], floor: float) -> Candidates:
        """
        Return all boxes with scores of at least `floor`; a higher floor if there are too many.

        :param outputs: as for `decode`.
        :raises ValueError: the outputs differ from the head in number, shape or kind.
        """


def make_decoder(head: AnyHead, is_native: bool | None = None) -> Decoder:
    """
    Return a decoder for the outputs of a network.

    :param is_native: whether to use the compiled library; None uses it if it was built.
    :raises ValueError: the compiled library is wanted, and was not built.
    """
    if isinstance(head, DetectionOutputs):
        return DetectionReader(head)
    return HeadDecoder(head, is_native)


class HeadDecoder:
    """
    Decode the outputs of a network with levels of cells; see `Decoder`.

    A class value of NaN means that the class is absent. A centerness of NaN, a score of 0, or a
    box that is not finite makes no detection.

    :param is_native: whether to use the compiled library; None uses it if it was built.
    """

    def __init__(self, head: Head, is_native: bool | None = None) -> None:
        self._head = head
        self._is_native = is_library_used(is_native)
        self._scoring = Scoring(head.activation, head.score)
        self._reader = HeadReader(head)
        self._rules: dict[tuple[Any, ...], _Rules] = {}

    def decode(
        self, outputs: Sequence[Array], criteria: Criteria, counted: Counted | None = None,
    ) -> Detections:
        """Decode one image; see `Decoder.decode`."""
        rules = self._rules_for(outputs, criteria)
        found = (self._decode_in_c(rules, criteria, counted)
                 or self._decode_in_numpy(outputs, rules, criteria, counted))
        if found is None:
            return Detections.empty()
        others = criteria.hypotheses - 1
        alternatives = (self._alternatives(outputs, found, rules, others)
                        if others and found.cells.size else None)
        return Detections(found.boxes, found.scores, found.class_ids, alternatives)

    def candidates(self, outputs: Sequence[Array], floor: float) -> Candidates:
        """Return all boxes with scores of at least `floor`; see `Decoder.candidates`."""
        rules = self._rules_for(
            outputs, Criteria(score_threshold=min(floor, 1.0), one_class_per_cell=False))
        with np.errstate(all='ignore'):
            scored = self._find(outputs, rules)
            if scored is None:
                return Candidates.empty(floor)
            floor, scored = _best_scored(floor, scored)
            if not scored.cells.size:
                return Candidates.empty(floor)
            scored = scored.take(np.lexsort((scored.class_ids, -scored.values, scored.cells)))
            cells, firsts, counts = np.unique(
                scored.cells, return_index=True, return_counts=True)
            boxes = (self._reader.boxes(outputs, cells) if scored.boxes is None
                     else scored.boxes.take(firsts, axis=0))
            return Candidates(floor, boxes, counts.astype(np.int32),
                              scored.class_ids.astype(np.int32), scored.scores)

    def _rules_for(self, outputs: Sequence[Array], criteria: Criteria) -> _Rules:
        """Return the criteria as raw values, cached for each camera with criteria of its own."""
        wanted = (criteria.score_threshold, criteria.class_ids, criteria.class_thresholds,
                  criteria.one_class_per_cell)
        rules = self._rules.get(wanted)
        if rules is None or not rules.fit(outputs):
            rules = self._new_rules(outputs, criteria)
            if len(self._rules) >= _MAX_RULES:
                self._rules.clear()
            self._rules[wanted] = rules
        return rules

    def _new_rules(self, outputs: Sequence[Array], criteria: Criteria) -> _Rules:
        _require_outputs(outputs, self._head.outputs, _has_shape)
        thresholds = criteria.thresholds(self._head.num_classes)
        # All classes share one gate: the best class of a cell is only known when no better one is
        # missing.
        lowest = float(min(thresholds.min(), 1))
        thresholds = thresholds.clip(_TINY)  # a score of 0 is no detection
        floor = self._scoring.floor(lowest)
        centerness = (self._reader.centerness_gates(outputs, floor)
                      if self._scoring.uses_centerness else [])
        total = self._scoring.lowest_sum(lowest)
        classes = self._reader.class_gates(outputs, floor, total)
        limits = Limits(classes.per_class, centerness or None, floor, total, thresholds)
        return _Rules(
            _kinds(outputs), thresholds, lowest, criteria.one_class_per_cell,
            np.concatenate(centerness) if centerness else None, classes,
            self._native_decoder(outputs, limits, criteria))

    def _native_decoder(
        self, outputs: Sequence[Array], limits: Limits, criteria: Criteria,
    ) -> NativeDecoder | None:
        """Return the decoder in C, pointing to the outputs; None if numpy decodes."""
        if not self._is_native:
            return None
        try:
            native = NativeDecoder(self._head, outputs, limits, criteria.one_class_per_cell)
        except UnsupportedError:
            return None
        return native if native.point_to(outputs) else None

    def _decode_in_c(
        self, rules: _Rules, criteria: Criteria, counted: Counted | None,
    ) -> Found | None:
        """Return the detections; None if numpy has to find them."""
        if rules.native is None:
            return None
        return rules.native.decode(criteria.nms_threshold, criteria.max_detections, counted)

    def _decode_in_numpy(
        self, outputs: Sequence[Array], rules: _Rules, criteria: Criteria,
        counted: Counted | None,
    ) -> Found | None:
        """Return the detections; None if there are none."""
        with np.errstate(all='ignore'):  # a network may output infinities
            candidates = self._candidates(outputs, rules)
            if candidates is None:
                return None
            return self._detected(outputs, candidates, criteria, counted)

    def _centerness(self, outputs: Sequence[Array]) -> Array | None:
        """Return the raw centerness of all cells; None if scores do not depend on it."""
        return self._reader.centerness(outputs) if self._scoring.uses_centerness else None

    def _candidates(self, outputs: Sequence[Array], rules: _Rules) -> _Scored | None:
        """Return the class values that reach the threshold; None if there are none."""
        scored = self._find(outputs, rules)
        if scored is None:
            return None
        reached = scored.scores >= rules.thresholds.take(scored.class_ids)
        kept = reached.nonzero()[0]
        if kept.size == reached.size:
            return scored
        return scored.take(kept) if kept.size else None

    def _find(self, outputs: Sequence[Array], rules: _Rules) -> _Scored | None:
        """Return the scores of all class values that may be accepted; None if there are none."""
        found = None if rules.native is None else rules.native.find()
        if found is not None:
            return _Scored(self._scores(found['value'], found['centerness']), found['class_id'],
                           found['value'], found['cell'], found['box'])
        centerness = self._centerness(outputs)
        centred = (np.ones(self._reader.cells, bool) if centerness is None
                   else centerness >= rules.centerness_gate)
        hits = self._reader.hits(
            outputs, rules.class_gates, centred, centerness, rules.one_class_per_cell)
        if hits is None:
            return None
        scores = self._scores(hits.values, self._centerness_values(centerness, hits.cells))
        return _Scored(scores, hits.class_ids, hits.values, hits.cells)

    def _scores(self, values: Floats, centerness: Floats) -> Floats:
        """Return the scores of dequantised class values and centerness, which broadcast."""
        probabilities = self._scoring.probabilities
        return self._scoring.scores(
            probabilities(values),
            probabilities(centerness) if self._scoring.uses_centerness else np.ones(1))

    def _detected(
        self, outputs: Sequence[Array], candidates: _Scored, criteria: Criteria,
        counted: Counted | None,
    ) -> Found:
        """
        Apply NMS to the best candidates, and to more of them until enough detections count.

        NMS visits candidates by falling score, so the others do not change what it has kept.
        """
        number = candidates.cells.size if counted is None else _FIRST_CANDIDATES
        while True:
            best, boxes = self._with_boxes(outputs, candidates.best(number))
            kept, is_enough = suppress(
                boxes, best.scores, best.class_ids, criteria, counted, self._is_native)
            if is_enough or number >= candidates.cells.size:
                return Found(best.scores.take(kept).astype(np.float32),
                             best.class_ids.take(kept).astype(np.int32), best.values.take(kept),
                             best.cells.take(kept), boxes.take(kept, axis=0))
            number *= _MORE_CANDIDATES

    def _with_boxes(self, outputs: Sequence[Array], candidates: _Scored) -> tuple[_Scored, Boxes]:
        """Return candidates and their boxes; those whose box is not finite are left out."""
        if candidates.boxes is not None:
            return candidates, candidates.boxes
        boxes = self._reader.boxes(outputs, candidates.cells)
        finite = np.isfinite(boxes)
        if finite.all():
            return candidates, boxes
        kept = finite.all(axis=1).nonzero()[0]
        return candidates.take(kept), boxes.take(kept, axis=0)

    def _alternatives(
        self, outputs: Sequence[Array], found: Found, rules: _Rules, count: int,
    ) -> Alternatives:
        """Return the next best classes of the cells that made detections; at least one cell."""
        order = found.cells.argsort()
        cells = found.cells.take(order)
        values = self._reader.class_values(outputs, cells)
        centerness = self._centerness_values(self._centerness(outputs), cells)
        with np.errstate(all='ignore'):
            scores = self._scores(values, centerness[:, None])
        own = found.values.take(order)[:, None]
        later = np.arange(self._head.num_classes) > found.class_ids.take(order)[:, None]
        named = (scores >= rules.lowest) & (scores > 0) & (rules.thresholds < np.inf)
        named &= (values < own) | ((values == own) & later)
        ranks = np.where(named, -values, np.inf).argsort(axis=1, kind='stable')[:, :count]
        named = np.take_along_axis(named, ranks, axis=1)
        scores = np.take_along_axis(scores, ranks, axis=1)
        back = order.argsort()
        return Alternatives(
            np.where(named, ranks, -1).astype(np.int32)[back],
            np.where(named, scores, 0).astype(np.float32)[back])

    def _centerness_values(self, centerness: Array | None, cells: Indices) -> Floats:
        """Return the dequantised centerness of some cells, (N,); 0 if it is not used."""
        if centerness is None:
            return np.zeros(cells.size)
        return self._reader.centerness_values(centerness, cells)


class DetectionReader:
    """
    Read outputs that are detections already; see `Decoder`.

    The network has applied its own NMS, so neither NMS nor `one_class_per_cell` applies here.
    Labels below 0, with which exports fill up their outputs, and values that are not finite make
    no detection. There are no alternatives.
    """

    def __init__(self, head: DetectionOutputs) -> None:
        self._head = head

    def decode(
        self, outputs: Sequence[Array], criteria: Criteria, counted: Counted | None = None,
    ) -> Detections:
        """Read the detections of one image; see `Decoder.decode`."""
        return decode_candidates(
            self._present(outputs), self._head.num_classes, criteria, counted)

    def candidates(self, outputs: Sequence[Array], floor: float) -> Candidates:
        """Return all boxes with scores of at least `floor`; see `Decoder.candidates`."""
        found = self._present(outputs)
        cells = np.arange(found.scores.size)
        floor, best = _best_scored(
            floor, _Scored(found.scores, found.class_ids.astype(np.intp), found.scores, cells))
        return replace(found, floor=floor, boxes=found.boxes.take(best.cells, axis=0),
                       counts=found.counts.take(best.cells),
                       class_ids=found.class_ids.take(best.cells), scores=best.scores)

    def _present(self, outputs: Sequence[Array]) -> Candidates:
        """Return the rows of the outputs that are detections, with any score."""
        _require_outputs(outputs, self._head.outputs, self._has_sides)
        boxes, scores, class_ids = self._columns(outputs)
        present = (np.isfinite(boxes).all(axis=1) & (scores > 0) & (class_ids >= 0)).nonzero()[0]
        best = class_ids.take(present).max(initial=0)
        if best >= self._head.num_classes:
            raise ValueError(f'the network found class {best}; accepted: classes 0 to '
                             f'{self._head.num_classes - 1}; state the labels of all its classes')
        return Candidates(
            0.0, boxes.take(present, axis=0).astype(np.float32),
            np.ones(present.size, np.int32), class_ids.take(present).astype(np.int32),
            scores.take(present), is_final=True)

    def _has_sides(self, shape: tuple[int, ...], spec: OutputSpec) -> bool:
        """Return whether a shape is that of an output, for any number of detections."""
        count = -2 if spec is self._head.outputs[self._head.boxes] else -1
        return (len(shape) == len(spec.shape)
                and [*shape[:count], *shape[count:][1:]]
                == [*spec.shape[:count], *spec.shape[count:][1:]])

    def _columns(self, outputs: Sequence[Array]) -> tuple[Floats, Floats, Indices]:
        """Return boxes (N, 4), scores (N,) and labels (N,)."""
        head = self._head
        boxes = outputs[head.boxes].reshape(-1, outputs[head.boxes].shape[-1]).astype(np.float64)
        scores = boxes[:, 4] if head.scores is None else outputs[head.scores].reshape(-1)
        labels = outputs[head.labels].reshape(-1)
        if not len(boxes) == len(scores) == len(labels):
            raise ValueError(f'the network has {len(boxes)} boxes, {len(scores)} scores and '
                             f'{len(labels)} labels; accepted: equal numbers')
        return boxes[:, :4], scores.astype(np.float64), labels.astype(np.intp)


class _Rules(NamedTuple):
    """`Criteria` converted to raw values of given shapes and dtypes."""

    kinds: list[tuple[Any, ...]]
    thresholds: Floats
    """(C,), infinite for classes that are not wanted."""
    lowest: float
    one_class_per_cell: bool
    centerness_gate: Array | None
    """(cells of all levels,); None if scores do not depend on centerness."""
    class_gates: ClassGates
    native: NativeDecoder | None
    """None if numpy decodes."""

    def fit(self, outputs: Sequence[Array]) -> bool:
        """Return whether outputs have the same forms; a decoder in C then points to them."""
        if self.native is not None:
            return self.native.point_to(outputs)
        return self.kinds == _kinds(outputs)


class _Scored(NamedTuple):
    """The scores of hits, ascending by cell."""

    scores: NDArray[Any]
    class_ids: NDArray[Any]
    values: Floats
    """The class values."""
    cells: Indices

    boxes: Boxes | None = None
    """Of each hit, if they are known already."""

    def take(self, index: Indices) -> _Scored:
        return _Scored(self.scores.take(index), self.class_ids.take(index),
                       self.values.take(index), self.cells.take(index),
                       None if self.boxes is None else self.boxes.take(index, axis=0))

    def best(self, count: int) -> _Scored:
        """Return the best candidates, and all others with the score of the last of them."""
        if count >= self.scores.size:
            return self
        return self.take((self.scores >= np.partition(self.scores, -count)[-count]).nonzero()[0])


_TINY = float(np.nextafter(0, 1))
"""The lowest score above 0."""

_MAX_RULES = 32
"""Cached rules. More occur only while a user moves a slider; then the cache is emptied."""

_FIRST_CANDIDATES = 4096
"""
Candidates that enter NMS at first: several times `MAX_DETECTIONS`. There can be a million with a
threshold near 0 and all classes of each cell.
"""

_MORE_CANDIDATES = 8
"""Factor by which their number grows if they are not enough."""


def _kinds(outputs: Sequence[Array]) -> list[tuple[Any, ...]]:
    return [(output.shape, output.dtype, output.strides) for output in outputs]


def _require_outputs(
    outputs: Sequence[Array], specs: Sequence[OutputSpec],
    fits: Callable[[tuple[int, ...], OutputSpec], bool],
) -> None:
    """Raise ValueError if the outputs differ from their description."""
    if len(outputs) != len(specs):
        raise ValueError(f'the network has {len(outputs)} outputs; accepted: {len(specs)}, as in '
                         'the head')
    for index, (output, spec) in enumerate(zip(outputs, specs)):
        kind, codes = ('float', 'f') if spec.is_float else ('integer', 'iu')
        if not fits(output.shape, spec) or output.dtype.kind not in codes:
            raise ValueError(f'output {index} is {output.dtype}{list(output.shape)}; '
                             f'accepted: {kind}{list(spec.shape)}, as in the head')


def _has_shape(shape: tuple[int, ...], spec: OutputSpec) -> bool:
    return shape == spec.shape


def _best_scored(floor: float, found: _Scored) -> tuple[float, _Scored]:
    """Return the hits above the floor, and a higher floor if they are too many."""
    bound = floor * (1 - MARGIN)
    scores = np.where(found.scores > bound, found.scores, 0)  # NaN is below
    if np.count_nonzero(scores) > MAX_CANDIDATES:
        bound = float(np.partition(scores, -MAX_CANDIDATES - 1)[-MAX_CANDIDATES - 1])
        floor = bound * (1 + 2 * MARGIN)
    return floor, found.take((scores > bound).nonzero()[0])
