# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `select` promises: what does not count goes, and takes nobody's place."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.resize import Size
from fcos_ros.core.selection import judge_again, select
from fcos_ros.core.zones import Zones

IMAGE = Size(100, 50)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
X, Y = st.integers(0, IMAGE.width), st.integers(0, IMAGE.height)
BOXES = st.lists(st.builds(
    lambda x, y: [*map(float, (min(x), min(y), max(x), max(y)))],
    st.tuples(X, X), st.tuples(Y, Y)), max_size=20)


def objects(boxes):
    """Make a class of its own for each box, the best first."""
    count = len(boxes)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4),
                      np.linspace(0.9, 0.5, count, dtype=np.float32),
                      np.arange(count, dtype=np.int32))


@given(BOXES, st.sampled_from([0.0, 1.0, 10.0, 60.0]), st.integers(1, 25), st.booleans())
def test_the_best_of_those_that_count_stay(boxes, min_size, most, on_the_left):
    zones = Zones(regions=(LEFT,)) if on_the_left else Zones()
    criteria = Criteria(min_size=min_size, max_detections=most, zones=zones)
    expected = [index for index, (x1, y1, x2, y2) in enumerate(boxes)
                if x2 > x1 and y2 > y1 and min(x2 - x1, y2 - y1) >= min_size
                and (not on_the_left or x1 + x2 <= IMAGE.width)]
    selected = select(objects(boxes), criteria, IMAGE)
    assert selected.class_ids.tolist() == expected[:most]


@pytest.mark.parametrize(('box', 'counts'), [
    ([10, 10, 18, 18], True),
    ([10, 10, 17.5, 40], False),
    ([10, 10, 40, 17.5], False),
    ([92, 10, 100, 20], True),
], ids=['exactly', 'too narrow', 'too low', 'cut off'])
def test_both_sides_of_a_box_must_have_the_least_size(box, counts):
    assert len(select(objects([box]), Criteria(min_size=8.0), IMAGE)) == counts


@pytest.mark.parametrize('box', [[100, 5, 100, 9], [4, 50, 9, 50], [7, 7, 7, 7]],
                         ids=['beside the image', 'below the image', 'a point'])
def test_a_box_without_area_is_no_detection(box):
    assert len(select(objects([box]), Criteria(), IMAGE)) == 0


STRICT = {
    'score': Criteria(score_threshold=0.7),
    'class': Criteria(class_ids=(1, 2)),
    'score of a class': Criteria(class_thresholds=((0, 0.95),)),
    'size': Criteria(min_size=12.0),
    'place': Criteria(zones=Zones(ignored=(LEFT,))),
    'number': Criteria(max_detections=2),
}


@pytest.mark.parametrize('criteria', STRICT.values(), ids=STRICT)
@given(BOXES)
def test_judged_again_it_is_as_if_it_had_been_judged_so_at_first(criteria, boxes):
    found = objects(boxes)
    before = judge_again(found, Criteria(), IMAGE)
    expected = select(found[criteria.reached(found)], criteria, IMAGE)
    after = judge_again(before, criteria, IMAGE)
    assert after.class_ids.tolist() == expected.class_ids.tolist()


def test_judged_again_a_detection_names_only_what_is_wanted_and_as_much_of_it():
    found = Detections(
        np.float32([[0, 0, 9, 9]]), np.float32([0.9]), np.int32([0]),
        Alternatives(np.int32([[3, 1, 2]]), np.float32([[0.8, 0.7, 0.6]])))
    judged = judge_again(found, Criteria(class_ids=(0, 1, 2), hypotheses=3), IMAGE)
    assert judged.alternatives.class_ids.tolist() == [[-1, 1]]
    np.testing.assert_allclose(judged.alternatives.scores, [[0, 0.7]])
