# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texts of launch arguments are converted to values, in every form that users write."""

from pathlib import Path

import pytest
import yaml

from fcos_ros.settings.launch_arguments import find_parameter_file, parse_value
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


@pytest.mark.parametrize(('name', 'text', 'accepted'), [
    ('workers', 'two', 'a whole number'),
    ('max_age', '1 s', 'a number'),
    ('track', 'maybe', 'true or false'),
    ('classes', '["person, car]', 'texts with commas between'),
    ('classes', '[["person"], car]', 'texts with commas between'),
    ('include_zones', '["0 0, 1 0]', 'polygons with semicolons between'),
])
def test_an_invalid_value_is_refused_with_the_accepted_form(name, text, accepted):
    with pytest.raises(ValueError, match=f'^the launch argument {name}:=.*; accepted: {accepted}'):
        parse(name, text)


@pytest.mark.parametrize('file', sorted(CONFIG.glob('*.yaml')), ids=lambda file: file.name)
def test_a_parameter_file_of_the_package_is_found_by_its_name(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_parameter_file(file.name, CONFIG) == file


def test_a_parameter_file_of_the_user_has_priority(tmp_path, monkeypatch):
    (tmp_path / 'fcos.yaml').touch()
    monkeypatch.chdir(tmp_path)
    assert find_parameter_file('fcos.yaml', CONFIG).samefile(tmp_path / 'fcos.yaml')
    assert find_parameter_file(str(tmp_path / 'fcos.yaml'), CONFIG) == tmp_path / 'fcos.yaml'


@pytest.mark.parametrize('given', ['nowhere.yaml', '/nowhere/fcos.yaml'])
def test_the_path_of_a_missing_parameter_file_is_returned_unchanged(given):
    assert find_parameter_file(given, CONFIG) == Path(given)
