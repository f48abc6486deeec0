# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Detections` promises: arrays that stay together."""

from __future__ import annotations

import numpy as np
import pytest

from fcos_ros.core.detections import Alternatives, Detections


def three(**optional):
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    return Detections(boxes, np.float32([0.9, 0.8, 0.7]), np.int32([5, 6, 7]), **optional)


def three_tracked():
    others = Alternatives(np.int32([[15, 25], [16, 26], [17, -1]]),
                          np.float32([[0.6, 0.5], [0.6, 0.5], [0.6, 0]]))
    return three(alternatives=others, track_ids=np.int64([105, 0, 107]))


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


@pytest.mark.parametrize('index', [np.array([2, 0]), np.array([True, False, True]), slice(1, 1)])
def test_picking_keeps_what_is_optional_too(index):
    picked = three_tracked()[index]
    tracked = [class_id + 100 for class_id in picked.class_ids.tolist()]
    assert picked.track_ids.tolist() == tracked
    assert picked.alternatives.class_ids[:, 0].tolist() == [number - 90 for number in tracked]
    assert picked.alternatives.scores.shape == (len(picked), 2)


def test_what_is_optional_is_absent_unless_given():
    for plain in (three(), three()[:1], Detections.empty()):
        assert plain.alternatives is None
        assert plain.track_ids is None


def test_other_boxes_and_track_ids_keep_all_else():
    before = three_tracked()
    moved = before.with_boxes(before.boxes + 1).with_track_ids(np.int64([1, 2, 3]))
    assert moved.boxes[0].tolist() == [1, 2, 3, 4]
    assert moved.alternatives is before.alternatives
    assert moved.track_ids.tolist() == [1, 2, 3]


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


@pytest.mark.parametrize(('class_ids', 'scores'), [
    ((2, 1), (2, 1)), ((3, 2), (3, 1)), ((3,), (3,)),
], ids=['too few', 'unlike', 'flat'])
def test_alternatives_that_do_not_match_are_refused(class_ids, scores):
    others = Alternatives(np.zeros(class_ids, np.int32), np.zeros(scores, np.float32))
    with pytest.raises(ValueError, match=r'expected \(3, K\) for both'):
        three(alternatives=others)


def test_track_ids_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r'track_ids have the shape \(2,\): expected \(3,\)'):
        three(track_ids=np.zeros(2, np.int64))
