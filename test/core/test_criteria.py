# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Criteria accept valid values only, and are compared by value."""

from __future__ import annotations

from dataclasses import replace
import pickle

import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.zones import Zones


@pytest.mark.parametrize(('field', 'value'), [
    ('score_threshold', -0.1), ('score_threshold', float('nan')), ('nms_threshold', 1.1),
    ('max_detections', 0), ('hypotheses', 0), ('min_size', -1.0),
    ('min_size', float('nan')), ('min_size', float('inf')),
])
def test_criteria_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=f'{field} is '):
        Criteria(**{field: value})


@pytest.mark.parametrize(('thresholds', 'complaint'), [
    (((3, 1.5),), 'has 1.5 for class 3; accepted: 0 to 1'),
    (((3, float('nan')),), 'has nan for class 3'),
    (((3, 0.5), (3, 0.6)), 'at most one threshold for each class'),
], ids=['too high', 'nan', 'class twice'])
def test_invalid_thresholds_of_classes_are_refused(thresholds, complaint):
    with pytest.raises(ValueError, match=f'class_thresholds .*{complaint}'):
        Criteria(class_thresholds=thresholds)


def test_criteria_can_be_pickled_and_are_compared_by_value():
    corner = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5))
    criteria = Criteria(class_ids=(1, 2), class_thresholds=((1, 0.7),), min_size=8.0,
                        hypotheses=3, zones=Zones(include=(corner,), anchor='bottom'))
    copy = pickle.loads(pickle.dumps(criteria))
    assert copy == criteria
    assert hash(copy) == hash(criteria)
    assert replace(copy, zones=Zones(exclude=(corner,))) != criteria
