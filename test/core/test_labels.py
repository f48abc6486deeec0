# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of classes are converted to indices and back."""

from __future__ import annotations

from hypothesis import given, strategies as st
import pytest

from fcos_ros.core.labels import COCO, Labels, default_labels

NAMES = st.lists(st.text(st.characters(whitelist_categories=['Ll', 'Zs']), min_size=1),
                 unique=True, min_size=1).map(tuple)


@given(NAMES)
def test_every_name_is_converted_to_its_index(names):
    labels = Labels(names)
    indices = tuple(range(len(labels)))
    assert labels.ids(labels.name(index) for index in indices) == indices
    assert labels.ids(indices) == indices
    assert labels.ids(map(str, indices)) == indices


@given(NAMES, st.integers())
def test_an_index_without_a_name_is_shown_as_a_number(names, index):
    if not 0 <= index < len(names):
        assert Labels(names).name(index) == str(index)


def test_coco_has_80_classes_from_person_to_toothbrush():
    assert len(COCO) == len(set(COCO.names)) == 80
    assert (COCO.name(0), COCO.name(16), COCO.name(79)) == ('person', 'dog', 'toothbrush')


def test_names_and_indices_can_be_mixed_and_repeated():
    assert COCO.ids(['dog', 0, '2', 'person', 16]) == (16, 0, 2)
    assert COCO.ids([]) == ()


def test_a_name_has_priority_over_an_index():
    labels = Labels(('1', '0'))
    assert labels.ids(['1']) == (0,)
    assert labels.ids([1]) == (1,)


@pytest.mark.parametrize(('unknown', 'complaint'), [
    ('persn', "unknown class 'persn'; did you mean 'person'"),
    ('unicorn', 'unknown class .*accepted: a name .person, bicycle, .* or an index from 0 to 79'),
    (80, 'unknown class 80; .* from 0 to 79'),
    (-1, 'unknown class -1'),
    ('', "unknown class ''"),
])
def test_an_unknown_class_is_refused_with_similar_or_accepted_ones(unknown, complaint):
    with pytest.raises(ValueError, match=complaint):
        COCO.ids(['person', unknown])


def test_a_network_without_named_classes_refuses_all_names():
    with pytest.raises(ValueError, match='no named classes'):
        Labels(()).ids(['person'])


def test_the_default_labels_of_80_classes_are_those_of_coco():
    assert default_labels(80) is COCO


@pytest.mark.parametrize('num_classes', [0, 1, 3, 79, 81, 200])
def test_the_default_labels_of_another_number_of_classes_are_their_indices(num_classes):
    labels = default_labels(num_classes)
    assert labels.names == tuple(str(index) for index in range(num_classes))
    assert labels.ids(labels.names) == tuple(range(num_classes))
