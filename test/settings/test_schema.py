# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each setting has a description and a valid default; other values are refused with the reason."""

from dataclasses import fields, replace

import pytest

from fcos_ros.backends import BACKENDS
from fcos_ros.settings.schema import Option, Settings

OPTIONS = Settings.options()


def test_the_defaults_of_all_settings_are_accepted():
    assert Settings().complaints() == []


@pytest.mark.parametrize('name', [entry.name for entry in fields(Settings)])
def test_every_setting_has_an_option_with_its_default_and_a_description(name):
    assert OPTIONS[name].default == getattr(Settings(), name)
    assert OPTIONS[name].description.endswith('.')


def test_the_choices_of_the_backend_are_all_engines():
    assert OPTIONS['backend'].choices == ('auto', *BACKENDS)


@pytest.mark.parametrize(('name', 'value'), [
    ('workers', 0), ('workers', 32), ('inference_timeout', 0.05), ('inference_timeout', 60),
    ('min_size', 3), ('track', True), ('fit', 'stretch'), ('classes', (0, 'car')), ('classes', ()),
    ('include_zones', ('any text',)), ('max_detections', 1000), ('one_class_per_cell', 'auto'),
    ('one_class_per_cell', 'false'),
])
def test_values_of_the_right_type_within_the_limits_are_accepted(name, value):
    assert replace(Settings(), **{name: value}).complaints() == []


@pytest.mark.parametrize(('name', 'value', 'complaint'), [
    ('workers', 33, 'workers is 33; accepted: 0 to 32'),
    ('workers', 1.0, 'workers is 1.0; accepted: a whole number'),
    ('workers', True, 'workers is True; accepted: a whole number'),
    ('inference_timeout', 0.0, 'inference_timeout is 0.0; accepted: 0.05 to 60.0'),
    ('inference_timeout', float('nan'), 'inference_timeout is nan; accepted: 0.05 to 60.0'),
    ('inference_timeout', '1', "inference_timeout is '1'; accepted: a number"),
    ('track', 1, 'track is 1; accepted: true or false'),
    ('fit', 'crop', "fit is 'crop'; accepted: letterbox, stretch"),
    ('max_detections', 1001, 'max_detections is 1001; accepted: 1 to 1000'),
    ('one_class_per_cell', 'no', "one_class_per_cell is 'no'; accepted: auto, true, false"),
    ('model', None, 'model is None; accepted: text'),
    ('classes', 'car', "classes is 'car'; accepted: a list of texts or of whole numbers"),
    ('classes', (0.5,), r'classes is [0.5]; accepted: a list of texts or of whole numbers'),
    ('include_zones', (1,), 'include_zones is [1]; accepted: a list of texts'),
    ('max_detections', (), 'max_detections is []; accepted: a whole number'),
    *(('cameras', names, f'cameras is {list(names)}; accepted: different names of letters, '
        'digits and _, beginning with a letter') for names in
       (('front', 'front'), ('1st', 'rear'), ('front/left', 'rear'), ('vorn\u00e4', 'b'))),
])
def test_other_values_are_refused_with_the_accepted_ones(name, value, complaint):
    assert replace(Settings(), **{name: value}).complaints() == [complaint]


@pytest.mark.parametrize(('cameras', 'names'), [
    ((), ('',)), (('',), ('',)),
    (('front', 'rear'), ('front', 'rear')), (('front', ''), ('front',)),
])
def test_an_empty_list_of_cameras_is_one_camera_without_a_name(cameras, names):
    assert Settings(cameras=cameras).camera_names == names


@pytest.mark.parametrize(('name', 'given', 'value'), [
    ('min_size', 1, 1.0), ('min_size', 1.5, 1.5), ('workers', 1, 1), ('workers', 1.0, 1.0),
    ('track', True, True), ('min_size', True, True), ('classes', [1, 2], (1, 2)),
    ('model', '1', '1'), ('workers', 'null', None), ('fit', '~', None), ('track', 'None', None),
    ('model', 'null', 'null'), ('classes', 'null', None),
    ('one_class_per_cell', True, 'true'), ('fit', True, True),
])
def test_a_given_value_gets_the_type_of_its_setting(name, given, value):
    found = OPTIONS[name].given(given)
    assert (found, type(found)) == (value, type(value))


def test_whole_numbers_may_have_steps():
    even = Option(640, 'Even.', limits=(64, 4096), step=2)
    assert [value for value in range(60, 70) if even.complaint(value) is None] == [64, 66, 68]
    assert even.complaint(101) == 'is 101; accepted: 64 to 4096 in steps of 2'
