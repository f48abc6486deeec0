# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Labels` promises: names and indices that lead to each other."""

from __future__ import annotations

from hypothesis import given, strategies as st
import pytest

from fcos_ros.core.labels import COCO, Labels

NAMES = st.lists(st.text(st.characters(whitelist_categories=['Ll', 'Zs']), min_size=1),
                 unique=True, min_size=1).map(tuple)


@given(NAMES)
def test_every_name_leads_back_to_its_index(names):
    labels = Labels(names)
    indices = tuple(range(len(labels)))
    assert labels.ids(labels.name(index) for index in indices) == indices
    assert labels.ids(indices) == indices
    assert labels.ids(map(str, indices)) == indices


@given(NAMES, st.integers())
def test_an_index_without_a_name_is_its_number(names, index):
    if not 0 <= index < len(names):
        assert Labels(names).name(index) == str(index)


def test_coco_has_80_classes_from_person_to_toothbrush():
    assert len(COCO) == len(set(COCO.names)) == 80
    assert (COCO.name(0), COCO.name(16), COCO.name(79)) == ('person', 'dog', 'toothbrush')


def test_names_and_indices_mix_and_repeat():
    assert COCO.ids(['dog', 0, '2', 'person', 16]) == (16, 0, 2)
    assert COCO.ids([]) == ()


def test_a_name_that_is_a_number_is_a_name_first():
    labels = Labels(('1', '0'))
    assert labels.ids(['1']) == (0,)
    assert labels.ids([1]) == (1,)


@pytest.mark.parametrize(('wish', 'complaint'), [
    ('persn', "unknown class 'persn': did you mean 'person'"),
    ('unicorn', 'unknown class .*give a name .person, bicycle, .* or an index from 0 to 79'),
    (80, 'unknown class 80: .* from 0 to 79'),
    (-1, 'unknown class -1'),
    ('', "unknown class ''"),
])
def test_unknown_classes_are_refused_with_what_was_meant(wish, complaint):
    with pytest.raises(ValueError, match=complaint):
        COCO.ids(['person', wish])


def test_a_network_without_names_says_so():
    with pytest.raises(ValueError, match='no named classes'):
        Labels(()).ids(['person'])
