# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compare a model with its description, on one picture, when it is loaded.

The picture has structures of all sizes, as a photograph has. A black image excites few cells, and
its outputs say little. Outputs that no network of that description can have are refused. Unlikely
ones become a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from fcos_ros.backends.base import ModelInfo
from fcos_ros.backends.errors import ModelError
from fcos_ros.core.arrays import Array, Floats, Pixels
from fcos_ros.core.frame import Frame
from fcos_ros.core.head import DetectionOutputs, Head
from fcos_ros.core.level_reader import LevelValues, read_levels
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Size
from fcos_ros.core.scores import Scoring

ROUNDING = 0.02
"""How far quantised probabilities may lie outside 0 to 1: one step of 8 bits is 0.008."""

MOST = 0.99
"""Share of the distances that a rule is about; a few cells may be exceptions."""

FAR_OFF = 4.0
"""Boxes with distances of this many canvases are not on the canvas at all."""

CROWD = 0.25
"""Share of cells with a detection that is unlikely in any picture: objects have few cells each."""


POSITION = 0.9
"""
Correlation with the place of the cell from which on a box value is a position. A distance reaches
it only if all boxes have a side on the border of the input.
"""

MIN_GRID = 4
"""Cells on each axis from which on a correlation says something."""


class Finding(NamedTuple):
    """
    A contradiction between outputs and description.

    :ivar certain: whether no network of that description has such outputs.
    """

    certain: bool
    text: str


def probe_tensor(spec: InputSpec) -> Array:
    """Return the input tensor for the picture."""
    frame = Frame.from_bgr(probe_picture(spec.size))
    return Preprocessor(spec).prepare(frame)[0]


def probe_picture(size: Size) -> Pixels:
    """
    Draw a picture with structures of all sizes; the same for the same size.

    :returns: BGR, (height, width, 3).
    """
    rng = np.random.default_rng(0)
    picture = np.zeros((size.height, size.width, 3), np.float32)
    cells = 2
    while cells < min(size):
        noise = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        # In photographs, contrast is proportional to the size of a structure.
        picture += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) / np.sqrt(cells)
        cells *= 2
    for _ in range(8):  # sharp edges
        width, height = (int(rng.integers(side // 8, side // 3 + 1)) for side in size)
        x, y = int(rng.integers(size.width)), int(rng.integers(size.height))
        picture[y:y + height, x:x + width] = rng.normal(0, 2, 3)
    return np.clip(128 + 48 * picture, 0, 255).astype(np.uint8)


def examine(info: ModelInfo, outputs: Sequence[Array]) -> ModelInfo:
    """
    Compare the outputs for the picture with the description of the model.

    :returns: the description, with warnings.
    :raises ModelError: they contradict each other; the message has the key to state.
    """
    findings = list(_findings(info, outputs))
    for finding in findings:
        if finding.certain:
            raise ModelError(f'{info.path} contradicts its description: {finding.text}')
    return replace(info, warnings=tuple(finding.text for finding in findings))


def _findings(info: ModelInfo, outputs: Sequence[Array]) -> Iterator[Finding]:
    head = info.head
    with np.errstate(all='ignore'):
        if isinstance(head, DetectionOutputs):
            yield from _judge_detections(head, outputs)
            return
        levels = read_levels(head, outputs)
        yield from _judge_numbers(levels)
        if _are_positions(levels[0]):
            yield Finding(True, 'the first two box values grow with the place of the cell, as '
                          'corners or centres of boxes do; accepted: the distances from the point '
                          'of the cell to the sides of the box; export the network without its '
                          'last operations, or with NMS inside')
        yield from _judge_activation(head, levels)
        yield from _judge_boxes(info, head, levels)
        yield from _judge_crowd(info, head, levels)


def _judge_numbers(levels: Sequence[LevelValues]) -> Iterator[Finding]:
    values = np.concatenate([part.ravel() for level in levels for part in (
        level.classes, level.distances, level.centerness) if part is not None])
    share = 1 - np.isfinite(values).mean()
    if share:
        yield Finding(False, f'{share:.0%} of the outputs are no finite numbers; such cells '
                      'detect nothing')


def _judge_activation(head: Head, levels: Sequence[LevelValues]) -> Iterator[Finding]:
    """Compare the range of class and centerness with that of probabilities."""
    for kind, values in (('class', [level.classes for level in levels]),
                         ('centerness', [level.centerness for level in levels])):
        span = _span([part for part in values if part is not None])
        if span is None:
            continue
        low, high = span
        found = f'the {kind} outputs are from {low:.3g} to {high:.3g}'
        if head.activation == 'logits' and low >= 0 and high <= 1:
            # Rarely, all logits of the centerness may be in this range.
            yield Finding(kind == 'class', f'{found}, as probabilities are, and activation is '
                          'logits; state activation: sigmoid')
        if head.activation == 'sigmoid' and (low < -ROUNDING or high > 1 + ROUNDING):
            yield Finding(True, f'{found}, which are no probabilities, and activation is sigmoid; '
                          'state activation: logits, or export class and centerness alike')


def _judge_boxes(
    info: ModelInfo, head: Head, levels: Sequence[LevelValues],
) -> Iterator[Finding]:
    """Compare the distances with the size of cells and canvas."""
    span = _span([level.distances for level in levels])
    if span is None:
        return
    low, high = span
    # The class outputs of a network with 4 classes look like boxes.
    order = 'order if they are class values, ' if head.num_classes == 4 else ''
    if high <= 0:
        yield Finding(True, f'all box distances are negative, {low:.3g} to {high:.3g} pixels; '
                      f'state {order}box_activation: exp if they are logarithms, or export the '
                      'network with its last operation')
        return
    if np.mean(np.concatenate([level.distances.ravel() for level in levels]) < 0) > 0.5:
        yield Finding(False, f'most box distances are negative; state {order}box_activation: exp '
                      'if they are logarithms')
    # An author who states the unit knows it better than this picture.
    certain = 'box_unit' not in info.metadata.sources
    if head.box_unit == 'pixel' and _are_below_one_cell(levels):
        yield Finding(certain, 'nearly all box distances are shorter than one cell, also those of '
                      'large cells, and box_unit is pixel; state box_unit: stride, or pixel if '
                      'that is right')
    if head.box_unit == 'stride' and _are_off_canvas(head, levels):
        yield Finding(certain, 'the boxes of the largest cells are many times larger than the '
                      'input, and box_unit is stride; state box_unit: pixel, or stride if that is '
                      'right')


def _are_positions(finest: LevelValues) -> bool:
    """Return whether boxes look like (x1, y1, x2, y2) or (x, y, width, height)."""
    grid = finest.level.grid
    rows, columns = np.divmod(np.arange(finest.level.cells), grid.width)
    return min(grid) >= MIN_GRID and all(
        np.corrcoef(values, along)[0, 1] > POSITION
        for values, along in zip(finest.distances.T, (columns, rows)))


def _are_below_one_cell(levels: Sequence[LevelValues]) -> bool:
    """
    Return whether distances look like those in strides.

    Objects are at most some cells wide at every level. In pixels, large cells have large
    distances. The finest level is left out: its objects may have the size of a cell.
    """
    coarse = levels[1:] or levels
    return all(np.mean(level.distances < level.level.stride) >= MOST for level in coarse)


def _are_off_canvas(head: Head, levels: Sequence[LevelValues]) -> bool:
    return bool(np.median(levels[-1].distances) > FAR_OFF * max(head.canvas))


def _judge_crowd(
    info: ModelInfo, head: Head, levels: Sequence[LevelValues],
) -> Iterator[Finding]:
    scoring = Scoring(head.activation, head.score)
    scores = np.concatenate([scoring.scores(
        scoring.probabilities(level.classes.max(axis=1)),
        np.ones(1) if level.centerness is None else scoring.probabilities(level.centerness))
        for level in levels])
    share = np.mean(scores >= info.criteria.score_threshold)
    if share > CROWD:
        yield Finding(False, f'{share:.0%} of all cells detect an object in a test picture; check '
                      'activation, pixels, mean and std')


def _judge_detections(head: DetectionOutputs, outputs: Sequence[Array]) -> Iterator[Finding]:
    labels = outputs[head.labels].reshape(-1)
    boxes = outputs[head.boxes].astype(np.float64)
    boxes = boxes.reshape(-1, boxes.shape[-1])
    scores = boxes[:, 4] if head.scores is None else outputs[head.scores].reshape(-1)
    filled = (labels >= 0) & (scores > 0)
    if not filled.any():
        return
    boxes, scores, labels = boxes[filled, :4], scores[filled], labels[filled]
    if labels.max() >= head.num_classes:
        yield Finding(True, f'there is a label {labels.max()}, and {head.num_classes} classes are '
                      'stated; state one name for each class, also for a background at 0')
    if scores.max() > 1 + ROUNDING:
        yield Finding(True, f'there is a score of {scores.max():.3g}; export probabilities')
    if boxes.max() <= 1:
        yield Finding(True, 'all boxes lie within one pixel, as boxes in fractions of the input '
                      'do; export them in pixels of the input')
    elif (boxes[:, 2:] < boxes[:, :2]).any():
        yield Finding(False, 'boxes end before they begin: they may be (x, y, width, height), and '
                      '(x1, y1, x2, y2) is expected')


def _span(parts: Sequence[Floats]) -> tuple[float, float] | None:
    """Return the lowest and the highest finite value; None if there is only one value."""
    values = np.concatenate([part.ravel() for part in parts]) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    if not values.size or values.min() == values.max():
        return None
    return float(values.min()), float(values.max())
