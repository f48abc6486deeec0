# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""NMS keeps the same boxes as the greedy algorithm, for any boxes."""

from __future__ import annotations

import tracemalloc

from core import reference
from core.reference import Candidate
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core.nms import box_iou, nms, nms_batches

THRESHOLDS = st.one_of(st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.7, 1.0]), st.floats(0, 1))
SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.one_of(st.integers(0, 20), st.sampled_from([64, 65, 150]))


def boxes_and_scores(count, seed, grid):
    """Return random boxes on a coarse grid of pixels, many with equal sides or scores."""
    rng = np.random.default_rng(seed)
    corners = np.round(rng.uniform(-20, 100, (count, 2)) / grid) * grid
    sides = np.round(rng.exponential(15, (count, 2)) / grid) * grid
    scores = np.round(rng.random(count), rng.integers(1, 4))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    return boxes.astype(np.float32), scores, rng.integers(0, rng.integers(1, 6), count)


@settings(max_examples=150)
@given(COUNTS, SEEDS, THRESHOLDS, st.sampled_from([1, 5, 0.01]))
def test_the_kept_boxes_are_those_of_the_greedy_algorithm(count, seed, threshold, grid):
    assert_greedy(*boxes_and_scores(count, seed, grid), threshold)


def assert_greedy(boxes, scores, class_ids, threshold):
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    candidates = [Candidate(boxes[i], scores[i], class_ids[i]) for i in order]
    expected = reference.suppress(candidates, threshold)
    kept = nms(boxes, scores, class_ids, threshold)
    np.testing.assert_array_equal(boxes[kept], [c.box for c in expected] or np.empty((0, 4)))
    np.testing.assert_array_equal(scores[kept], [c.score for c in expected])
    np.testing.assert_array_equal(class_ids[kept], [c.class_id for c in expected])


def plain(boxes, class_ids, threshold):
    """Return the kept ones of sorted boxes: the definition of greedy NMS, box by box."""
    kept = np.zeros(len(boxes), bool)
    for index, box in enumerate(boxes):
        better = boxes[:index][kept[:index] & (class_ids[:index] == class_ids[index])]
        kept[index] = not (box_iou(box[None], better) > threshold).any()
    return kept.nonzero()[0]


def crowd(kind, count, rng, classes=1):
    """Return sorted boxes of one form, and their classes."""
    if kind == 'equal':
        corners, sides = np.zeros((count, 2)), np.full((count, 2), 9.0)
    elif kind == 'disjoint':
        corners, sides = 10.0 * np.stack(np.divmod(rng.permutation(count), 150), 1), 9.0
    elif kind == 'clusters':
        centres = rng.uniform(0, 900, (30, 2))[rng.integers(0, 30, count)]
        sides = 60 * np.exp(rng.normal(0, 0.3, (count, 2)))
        corners = centres + rng.normal(0, 8, (count, 2)) - sides / 2
    else:
        corners = rng.uniform(0, 900, (count, 2))
        sides = np.exp(rng.uniform(0, 6, (count, 2)))
    boxes = np.hstack([corners, corners + sides]).astype(np.float32)
    return boxes, rng.integers(0, classes, count)


def falling(boxes):
    """Return scores with which boxes are sorted already."""
    return np.linspace(1, 0.5, len(boxes))


KINDS = ('equal', 'disjoint', 'clusters', 'any')


@settings(max_examples=40)
@given(st.sampled_from(KINDS), st.integers(450, 2500), SEEDS, THRESHOLDS,
       st.sampled_from([1, 1, 3, 80]), st.sampled_from([0, 1, 60]))
def test_many_boxes_are_kept_as_the_definition_says(
    kind, count, seed, threshold, classes, rounding,
):
    rng = np.random.default_rng(seed)
    boxes, class_ids = crowd(kind, count, rng, classes)
    if rounding:  # many equal sides and IoUs
        boxes = np.round(boxes / rounding) * rounding
    np.testing.assert_array_equal(
        nms(boxes, falling(boxes), class_ids, threshold), plain(boxes, class_ids, threshold))


@pytest.mark.parametrize('classes', [1, 80])
@pytest.mark.parametrize('kind', KINDS)
def test_ten_thousand_boxes_are_kept_as_the_definition_says(kind, classes):
    boxes, class_ids = crowd(kind, 10_000, np.random.default_rng(0), classes)
    np.testing.assert_array_equal(
        nms(boxes, falling(boxes), class_ids, 0.6), plain(boxes, class_ids, 0.6))


@pytest.mark.parametrize('threshold', [0.0, 0.6])
@pytest.mark.parametrize('kind', KINDS)
def test_the_memory_is_bounded(kind, threshold):
    boxes, class_ids = crowd(kind, 10_000, np.random.default_rng(0))
    tracemalloc.start()
    nms(boxes, falling(boxes), class_ids, threshold)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # one byte for each pair would be 100e6


@given(COUNTS, SEEDS, THRESHOLDS)
def test_batches_are_the_result_in_parts(count, seed, threshold):
    boxes, scores, class_ids = boxes_and_scores(count, seed, grid=1)
    batches = list(nms_batches(boxes, scores, class_ids, threshold))
    kept = nms(boxes, scores, class_ids, threshold)
    np.testing.assert_array_equal(np.concatenate([*batches, kept[:0]]), kept)


@settings(max_examples=100)
@given(st.sampled_from([2, 20, 65, 100]), SEEDS, st.sampled_from([-1, 0, 1]))
def test_an_iou_next_to_the_threshold_is_compared_exactly(count, seed, side):
    boxes, scores, class_ids = boxes_and_scores(count, seed, grid=5)
    scale = np.random.default_rng(seed).random()  # coordinates become inexact
    boxes = (boxes * scale).astype(np.float32)
    ious = box_iou(boxes, boxes)
    ious = ious[(ious > 0) & (ious < 1)]
    if ious.size:
        exact = float(ious[seed % ious.size])
        threshold = float(np.nextafter(exact, exact + side))
        assert_greedy(boxes, scores, class_ids, threshold)


@given(COUNTS, SEEDS, THRESHOLDS)
def test_a_second_nms_keeps_all_boxes(count, seed, threshold):
    boxes, scores, class_ids = boxes_and_scores(count, seed, grid=1)
    kept = nms(boxes, scores, class_ids, threshold)
    again = nms(boxes[kept], scores[kept], class_ids[kept], threshold)
    np.testing.assert_array_equal(again, np.arange(len(kept)))


@given(st.integers(2, 100), SEEDS, THRESHOLDS)
def test_boxes_of_other_classes_do_not_matter(count, seed, threshold):
    boxes, scores, class_ids = boxes_and_scores(count, seed, grid=1)
    kept = nms(boxes, scores, class_ids, threshold)
    for class_id in np.unique(class_ids):
        alone = np.flatnonzero(class_ids == class_id)
        expected = alone[nms(boxes[alone], scores[alone], class_ids[alone], threshold)]
        np.testing.assert_array_equal(kept[class_ids[kept] == class_id], expected)


def test_a_dropped_box_does_not_drop_another_box():
    # Each overlaps its neighbour. The first drops the second, so the third is kept.
    boxes = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    assert nms(boxes, [0.9, 0.8, 0.7], [0, 0, 0], 0.3).tolist() == [0, 2]


def test_every_other_box_of_an_overlapping_chain_is_kept():
    lefts = np.arange(500) * 4
    boxes = np.stack([lefts, 0 * lefts, lefts + 10, 0 * lefts + 10], axis=1)
    kept = nms(boxes, np.linspace(1, 0, 500), np.zeros(500, int), 0.3)
    assert kept.tolist() == list(range(0, 500, 2))


def test_huge_and_tiny_boxes_are_compared_exactly():
    boxes = np.array([[-1e30, -1e30, 1e30, 1e30], *([[0, 0, 1e-30, 1e-30]] * 70)], np.float32)
    assert nms(boxes, np.ones(71), np.zeros(71, int), 0.5).tolist() == [0, 1]


def test_boxes_without_area_are_kept_without_a_warning(recwarn):
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 9, 9]], np.float32)
    assert nms(boxes, [0.9, 0.8, 0.7], [0, 0, 0], 0.0).tolist() == [0, 1, 2]
    assert not recwarn.list


def test_nms_and_iou_of_zero_boxes_are_empty():
    assert nms(np.empty((0, 4)), np.empty(0), np.empty(0, int), 0.5).size == 0
    assert box_iou(np.empty((0, 4)), np.empty((3, 4))).shape == (0, 3)


@given(COUNTS, SEEDS)
@settings(max_examples=30)
def test_box_iou_is_that_of_the_reference_for_each_pair(count, seed):
    boxes, _, _ = boxes_and_scores(count, seed, grid=1)
    expected = [[reference.iou(a, b) for b in boxes[:5]] for a in boxes]
    np.testing.assert_array_equal(
        box_iou(boxes, boxes[:5]), np.reshape(expected, (count, min(count, 5))))


@pytest.mark.parametrize(('a', 'b', 'expected'), [
    ([0, 0, 2, 2], [1, 0, 3, 2], 1 / 3),
    ([0, 0, 2, 2], [0, 0, 2, 2], 1),
    ([0, 0, 2, 2], [2, 0, 4, 2], 0),
    ([0, 0, 4, 4], [1, 1, 3, 3], 1 / 4),
], ids=['overlapping', 'equal', 'touching', 'inside'])
def test_box_iou_of_simple_boxes(a, b, expected):
    assert box_iou([a], [b])[0, 0] == pytest.approx(expected)
