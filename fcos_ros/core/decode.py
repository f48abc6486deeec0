# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From the raw outputs of an FCOS network to objects, in canvas pixels.

The outputs hold hundreds of thousands of numbers, and all but a few belong to cells that see
nothing. As score = sqrt(sigmoid(class) * sigmoid(centerness)) and no sigmoid is above 1, a cell
can reach the threshold only if each of the two reaches threshold squared. That turns into one
smallest value per channel, an integer where the output is an integer. So most cells are ruled out
by comparing raw values; only the rest is dequantised, exactly as if all had been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Detections
from fcos_ros.core.head import Head, Level
from fcos_ros.core.nms import Indices, nms

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
        self._readers = tuple(_LevelReader(head, level) for level in head.levels)
        self._num_classes = head.num_classes
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
            found = [reader.read(outputs, gate, rules)
                     for reader, gate in zip(self._readers, rules.gates)]
        return _best([candidates for candidates in found if candidates is not None], criteria)

    def _rules_for(self, outputs: Sequence[Array], criteria: Criteria) -> _Rules:
        """Translate the criteria into raw values, anew only when something has changed."""
        if len(outputs) != 3 * len(self._readers):
            raise ValueError(f'{len(outputs)} outputs: the head has {3 * len(self._readers)}')
        for reader in self._readers:
            reader.check(outputs)
        rules = self._rules
        dtypes = tuple(output.dtype for output in outputs)
        if rules is None or rules.criteria != criteria or rules.dtypes != dtypes:
            wanted = _wanted_classes(criteria, self._num_classes)
            floor = _logit_floor(criteria.score_threshold)
            gates = tuple(reader.gate(outputs, floor, wanted) for reader in self._readers)
            rules = self._rules = _Rules(criteria, dtypes, wanted, gates)
        return rules


class _Gate(NamedTuple):
    """The smallest raw values with which a cell may reach the threshold."""

    classes: Array
    """(C,)"""
    class_row: Array
    """The same for one row of the grid as it lies in memory: (width * C,) or (C, 1)."""
    centerness: Any


class _Rules(NamedTuple):
    """What `Criteria` mean for raw values of these types."""

    criteria: Criteria
    dtypes: tuple[np.dtype[Any], ...]
    wanted: NDArray[np.bool_]
    gates: tuple[_Gate, ...]


class _Candidates(NamedTuple):
    """Cells that reach the threshold, in the order of the grid."""

    boxes: NDArray[np.float32]
    scores: Floats
    class_ids: Indices


class _LevelReader:
    """Finds the candidates of one level."""

    def __init__(self, head: Head, level: Level) -> None:
        self._level = level
        self._cells = level.grid.width * level.grid.height
        self._num_classes = head.num_classes
        unit = level.stride if head.box_unit == 'stride' else 1
        self._class_scale = _factor(level.class_scale)
        self._box_scale = _factor(level.box_scale) * unit
        self._centerness_scale = _factor(level.centerness_scale)
        self._points = _points(level, head.point_offset)
        self._channels_last = level.layout == 'NHWC'
        self._mask = np.empty(
            (level.grid.height, level.grid.width * head.num_classes) if self._channels_last
            else (head.num_classes, self._cells), bool)

    def check(self, outputs: Sequence[Array]) -> None:
        level, (width, height) = self._level, self._level.grid
        for index, channels, scale in (
            (level.class_output, self._num_classes, level.class_scale),
            (level.box_output, 4, level.box_scale),
            (level.centerness_output, 1, level.centerness_scale),
        ):
            output = outputs[index]
            shape = (1, height, width, channels) if self._channels_last else (
                1, channels, height, width)
            kinds = 'f' if scale is None else 'iu'
            if output.shape != shape or output.dtype.kind not in kinds:
                raise ValueError(
                    f'output {index} (stride {level.stride}) is {output.dtype}'
                    f'{list(output.shape)}: the head has '
                    f'{"float" if scale is None else "integer"}{list(shape)}')

    def gate(self, outputs: Sequence[Array], floor: float, wanted: NDArray[np.bool_]) -> _Gate:
        level = self._level
        classes = _raw_gate(
            np.where(wanted, floor, np.inf), level.class_scale, outputs[level.class_output].dtype)
        row = np.tile(classes, level.grid.width) if self._channels_last else classes[:, None]
        centerness = _raw_gate(
            np.array([floor]), level.centerness_scale, outputs[level.centerness_output].dtype)
        return _Gate(classes, row, centerness[0])

    def read(self, outputs: Sequence[Array], gate: _Gate, rules: _Rules) -> _Candidates | None:
        cells = self._gated(outputs, gate)
        if not cells.size:
            return None
        level = self._level
        logits = self._take(outputs[level.class_output], cells) * self._class_scale
        logits = np.fmax(logits, -np.inf)
        class_ids = logits.argmax(axis=1)
        centerness = self._take(outputs[level.centerness_output], cells) * self._centerness_scale
        scores = np.sqrt(_sigmoid(logits.max(axis=1)) * _sigmoid(centerness[:, 0]))
        distances = self._take(outputs[level.box_output], cells) * self._box_scale
        boxes = self._points[cells] + np.maximum(distances, 0) * _OUTWARD
        boxes = boxes.astype(np.float32)
        passing = (
            (scores >= rules.criteria.score_threshold)
            & rules.wanted[class_ids]
            & np.isfinite(boxes).all(axis=1))
        return _Candidates(boxes[passing], scores[passing], class_ids[passing])

    def _gated(self, outputs: Sequence[Array], gate: _Gate) -> Indices:
        """Cells whose centerness and best class may do, ascending."""
        classes = outputs[self._level.class_output]
        centred = outputs[self._level.centerness_output].reshape(-1) >= gate.centerness
        count = np.count_nonzero(centred)
        if count * _SPARSE < self._cells:
            cells = np.flatnonzero(centred)
            return cells[_any_class(self._take(classes, cells) >= gate.classes)]
        if self._channels_last:
            raw = classes.reshape(self._mask.shape)
            hits = np.flatnonzero(np.greater_equal(raw, gate.class_row, out=self._mask))
            cells = _distinct(hits // self._num_classes)
        else:
            raw = classes.reshape(self._mask.shape)
            np.greater_equal(raw, gate.class_row, out=self._mask)
            cells = np.flatnonzero(self._mask.any(axis=0))
        return cells[centred[cells]]

    def _take(self, output: Array, cells: Indices) -> Array:
        """Raw values of some cells, (N, channels)."""
        if self._channels_last:
            return output.reshape(self._cells, -1).take(cells, axis=0)
        return output.reshape(-1, self._cells).take(cells, axis=1).T


_OUTWARD = np.array([-1, -1, 1, 1], np.float64)

# Below this fraction of the cells, picking their class logits is cheaper than comparing all of
# them in one sweep through memory.
_SPARSE = 4


def _factor(scale: Array | None) -> Floats:
    return np.ones(1) if scale is None else scale.astype(np.float64)


def _points(level: Level, offset: float) -> Floats:
    """The point of each cell, (cells, 4) as (x, y, x, y) in canvas pixels."""
    y, x = np.mgrid[:level.grid.height, :level.grid.width].reshape(2, -1)
    return (np.stack([x, y, x, y], axis=1) + offset) * level.stride


def _wanted_classes(criteria: Criteria, num_classes: int) -> NDArray[np.bool_]:
    if criteria.class_ids is None:
        return np.ones(num_classes, bool)
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


def _raw_gate(floors: Floats, scale: Array | None, dtype: np.dtype[Any]) -> Array:
    """Largest raw values that are sure to be at or below the floors, shape as `floors`."""
    if scale is None:
        gate = floors.astype(dtype)
        return np.where(gate > floors, np.nextafter(gate, dtype.type(-np.inf)), gate)
    limits = np.iinfo(dtype)
    # Larger integers mean larger logits only where the scale is positive: elsewhere all pass.
    with np.errstate(all='ignore'):
        gate = np.where(scale > 0, np.floor(floors / scale.astype(np.float64)), -np.inf)
    return np.clip(gate, limits.min, limits.max).astype(dtype)


def _sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def _any_class(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask.any(axis=1)


def _distinct(ascending: Indices) -> Indices:
    """Drop repetitions."""
    return ascending[np.flatnonzero(np.diff(ascending, prepend=-1))]


def _best(found: Sequence[_Candidates], criteria: Criteria) -> Detections:
    """Join the levels, keep the best candidates and let NMS thin them out."""
    if not found:
        return Detections.empty()
    boxes, scores, class_ids = (np.concatenate(parts) for parts in zip(*found))
    order = np.argsort(-scores, kind='stable')[:criteria.top_k]
    boxes, scores, class_ids = boxes[order], scores[order], class_ids[order]
    kept = nms(boxes, scores, class_ids, criteria.nms_threshold)[:criteria.max_detections]
    return Detections(
        boxes[kept], scores[kept].astype(np.float32), class_ids[kept].astype(np.int32))
