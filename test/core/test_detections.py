# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arrays of `Detections` are selected and replaced together."""

from __future__ import annotations

import numpy as np
import pytest

from fcos_ros.core.detections import Alternatives, Detections


def three(**optional):
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    return Detections(boxes, np.float32([0.9, 0.8, 0.7]), np.int32([5, 6, 7]), **optional)


def three_tracked():
    alternatives = Alternatives(np.int32([[15, 25], [16, 26], [17, -1]]),
                                np.float32([[0.6, 0.5], [0.6, 0.5], [0.6, 0]]))
    return three(alternatives=alternatives, track_ids=np.int64([105, 0, 107]))


@pytest.mark.parametrize(('index', 'ids'), [
    (np.array([2, 0]), [7, 5]),
    (np.array([], int), []),
    (np.array([True, False, True]), [5, 7]),
    (slice(1, None), [6, 7]),
], ids=['indices', 'none', 'mask', 'slice'])
def test_a_selection_has_the_same_rows_of_all_arrays(index, ids):
    selected = three()[index]
    assert selected.class_ids.tolist() == ids
    np.testing.assert_array_equal(selected.boxes[:, 0], 4 * (selected.class_ids - 5))
    np.testing.assert_allclose(selected.scores, 0.9 - (selected.class_ids - 5) / 10, rtol=1e-6)


@pytest.mark.parametrize('index', [np.array([2, 0]), np.array([True, False, True]), slice(1, 1)])
def test_a_selection_includes_alternatives_and_track_ids(index):
    selected = three_tracked()[index]
    tracked = [class_id + 100 for class_id in selected.class_ids.tolist()]
    assert selected.track_ids.tolist() == tracked
    assert selected.alternatives.class_ids[:, 0].tolist() == [number - 90 for number in tracked]
    assert selected.alternatives.scores.shape == (len(selected), 2)


def test_alternatives_and_track_ids_are_absent_unless_given():
    for plain in (three(), three()[:1], Detections.empty()):
        assert plain.alternatives is None
        assert plain.track_ids is None


def test_new_boxes_and_track_ids_keep_the_alternatives():
    before = three_tracked()
    changed = before.with_boxes(before.boxes + 1).with_track_ids(np.int64([1, 2, 3]))
    assert changed.boxes[0].tolist() == [1, 2, 3, 4]
    assert changed.alternatives is before.alternatives
    assert changed.track_ids.tolist() == [1, 2, 3]


def test_new_boxes_keep_scores_and_classes():
    changed = three().with_boxes(three().boxes + 1)
    assert changed.boxes[0].tolist() == [1, 2, 3, 4]
    assert changed.class_ids.tolist() == [5, 6, 7]


def test_empty_detections_have_the_right_shapes_and_types():
    empty = Detections.empty()
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)
    assert (empty.boxes.dtype, empty.scores.dtype, empty.class_ids.dtype) == (
        np.float32, np.float32, np.int32)


@pytest.mark.parametrize('boxes', [np.zeros((2, 4)), np.zeros((3, 5)), np.zeros(3)])
def test_arrays_of_different_lengths_are_refused(boxes):
    with pytest.raises(ValueError, match=r'accepted: \(N, 4\), \(N,\) and \(N,\)'):
        Detections(boxes, np.zeros(3), np.zeros(3))


@pytest.mark.parametrize(('class_ids', 'scores'), [
    ((2, 1), (2, 1)), ((3, 2), (3, 1)), ((3,), (3,)),
], ids=['too few rows', 'different shapes', 'one axis'])
def test_alternatives_of_a_wrong_shape_are_refused(class_ids, scores):
    alternatives = Alternatives(np.zeros(class_ids, np.int32), np.zeros(scores, np.float32))
    with pytest.raises(ValueError, match=r'accepted: \(3, K\) for both'):
        three(alternatives=alternatives)


def test_track_ids_of_a_wrong_length_are_refused():
    with pytest.raises(ValueError, match=r'track_ids has the shape \(2,\); accepted: \(3,\)'):
        three(track_ids=np.zeros(2, np.int64))
