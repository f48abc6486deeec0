# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time from raw outputs to detections.

Run `python benchmarks/decode.py`; it prints Markdown tables. The baseline is numpy and OpenCV in
the order of the vendor's published sample, and as fast as it is. The outputs are synthetic, with
the shapes, dtypes and statistics of the published networks: most cells clearly detect nothing, and
several neighbouring cells detect an object. Centerness is noise where there is no object. Training
does not determine that noise, so it varies here.

Ours is measured twice: with numpy alone, and with the compiled library. All must find the same
objects. `reading` is the time to find the highest class value, without decoding anything: nothing
that looks at all class values takes less. They take turns, each time with the next scene. All
scenes together are larger than the caches of a CPU, as the outputs of an engine are not in the
caches either.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle, islice, product
import math
from pathlib import Path
import statistics
import sys
import time
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import Table, note
from common.timing import ROUNDS, interleaved_medians

from fcos_ros.core.criteria import MAX_DETECTIONS, Criteria
from fcos_ros.core.decode import Decoder, make_decoder
from fcos_ros.core.detections import Detections
from fcos_ros.core.head import STRIDES, HeadSpec, OutputSpec
from fcos_ros.core.native import load_library
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

THRESHOLDS = (0.5, 0.25, 0.1, 0.05)
SIZES = (512, 768, 896)
DTYPES = ('int32', 'float32')
OBJECTS = (1, 8, 30, 100)
USUAL_OBJECTS = 8
MANY_OBJECTS = 30

GATE = math.log(1 / 3)
"""The logit of 0.25. With less centerness, no score reaches the threshold of 0.5."""

NOISE = {'few': GATE - 2, 'half': GATE, 'nearly all': GATE + 2}
"""Mean logit of the centerness where there is no object, by the share of cells past the gate."""

USUAL_NOISE = 0.0
"""The mean of the demo network: 86 % of the cells are past the gate."""

SCENES_BYTES = 128 << 20
"""Memory of all scenes: four times the last-level cache of the machine with our figures."""

CLASSES = 80

Array = NDArray[Any]

Task = Callable[[list[Array]], None]


class Case(NamedTuple):
    """
    A kind of scenes.

    :ivar noise: mean logit of the centerness where there is no object.
    """

    name: str
    objects: int = USUAL_OBJECTS
    noise: float = NOISE['half']
    threshold: float = Criteria().score_threshold


TABLES: Mapping[str, Sequence[Case]] = {
    f'cells past the gate, {USUAL_OBJECTS} objects': [
        Case(f'{name} ({1 - statistics.NormalDist(noise, 1).cdf(GATE):.0%})', noise=noise)
        for name, noise in NOISE.items()],
    'objects, half of the cells past the gate': [
        Case(str(objects), objects) for objects in OBJECTS],
    f'{MANY_OBJECTS} objects, cells past the gate': [
        Case(name, MANY_OBJECTS, noise) for name, noise in NOISE.items()],
    f'score threshold, {USUAL_OBJECTS} objects': [
        Case(f'{threshold:g}', threshold=threshold) for threshold in THRESHOLDS]}


def main() -> None:
    """Print the tables, and the ranges of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--sizes', type=int, nargs='+', choices=SIZES, default=SIZES,
                        help='sides of the canvas')
    options = parser.parse_args()
    if load_library() is None:
        note('C is not measured: install a C compiler, then run make setup')
    note(f'numpy {np.__version__}, OpenCV {cv2.__version__}; medians of {ROUNDS} rounds')
    ratios = []
    for subject, cases in TABLES.items():
        note(f'{subject}:')
        table = Table({'case': '', 'outputs': '', 'canvas': 'd', 'reading, ms': '.2f',
                       'sample, ms': '.2f',
                       'numpy, ms': '.2f', 'numpy, times as fast': '.1f', 'C, ms': '.2f',
                       'C, times as fast': '.1f'})
        for case, dtype, size in product(cases, DTYPES, options.sizes):
            reading, sample, *ours = measured(size, case, dtype)
            ratios.append([sample / time for time in ours])
            cells = [cell for pair in zip(ours, ratios[-1]) for cell in pair]
            table.add(case.name, dtype, size, reading, sample, *cells, *[None] * (4 - len(cells)))
    for name, values in zip(('numpy', 'C'), zip(*ratios)):
        note(f'with {name}: {min(values):.1f} to {max(values):.1f} times as fast as the sample')


def measured(size: int, case: Case, dtype: str) -> list[float]:
    """
    Return the median milliseconds of reading, the baseline, our decoder with numpy, and in C.

    Without the compiled library, the last one is left out.
    """
    rng = np.random.default_rng(case.objects)
    specs, first = synthetic_outputs(size, case.objects, dtype, rng, case.noise)
    count = SCENES_BYTES // sum(output.nbytes for output in first)
    scenes = [first, *(synthetic_outputs(size, case.objects, dtype, rng, case.noise)[1]
                       for _ in range(count - 1))]
    criteria = Criteria(score_threshold=case.threshold, max_detections=MAX_DETECTIONS)
    head = recognise(specs, Size(size, size), HeadSpec(box_unit='stride'))
    kinds = (False,) if load_library() is None else (False, True)
    decoders = [Baseline(specs, size),
                *(make_decoder(head, is_native=native) for native in kinds)]
    for scene in scenes:
        expected, *found = (decoder.decode(scene, criteria) for decoder in decoders)
        for detections in found:
            _require_equal(detections[:MAX_DETECTIONS], expected)
    tasks: list[Task] = [_read, *(
        partial(_decode, decoder, criteria) for decoder in decoders)]
    # Each has a part of the scenes to itself: it finds no scene in the caches.
    turns = [islice(cycle(scenes), index * count // len(tasks), None)
             for index in range(len(tasks))]
    return interleaved_medians(
        *(partial(_do_next, task, turn) for task, turn in zip(tasks, turns)),
        clock=time.thread_time)


def _do_next(task: Task, scenes: Iterator[list[Array]]) -> None:
    task(next(scenes))


def _decode(decoder: Decoder | Baseline, criteria: Criteria, scene: list[Array]) -> None:
    decoder.decode(scene, criteria)


def _read(scene: list[Array]) -> None:
    """Read all class values, and do as little as possible with them."""
    for output in scene[:len(STRIDES)]:
        np.maximum.reduce(output.reshape(-1))


def synthetic_outputs(
    size: int, objects: int, dtype: str, rng: np.random.Generator, noise: float = USUAL_NOISE,
) -> tuple[list[OutputSpec], list[Array]]:
    """
    Make the 15 outputs of a network with a size x size canvas that detects some objects.

    :returns: specs and arrays in the published order; boxes in stride units.
    """
    grids = [size // stride for stride in STRIDES]
    logits = [rng.normal(-6, 0.7, (grid, grid, CLASSES)) for grid in grids]
    distances = [rng.normal(3, 1, (grid, grid, 4)) for grid in grids]
    centerness = [rng.normal(noise, 1, (grid, grid, 1)) for grid in grids]
    for _ in range(objects):
        _add_object(size, logits, distances, centerness, rng)
    specs, outputs = [], []
    scales = np.random.default_rng(0)  # those of one network, for all scenes
    for name, arrays in (('class', logits), ('box', distances), ('ctr', centerness)):
        for stride, values in zip(STRIDES, arrays):
            scale = scales.uniform(1e-5, 3e-5, values.shape[-1]).astype(np.float32)
            array = values.astype(np.float32) if dtype == 'float32' else np.round(
                values / scale).astype(dtype)
            outputs.append(array[None])
            specs.append(OutputSpec(
                f'{name}_{stride}', outputs[-1].shape, np.dtype(dtype),
                None if dtype == 'float32' else scale))
    return specs, outputs


def _add_object(
    size: int, logits: list[Array], distances: list[Array], centerness: list[Array],
    rng: np.random.Generator,
) -> None:
    """Let the cells around the centre of a random box detect it, as a trained network does."""
    width, height = np.exp(rng.uniform(np.log(24), np.log(0.5 * size), 2))
    x1, y1 = rng.uniform(0, size - width), rng.uniform(0, size - height)
    level = int(np.searchsorted((64, 128, 256, 512), max(width, height) / 1.6))
    stride, class_id = STRIDES[level], rng.integers(CLASSES)
    index = (np.arange(size // stride) + 0.5) * stride
    px, py = np.meshgrid(index, index)
    sides = np.stack([px - x1, py - y1, x1 + width - px, y1 + height - py], axis=-1)
    near = np.maximum(
        abs(px - x1 - width / 2), abs(py - y1 - height / 2)) < 1.5 * stride
    inside = near & (sides.min(axis=-1) > 0)
    pairs = sides[inside].reshape(-1, 2, 2)
    centred = np.sqrt((pairs.min(axis=1) / pairs.max(axis=1)).prod(axis=-1))
    count = int(inside.sum())
    logits[level][inside, class_id] = rng.normal(2.0, 0.7, count)
    centerness[level][inside, 0] = np.log(centred / (1.001 - centred)) + rng.normal(0, 0.2, count)
    distances[level][inside] = sides[inside] / stride * rng.normal(1, 0.03, (count, 4))


class Baseline:
    """
    Decode in the order of the vendor's sample.

    All class values and centerness are dequantised and scored, boxes only where the score reaches
    the threshold. NMS is that of OpenCV.

    :param size: width and height of the canvas.
    """

    def __init__(self, specs: list[OutputSpec], size: int) -> None:
        self._specs = specs
        self._points = [_points(size // stride, stride) for stride in STRIDES]

    def decode(self, outputs: list[Array], criteria: Criteria) -> Detections:
        """Return the detections of one image, best score first."""
        parts = [self._decode_level(level, outputs, criteria) for level in range(len(STRIDES))]
        boxes, scores, class_ids = map(np.concatenate, zip(*parts))
        kept = _plain_nms(boxes, scores, class_ids, criteria)
        return Detections(boxes[kept], scores[kept], class_ids[kept].astype(np.int32))

    def _decode_level(
        self, level: int, outputs: list[Array], criteria: Criteria,
    ) -> tuple[Array, Array, Array]:
        logits = self._real(outputs, level)
        centerness = self._real(outputs, level + 2 * len(STRIDES))
        scores = np.sqrt(
            1 / ((1 + np.exp(-logits.max(axis=1))) * (1 + np.exp(-centerness[:, 0]))))
        cells = np.flatnonzero(scores >= criteria.score_threshold)
        distances = self._real(outputs, level + len(STRIDES), cells).clip(0) * STRIDES[level]
        points = self._points[level][cells]
        boxes = np.hstack([points - distances[:, :2], points + distances[:, 2:]])
        return boxes, scores[cells], logits[cells].argmax(axis=1)

    def _real(self, outputs: list[Array], index: int, cells: Array | None = None) -> Array:
        """Return the dequantised values of some or all cells of an output, (N, channels)."""
        raw = outputs[index].reshape(-1, outputs[index].shape[-1])
        raw = raw if cells is None else raw[cells]
        scale = self._specs[index].scale
        return raw if scale is None else raw.astype(np.float32) * scale


def _points(grid: int, stride: int) -> Array:
    y, x = np.mgrid[:grid, :grid].reshape(2, -1)
    return ((np.stack([x, y], axis=1) + 0.5) * stride).astype(np.float32)


def _plain_nms(boxes: Array, scores: Array, class_ids: Array, criteria: Criteria) -> Array:
    """Return the kept boxes; the sample does the same without a regard to classes."""
    corners = boxes[:, :2] + 1e5 * class_ids[:, None]  # boxes of two classes never overlap
    kept = cv2.dnn.NMSBoxes(
        np.hstack([corners, boxes[:, 2:] - boxes[:, :2]]).tolist(), scores.tolist(), 0.0,
        criteria.nms_threshold)
    return np.asarray(kept, np.intp)[:criteria.max_detections]


def _require_equal(found: Detections, expected: Detections) -> None:
    # The scores of the baseline are float32: two of them may be equal, or in another order.
    found, expected = (every[np.lexsort((every.scores, every.class_ids))]
                       for every in (found, expected))
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.05)


if __name__ == '__main__':
    main()
