# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time from raw outputs to detections.

Run `python benchmarks/decode.py`; it prints Markdown tables. The baseline is plain numpy, in the
order of the vendor's sample. The outputs are synthetic, with the shapes, dtypes and statistics of
the published networks: most cells clearly detect nothing, centerness is noise where there is no
object, and several neighbouring cells detect an object. Both get the same outputs in turn, and
must find the same objects.
"""

from __future__ import annotations

import math
from pathlib import Path
import statistics
import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.timing import ROUNDS, interleaved_medians

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.detections import Detections
from fcos_ros.core.head import STRIDES, HeadSpec, OutputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

SIZES = (512, 768, 896)
OBJECTS = (1, 8, 30)
DTYPES = ('int32', 'float32')
NOISE = (-5.0, -3.0, -1.2, 0.0)
"""Means of the centerness logit where there is no object; training does not determine it."""

USUAL_NOISE = 0.0
"""The mean of the demo network."""

CLASSES = 80

Array = NDArray[Any]


class Times(NamedTuple):
    """Median milliseconds of both ways, and the number of objects."""

    plain: float
    ours: float
    found: int

    def __str__(self) -> str:
        return (f'{self.plain:.2f} | {self.ours:.3f} | {self.plain / self.ours:.1f} '
                f'| {self.found} |')


def main() -> None:
    """Print the tables."""
    print(f'numpy {np.__version__}; medians of {ROUNDS} rounds, milliseconds\n')
    print('| canvas | objects | outputs | plain numpy | fcos_ros | times faster | found |')
    print('| ---: | ---: | --- | ---: | ---: | ---: | ---: |')
    for dtype in DTYPES:
        for size in SIZES:
            for objects in OBJECTS:
                times = measured(size, objects, dtype, USUAL_NOISE)
                print(f'| {size} | {objects} | {dtype} | {times}', flush=True)
    print('\nWith other means of centerness; canvas 512, 8 objects, int32:\n')
    print('| cells with enough centerness | plain numpy | fcos_ros | times faster | found |')
    print('| ---: | ---: | ---: | ---: | ---: |')
    for noise in NOISE:
        # Centerness must reach 0.5 squared, whose logit is log(1 / 3).
        passing = 1 - statistics.NormalDist(noise, 1).cdf(math.log(1 / 3))
        print(f'| {passing:.1%} | {measured(512, 8, "int32", noise)}', flush=True)


def measured(size: int, objects: int, dtype: str, noise: float) -> Times:
    """Time both ways on one image."""
    specs, outputs = synthetic_outputs(size, objects, dtype, np.random.default_rng(objects), noise)
    decoder = make_decoder(
        recognise(specs, Size(size, size), HeadSpec(box_unit='stride')))
    criteria = Criteria()
    found = decoder.decode(outputs, criteria)
    expected = plain_decode(specs, outputs, criteria)
    _require_equal(found, expected)
    plain, ours = interleaved_medians(
        lambda: plain_decode(specs, outputs, criteria),
        lambda: decoder.decode(outputs, criteria))
    return Times(plain, ours, len(found))


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
    for name, arrays in (('class', logits), ('box', distances), ('ctr', centerness)):
        for stride, values in zip(STRIDES, arrays):
            scale = rng.uniform(1e-5, 3e-5, values.shape[-1]).astype(np.float32)
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


def plain_decode(
    specs: list[OutputSpec], outputs: list[Array], criteria: Criteria,
) -> Detections:
    """Decode in the order of the vendor's sample: each step on all values, NMS last."""
    levels = len(STRIDES)
    boxes, scores, class_ids = [], [], []
    for index, stride in enumerate(STRIDES):
        logits, distances, centerness = (
            _dequantised(specs[part], outputs[part])
            for part in (index, index + levels, index + 2 * levels))
        quality = np.sqrt(_sigmoid(logits.max(axis=-1)) * _sigmoid(centerness[..., 0]))
        keep = quality >= criteria.score_threshold
        y, x = np.nonzero(keep)
        points = (np.stack([x, y, x, y], axis=-1) + np.float32(0.5)) * stride
        reach = np.maximum(distances[keep], 0) * stride
        boxes.append(points + reach * np.float32([-1, -1, 1, 1]))
        scores.append(quality[keep])
        class_ids.append(logits[keep].argmax(axis=-1))
    return _plain_nms(
        np.concatenate(boxes), np.concatenate(scores), np.concatenate(class_ids), criteria)


def _dequantised(spec: OutputSpec, output: Array) -> Array:
    return output[0] if spec.scale is None else output[0].astype(np.float32) * spec.scale


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def _plain_nms(boxes: Array, scores: Array, class_ids: Array, criteria: Criteria) -> Detections:
    kept: list[int] = []
    for class_id in np.unique(class_ids):
        left = np.flatnonzero(class_ids == class_id)
        left = left[np.argsort(-scores[left], kind='stable')]
        while left.size:
            best, left = left[0], left[1:]
            kept.append(best)
            left = left[_plain_iou(boxes[best], boxes[left]) <= criteria.nms_threshold]
    order = sorted(kept, key=lambda index: -scores[index])[:criteria.max_detections]
    return Detections(
        boxes[order].astype(np.float32), scores[order].astype(np.float32),
        class_ids[order].astype(np.int32))


def _plain_iou(box: Array, others: Array) -> Array:
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    inside = np.maximum(width, 0) * np.maximum(height, 0)
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    return inside / ((box[2] - box[0]) * (box[3] - box[1]) + areas - inside)


def _require_equal(found: Detections, expected: Detections) -> None:
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.05)


if __name__ == '__main__':
    main()
