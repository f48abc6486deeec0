# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections are filtered by size and zone, then limited in number."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.resize import Size
from fcos_ros.core.selection import reapply_criteria, select
from fcos_ros.core.zones import Zones

IMAGE = Size(100, 50)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
X, Y = st.integers(0, IMAGE.width), st.integers(0, IMAGE.height)
BOXES = st.lists(st.builds(
    lambda x, y: [*map(float, (min(x), min(y), max(x), max(y)))],
    st.tuples(X, X), st.tuples(Y, Y)), max_size=20)


def objects(boxes):
    """Return a detection of a different class for each box, best first."""
    count = len(boxes)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4),
                      np.linspace(0.9, 0.5, count, dtype=np.float32),
                      np.arange(count, dtype=np.int32))


@given(BOXES, st.sampled_from([0.0, 1.0, 10.0, 60.0]), st.integers(1, 25), st.booleans())
def test_the_best_detections_that_count_are_kept(boxes, min_size, limit, on_the_left):
    zones = Zones(include=(LEFT,)) if on_the_left else Zones()
    criteria = Criteria(min_size=min_size, max_detections=limit, zones=zones)
    expected = [index for index, (x1, y1, x2, y2) in enumerate(boxes)
                if x2 > x1 and y2 > y1 and min(x2 - x1, y2 - y1) >= min_size
                and (not on_the_left or x1 + x2 <= IMAGE.width)]
    selected = select(objects(boxes), criteria, IMAGE)
    assert selected.class_ids.tolist() == expected[:limit]


@pytest.mark.parametrize(('box', 'kept'), [
    ([10, 10, 18, 18], True),
    ([10, 10, 17.5, 40], False),
    ([10, 10, 40, 17.5], False),
    ([92, 10, 100, 20], True),
], ids=['minimum', 'too narrow', 'too low', 'cut by the border'])
def test_both_sides_of_a_box_must_have_the_minimum_size(box, kept):
    assert len(select(objects([box]), Criteria(min_size=8.0), IMAGE)) == kept


@pytest.mark.parametrize('box', [[100, 5, 100, 9], [4, 50, 9, 50], [7, 7, 7, 7]],
                         ids=['beside the image', 'below the image', 'a point'])
def test_a_box_without_area_is_removed(box):
    assert len(select(objects([box]), Criteria(), IMAGE)) == 0


STRICTER = {
    'score': Criteria(score_threshold=0.7),
    'class': Criteria(class_ids=(1, 2)),
    'threshold of a class': Criteria(class_thresholds=((0, 0.95),)),
    'size': Criteria(min_size=12.0),
    'zone': Criteria(zones=Zones(exclude=(LEFT,))),
    'limit': Criteria(max_detections=2),
}


@pytest.mark.parametrize('criteria', STRICTER.values(), ids=STRICTER)
@given(BOXES)
def test_reapplied_criteria_give_the_same_result_as_criteria_applied_first(criteria, boxes):
    found = objects(boxes)
    before = reapply_criteria(found, Criteria(), IMAGE)
    expected = select(found[criteria.reached(found)], criteria, IMAGE)
    after = reapply_criteria(before, criteria, IMAGE)
    assert after.class_ids.tolist() == expected.class_ids.tolist()


def test_reapplied_criteria_limit_the_alternatives():
    found = Detections(
        np.float32([[0, 0, 9, 9]]), np.float32([0.9]), np.int32([0]),
        Alternatives(np.int32([[3, 1, 2]]), np.float32([[0.8, 0.7, 0.6]])))
    selected = reapply_criteria(found, Criteria(class_ids=(0, 1, 2), hypotheses=3), IMAGE)
    assert selected.alternatives.class_ids.tolist() == [[-1, 1]]
    np.testing.assert_allclose(selected.alternatives.scores, [[0, 0.7]])
