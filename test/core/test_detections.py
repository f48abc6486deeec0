# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Detections` promises: three arrays that stay together."""

from __future__ import annotations

import numpy as np
import pytest

from fcos_ros.core.detections import Detections


def three():
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    return Detections(boxes, np.float32([0.9, 0.8, 0.7]), np.int32([5, 6, 7]))


@pytest.mark.parametrize(('index', 'ids'), [
    (np.array([2, 0]), [7, 5]),
    (np.array([], int), []),
    (np.array([True, False, True]), [5, 7]),
    (slice(1, None), [6, 7]),
], ids=['indices', 'none', 'mask', 'slice'])
def test_picking_keeps_rows_together(index, ids):
    picked = three()[index]
    assert picked.class_ids.tolist() == ids
    np.testing.assert_array_equal(picked.boxes[:, 0], 4 * (picked.class_ids - 5))
    np.testing.assert_allclose(picked.scores, 0.9 - (picked.class_ids - 5) / 10, rtol=1e-6)


def test_other_boxes_keep_scores_and_classes():
    moved = three().with_boxes(three().boxes + 1)
    assert moved.boxes[0].tolist() == [1, 2, 3, 4]
    assert moved.class_ids.tolist() == [5, 6, 7]


def test_nothing_found_has_the_right_shapes_and_types():
    nothing = Detections.empty()
    assert len(nothing) == 0
    assert nothing.boxes.shape == (0, 4)
    assert (nothing.boxes.dtype, nothing.scores.dtype, nothing.class_ids.dtype) == (
        np.float32, np.float32, np.int32)


@pytest.mark.parametrize('boxes', [np.zeros((2, 4)), np.zeros((3, 5)), np.zeros(3)])
def test_arrays_that_do_not_match_are_refused(boxes):
    with pytest.raises(ValueError, match=r'expected \(N, 4\), \(N,\) and \(N,\)'):
        Detections(boxes, np.zeros(3), np.zeros(3))
