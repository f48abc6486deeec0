# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the arguments of the launch files mean, as users write them."""

from pathlib import Path

import pytest
import yaml

from fcos_ros.node.launch_arguments import parameter_file, value
from fcos_ros.node.settings import Settings

CONFIG = Path(__file__).resolve().parents[2] / 'config'


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
    ("driver's seat, car", ["driver's seat", 'car']),
    ('[0, 2]', ['0', '2']),
    ("['0', 2, 1.0, no, null]", ['0', '2', '1.0', 'no', 'null']),
    ("['']", ['']),
    ('[""]', ['']),
    ('[]', ['']),
])
def test_classes_are_listed_as_in_the_parameter_file_or_without_brackets_and_quotes(text, classes):
    assert value('classes', text, tuple) == classes


@pytest.mark.parametrize('text', [
    '["person: 0.3", "car: 0.6"]',
    "['person: 0.3', 'car: 0.6']",
    '["person": 0.3, "car": 0.6]',
    '["person: 0.3", car: 0.6]',
    '[person: 0.3, car: 0.6]',
    'person: 0.3, car: 0.6',
])
def test_thresholds_are_pairs_in_quotes_or_without(text):
    assert value('class_thresholds', text, tuple) == ['person: 0.3', 'car: 0.6']


LEFT, RIGHT = '0 0, 0.5 0, 0.5 1', '0.5 0, 1 0, 1 1'


@pytest.mark.parametrize('name', ['regions', 'ignored_zones'])
@pytest.mark.parametrize(('text', 'polygons'), [
    (LEFT, [LEFT]),
    (f'[{LEFT}]', [LEFT]),
    (f"['{LEFT}']", [LEFT]),
    (f'{LEFT}; {RIGHT}', [LEFT, RIGHT]),
    (f'[{LEFT}; {RIGHT}]', [LEFT, RIGHT]),
    (f'["{LEFT}", "{RIGHT}"]', [LEFT, RIGHT]),
    ("['']", ['']),
])
def test_commas_are_within_polygons_and_semicolons_between_them(name, text, polygons):
    assert value(name, text, tuple) == polygons


def test_every_setting_can_be_given_its_default():
    written = yaml.load((CONFIG / 'fcos.yaml').read_text(), yaml.BaseLoader)
    for name, text in written['/**']['ros__parameters'].items():
        default = getattr(Settings(), name)
        given = value(name, str(text), type(default))
        assert type(default)(given) == default


@pytest.mark.parametrize(('name', 'text', 'kind', 'accepted'), [
    ('workers', 'two', int, 'a whole number'),
    ('max_age', '1 s', float, 'a number'),
    ('track', 'maybe', bool, 'true or false'),
    ('classes', '["person, car]', tuple, 'texts with commas between'),
    ('classes', '[["person"], car]', tuple, 'texts with commas between'),
    ('regions', '["0 0, 1 0]', tuple, 'polygons with semicolons between'),
])
def test_what_cannot_be_read_is_named_with_what_is_accepted(name, text, kind, accepted):
    with pytest.raises(ValueError, match=f'^the launch argument {name}:=.* should be {accepted}'):
        value(name, text, kind)


@pytest.mark.parametrize('file', sorted(CONFIG.glob('*.yaml')), ids=lambda file: file.name)
def test_a_parameter_file_of_ours_is_found_by_its_name(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parameter_file(file.name, CONFIG) == file


def test_a_parameter_file_of_the_user_counts_more(tmp_path, monkeypatch):
    (tmp_path / 'fcos.yaml').touch()
    monkeypatch.chdir(tmp_path)
    assert parameter_file('fcos.yaml', CONFIG).samefile(tmp_path / 'fcos.yaml')
    assert parameter_file(str(tmp_path / 'fcos.yaml'), CONFIG) == tmp_path / 'fcos.yaml'


@pytest.mark.parametrize('given', ['nowhere.yaml', '/nowhere/fcos.yaml'])
def test_a_parameter_file_that_is_not_there_is_called_as_the_user_called_it(given):
    assert parameter_file(given, CONFIG) == Path(given)
