# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The grid misses no pair of boxes above the IoU threshold, and leaves out most others."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core.box_grid import BoxGrid
from fcos_ros.core.nms import box_iou

THRESHOLDS = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.95, 1.0]), st.floats(0, 1))


def near_pairs(boxes, class_ids, others, other_classes, threshold):
    """Return all pairs that the grid of the other boxes yields, as a matrix of counts."""
    counts = np.zeros((len(boxes), len(others)), int)
    grid = BoxGrid(np.float64(others).T, other_classes, threshold)
    for one, other in grid.near(np.float64(boxes).T, class_ids):
        np.add.at(counts, (one, other), 1)
    return counts


@settings(max_examples=300)
@given(st.integers(1, 80), st.integers(1, 200), st.integers(0, 2**32 - 1), THRESHOLDS,
       st.sampled_from([1.0, 1e-20, 1e30]), st.sampled_from([0, 8]))
def test_every_pair_above_the_threshold_is_found_once(
    count, other_count, seed, threshold, unit, grid,
):
    rng = np.random.default_rng(seed)

    def boxes(number):
        corners = rng.uniform(-50, 150, (number, 2))
        sides = np.exp(rng.uniform(-1, 5, (number, 2))) * rng.choice([0, 1, 1, 1], (number, 1))
        both = np.hstack([corners, corners + sides])
        return (unit * (np.round(both / grid) * grid if grid else both)).astype(np.float32)

    ones, others = boxes(count), boxes(other_count)
    classes = rng.integers(0, 3, count), rng.integers(0, 3, other_count)
    counts = near_pairs(ones, classes[0], others, classes[1], threshold)
    above = (box_iou(ones, others) > threshold) & (classes[0][:, None] == classes[1])
    assert (counts[above] == 1).all()
    assert counts.max() <= 1
    assert not counts[classes[0][:, None] != classes[1]].any()


@pytest.mark.parametrize('unit', [1.0, 1e-6])
def test_few_boxes_are_compared_if_they_are_small(unit):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 1000, (4000, 2))
    boxes = unit * np.hstack([corners, corners + 8])
    boxes[0] = -1e9, -1e9, 1e9, 1e9  # a wild box does not spoil the grid
    counts = near_pairs(boxes[1:], np.zeros(3999, int), boxes, np.zeros(4000, int), 0.6)
    assert counts.sum(axis=1).mean() < 40


def test_the_reach_of_a_huge_box_may_be_endless():
    boxes = np.array([[-1e307, 0, 1e307, 1]])
    class_ids = np.zeros(1, int)
    assert near_pairs(boxes, class_ids, boxes, class_ids, 1e-6).tolist() == [[1]]
