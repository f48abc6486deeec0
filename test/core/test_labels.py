# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of classes are converted to indices and back."""

from __future__ import annotations

from hypothesis import given, strategies as st
import pytest

from fcos_ros.core.labels import COCO, MAX_CLASSES, Labels, default_labels, printable

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


def test_the_default_labels_of_91_classes_are_the_numbers_of_cocos_categories():
    labels = default_labels(91)
    assert len(labels) == 91
    assert [labels.name(number) for number in (0, 1, 11, 12, 13, 44, 45, 46, 90)] == [
        '__background__', 'person', 'fire hydrant', 'N/A', 'stop sign', 'bottle', 'N/A',
        'wine glass', 'toothbrush']
    assert [name for name in labels.names[1:] if name != 'N/A'] == list(COCO.names)


def test_a_name_stands_for_all_classes_that_have_it():
    labels = Labels(('crane', 'boat', 'crane'))
    assert labels.ids(['crane']) == (0, 2)
    assert labels.ids(['boat', 'crane', 2]) == (1, 0, 2)


@pytest.mark.parametrize('entries', [
    ['cube', 'ball', 'cone'], ('cube', 'ball', 'cone'), {0: 'cube', 1: 'ball', 2: 'cone'},
    {'2': 'cone', '0': 'cube', '1': 'ball'}, [' cube', 'ball\t', 'cone\r'],
])
def test_names_are_read_from_lists_and_from_mappings(entries):
    assert Labels.parse(entries).names == ('cube', 'ball', 'cone')


def test_a_class_without_a_name_is_named_by_its_index():
    assert Labels.parse(['cube', None, '', 'ball']).names == ('cube', '1', '2', 'ball')
    assert Labels.parse({1: 'person', 3: 'car'}).names == ('0', 'person', '2', 'car')


@pytest.mark.parametrize(('entries', 'complaint'), [
    (None, 'accepted: a list of 1 to 65536 class names'),
    ('cube', 'accepted: a list'),
    ([], 'accepted: a list'),
    ({}, 'accepted: a list'),
    (['a'] * (MAX_CLASSES + 1), 'accepted: a list'),
    (['cube', ['ball']], r"class 1 is \['ball'\]; accepted: a name"),
    (['cube', 0.5], 'class 1 is 0.5; accepted: a name'),
    (['cube', True], 'class 1 is True; accepted: a name'),
    (['cube', 'b\x1b[31mall'], r"class 1 is 'b\\x1b\[31mall'; accepted: a name without control"),
    (['cube', 'ba\nll'], 'without control characters'),
    (['\ud800'], 'without control characters'),
    (['abc\u202edef'], 'without control characters'),
    ({'first': 'cube'}, "'first' is not a class index; accepted: 0 to 65535"),
    ({-1: 'cube'}, '-1 is not a class index'),
    ({10 ** 9: 'cube'}, 'is not a class index'),
    ({'9' * 5000: 'cube'}, 'is not a class index'),
])
def test_other_entries_are_refused(entries, complaint):
    with pytest.raises(ValueError, match=complaint):
        Labels.parse(entries)


@pytest.mark.parametrize('text', [
    'cube\nball\ncone', 'cube\nball\ncone\n', 'cube\r\nball\r\ncone\r\n', 'cube\rball\rcone',
    '\ufeffcube\nball\ncone\n\n\n  \n', '  cube\nball \t\n\tcone',
])
def test_names_are_read_from_the_lines_of_a_text_file(text):
    assert Labels.from_text(text).names == ('cube', 'ball', 'cone')


@pytest.mark.parametrize(('text', 'complaint'), [
    ('cube\n\ncone\n', 'line 2 is empty; accepted: one class name in each line'),
    ('\ncube', 'line 1 is empty'), ('', 'line 1 is empty'), ('\ufeff\n\n', 'line 1 is empty'),
    ('cube\nba\x00ll', 'class 1 is'),
])
def test_a_text_file_with_gaps_or_control_characters_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        Labels.from_text(text)


@given(st.lists(st.text(st.characters(whitelist_categories=['L', 'N', 'P', 'S']), min_size=1),
                min_size=1))
def test_names_in_any_script_are_kept(names):
    assert Labels.parse(names).names == tuple(names)
    assert all(printable(name) == name for name in names)


@given(st.text(st.characters(blacklist_categories=[])))
def test_printable_text_cannot_control_a_terminal(text):
    shown = printable(text)
    shown.encode('utf-8')
    assert all(character.isprintable() or character in '\u200c\u200d' or character.isspace()
               or ord(character) > 0x9f for character in shown)
    assert not set(shown) & set(map(chr, [*range(32), *range(0x7f, 0xa0), 0x202e, 0x2028]))


def test_printable_text_shows_what_was_escaped():
    assert printable('a\x1b[31mb\n\u202ec') == r'a\x1b[31mb\n\u202ec'
    assert printable('Fußgänger 行人 👩‍🚒') == 'Fußgänger 行人 👩‍🚒'


@pytest.mark.parametrize('num_classes', [0, 1, 3, 79, 81, 90, 200])
def test_the_default_labels_of_another_number_of_classes_are_their_indices(num_classes):
    labels = default_labels(num_classes)
    assert labels.names == tuple(str(index) for index in range(num_classes))
    assert labels.ids(labels.names) == tuple(range(num_classes))
