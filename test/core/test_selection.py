# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `select` promises: what does not count goes, and takes nobody's place."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.resize import Size
from fcos_ros.core.selection import select
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
