# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texts of launch arguments are converted to values, in every form that users write."""

from contextlib import suppress
from pathlib import Path

from hypothesis import given, strategies as st
import pytest
import yaml

from fcos_ros.settings.launch_arguments import (
    describe,
    full_name,
    parse_value,
    resolve_topic,
    unknown_arguments,
)
from fcos_ros.settings.schema import Settings

CONFIG = Path(__file__).resolve().parents[2] / 'config'


def parse(name, text):
    return parse_value(name, text, Settings.options()[name])


@pytest.mark.parametrize(('text', 'classes'), [
    ('person', ['person']),
    ('person,car', ['person', 'car']),
    ('person, traffic light', ['person', 'traffic light']),
    ('person; car', ['person', 'car']),
    ('[person, car]', ['person', 'car']),
    ("['cube','ball']", ['cube', 'ball']),
    ('["traffic light", ball]', ['traffic light', 'ball']),
    ("'cube', 'ball'", ['cube', 'ball']),
    ("['with, comma', ball]", ['with, comma', 'ball']),
    ("driver's cab, car", ["driver's cab", 'car']),
    ('[0, 2]', ['0', '2']),
    ("['0', 2, 1.0, no, null]", ['0', '2', '1.0', 'no', 'null']),
    ("['']", ['']),
    ('[""]', ['']),
    ('[]', ['']),
])
def test_a_list_of_classes_is_parsed_with_and_without_brackets_and_quotes(text, classes):
    assert parse('classes', text) == classes


@pytest.mark.parametrize('text', [
    '["person: 0.3", "car: 0.6"]',
    "['person: 0.3', 'car: 0.6']",
    '["person": 0.3, "car": 0.6]',
    '["person: 0.3", car: 0.6]',
    '[person: 0.3, car: 0.6]',
    'person: 0.3, car: 0.6',
])
def test_a_list_of_thresholds_is_parsed_with_and_without_brackets_and_quotes(text):
    assert parse('class_thresholds', text) == ['person: 0.3', 'car: 0.6']


LEFT, RIGHT = '0 0, 0.5 0, 0.5 1', '0.5 0, 1 0, 1 1'


@pytest.mark.parametrize('name', ['include_zones', 'exclude_zones'])
@pytest.mark.parametrize(('text', 'polygons'), [
    (LEFT, [LEFT]),
    (f'[{LEFT}]', [LEFT]),
    (f"['{LEFT}']", [LEFT]),
    (f'{LEFT}; {RIGHT}', [LEFT, RIGHT]),
    (f'[{LEFT}; {RIGHT}]', [LEFT, RIGHT]),
    (f'["{LEFT}", "{RIGHT}"]', [LEFT, RIGHT]),
    ("['']", ['']),
])
def test_a_list_of_polygons_is_separated_by_semicolons_or_quotes(name, text, polygons):
    assert parse(name, text) == polygons


def test_the_default_of_every_setting_is_parsed():
    written = yaml.load((CONFIG / 'fcos.yaml').read_text(), yaml.BaseLoader)
    for name, text in written['/**']['ros__parameters'].items():
        default = getattr(Settings(), name)
        assert type(default)(parse(name, str(text))) == default


@pytest.mark.parametrize(('name', 'text', 'value'), [
    ('track', 'true', True), ('track', 'True', True), ('track', 'FALSE', False),
    ('transport', 'HBMEM', 'hbmem'), ('fit', 'Stretch', 'stretch'), ('class_id', 'name', 'name'),
    ('model', 'True', 'True'), ('max_age', '0', 0.0), ('min_size', '1e1', 10.0),
    ('workers', '2', 2),
])
def test_upper_and_lower_case_of_words_do_not_matter(name, text, value):
    found = parse(name, text)
    assert (found, type(found)) == (value, type(value))


def test_the_description_of_an_argument_has_the_accepted_values():
    options = Settings.options()
    assert describe(options['workers']).endswith(' Accepted: 0 to 32.')
    assert describe(options['fit']).endswith(' Accepted: letterbox, stretch.')
    assert describe(options['track']).endswith(' Accepted: true, false.')
    assert describe(options['model']) == options['model'].description


@pytest.mark.parametrize(('name', 'text', 'accepted'), [
    ('workers', 'two', 'a whole number, 0 to 32'),
    ('workers', '8.9', 'a whole number, 0 to 32'),
    ('max_age', '1 s', 'a number, 0.0 to 3600.0'),
    ('track', 'maybe', 'true or false'),
    ('track', '1', 'true or false'),
    ('classes', '["person, car]', 'texts with commas between'),
    ('classes', '[["person"], car]', 'texts with commas between'),
    ('include_zones', '["0 0, 1 0]', 'polygons with semicolons between'),
])
def test_an_invalid_value_is_refused_with_the_accepted_form(name, text, accepted):
    with pytest.raises(ValueError, match=f'^the launch argument {name}:=.*; accepted: {accepted}'):
        parse(name, text)


@pytest.mark.parametrize(('name', 'text', 'complaint'), [
    ('workers', '33', 'workers is 33; accepted: 0 to 32'),
    ('score_threshold', '2', 'score_threshold is 2.0; accepted: 0.0 to 1.0'),
    ('score_threshold', 'nan', 'score_threshold is nan; accepted: 0.0 to 1.0'),
    ('fit', 'tile', "fit is 'tile'; accepted: letterbox, stretch"),
    ('cameras', '[front, front]', "cameras is .'front', 'front'.; accepted: different names"),
])
def test_a_value_that_the_node_would_refuse_is_refused_with_the_same_reason(
        name, text, complaint):
    with pytest.raises(ValueError, match=f'^the launch argument {complaint}'):
        parse(name, text)


@pytest.mark.parametrize('text', ['"' + '[' * 100_000, "'a'" + '{' * 100_000, 'x' * 100_000])
def test_a_huge_text_is_refused_or_read_but_not_repeated(text):
    with pytest.raises(ValueError, match='cannot be read') as caught:
        parse('workers', text)
    assert len(str(caught.value)) < 400
    with suppress(ValueError):
        parse('classes', text)


@given(st.sampled_from(list(Settings.options())), st.text())
def test_any_text_is_read_or_refused(name, text):
    with suppress(ValueError):
        value = parse(name, text)
        assert Settings.options()[name].complaint(Settings.options()[name].given(value)) is None


@pytest.mark.parametrize(('parts', 'name'), [
    ((None, '', 'fcos'), '/fcos'), (('', 'r1', 'det'), '/r1/det'),
    ((None, '/r1', 'det'), '/r1/det'),
    (('robot', 'r1', 'det'), '/robot/r1/det'), (('/robot', '', 'det'), '/robot/det'),
    (('/robot', '/r1', 'det'), '/r1/det'), (('/', 'r1/', 'det'), '/r1/det'),
])
def test_the_full_name_of_a_node_contains_all_relative_namespaces(parts, name):
    assert full_name(*parts) == name


@pytest.mark.parametrize(('topic', 'remappings', 'name'), [
    ('image', [], '/r1/image'),
    ('/image', [], '/image'),
    ('~/detections', [], '/r1/det/detections'),
    ('image', [('image', '/camera/image_raw')], '/camera/image_raw'),
    ('image', [('image', 'camera/image_raw')], '/r1/camera/image_raw'),
    ('image', [('/image', '/other'), ('/r1/image', '/camera')], '/camera'),
    ('image', [('image', '/first'), ('image', '/second')], '/first'),
    ('~/detections', [('~/detections', 'found')], '/r1/found'),
    ('~/detections', [('det/detections', '~/found')], '/r1/det/found'),
])
def test_a_topic_is_resolved_as_ros_resolves_it(topic, remappings, name):
    assert resolve_topic(topic, '/r1/det', remappings) == name


@pytest.mark.parametrize(('words', 'sentences'), [
    (['launch', 'fcos_ros', 'a.launch.py', 'scor_threshold:=1', 'track:=true'],
     ['a.launch.py has no argument scor_threshold, so it has no effect; did you mean '
      'score_threshold?']),
    (['launch', '/some/a.launch.py', 'zzzzz:=1'],
     ['a.launch.py has no argument zzzzz, so it has no effect']),
    (['launch', 'fcos_ros', 'including.launch.py', 'scor_threshold:=1'], []),
])
def test_arguments_that_a_launch_file_does_not_have_are_named(words, sentences):
    assert unknown_arguments(words, Path('share/a.launch.py'), Settings.options()) == sentences
