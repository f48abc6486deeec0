# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of a user become the criteria of the detector and the settings of the tracker."""

from types import SimpleNamespace

import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.labels import Labels
from fcos_ros.core.tracking import TrackerSettings
from fcos_ros.core.zones import Zones
from fcos_ros.settings.criteria import to_criteria, to_input_size, to_tracker_settings
from fcos_ros.settings.schema import Settings

LABELS = Labels(('cube', 'ball', 'cone'))
MODEL = SimpleNamespace(labels=LABELS, num_classes=len(LABELS),
                        criteria=Criteria(score_threshold=0.3, nms_threshold=0.4))
TRIANGLE = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
SQUARE = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))


def criteria(**settings):
    return to_criteria(Settings(**settings), MODEL)


@pytest.mark.parametrize(('settings', 'remedy'), [
    ({'classes': ('c' * 100_000,)}, '; accepted: a name'),
    ({'class_thresholds': ('c' * 100_000 + ': 0.5',)}, '; accepted: a name'),
    ({'class_thresholds': ('c' * 100_000,)}, '; accepted: CLASS: SCORE'),
    ({'include_zones': ('c' * 100_000,)}, '; accepted: 3 or more points'),
])
def test_a_long_value_is_shortened_and_the_remedy_follows(settings, remedy):
    with pytest.raises(ValueError, match=remedy) as refusal:
        criteria(**settings)
    assert len(str(refusal.value)) < 500


def test_a_long_size_is_shortened_and_the_remedy_follows():
    with pytest.raises(ValueError, match='; accepted: WIDTHxHEIGHT') as refusal:
        to_input_size('9' * 100_000)
    assert len(str(refusal.value)) < 500


def test_the_defaults_are_the_criteria_of_the_model():
    assert criteria() == MODEL.criteria


@pytest.mark.parametrize(('setting', 'of_model', 'expected'), [
    ('auto', True, True), ('auto', False, False), ('true', False, True), ('false', True, False)])
def test_the_model_decides_on_one_class_per_cell_if_the_setting_is_auto(
        setting, of_model, expected):
    model = SimpleNamespace(**{
        **vars(MODEL), 'criteria': Criteria(one_class_per_cell=of_model)})
    found = to_criteria(Settings(one_class_per_cell=setting), model)
    assert found.one_class_per_cell == expected


def test_the_settings_replace_the_criteria_of_the_model():
    assert criteria(
        score_threshold=0.7, nms_threshold=0.8, max_detections=7, min_size=3.0, hypotheses=2,
        classes=('cone', 0), class_thresholds=('cone: 0.2', '0:1'),
        include_zones=('0 0, 1 0, 0 1',), exclude_zones=('0 0, 0.5 0, 0.5 0.5, 0 0.5',),
        zone_anchor='bottom',
    ) == Criteria(
        score_threshold=0.7, nms_threshold=0.8, max_detections=7, class_ids=(2, 0),
        class_thresholds=((2, 0.2), (0, 1.0)), min_size=3.0, hypotheses=2,
        zones=Zones(include=(TRIANGLE,), exclude=(SQUARE,), anchor='bottom'))


@pytest.mark.parametrize(('classes', 'exclude_classes', 'wanted'), [
    ((), (), None),
    (('',), (' ',), None),
    (('ball', '2'), (), (1, 2)),
    ((), ('ball',), (0, 2)),
    (('cone', 'cube'), ('ball', 0), (2,)),
])
def test_excluded_classes_are_removed_from_the_wanted_ones(classes, exclude_classes, wanted):
    assert criteria(classes=classes, exclude_classes=exclude_classes).class_ids == wanted


def test_the_threshold_of_a_name_is_that_of_all_classes_with_the_name():
    model = SimpleNamespace(**{**vars(MODEL), 'labels': Labels(('cube', 'ball', 'cube'))})
    found = to_criteria(Settings(class_thresholds=('cube: 0.3',)), model)
    assert found.class_thresholds == ((0, 0.3), (2, 0.3))


@pytest.mark.parametrize(('settings', 'complaint'), [
    ({'classes': ('bal',)}, "unknown class 'bal'; did you mean 'ball'"),
    ({'exclude_classes': (3,)}, 'unknown class 3; accepted: a name .cube, ball, cone.'),
    ({'class_thresholds': ('disc: 0.3',)}, "unknown class 'disc'"),
    ({'exclude_classes': (0, 1, 2)}, 'classes and exclude_classes leave no class to report'),
    ({'classes': (1,), 'exclude_classes': (1,)}, 'leave no class to report; remove a class'),
    ({'class_thresholds': ('ball',)}, "class_thresholds has 'ball'; accepted: CLASS: SCORE"),
    ({'class_thresholds': ('ball: high',)}, "class_thresholds has 'ball: high'; accepted: CLASS"),
    ({'class_thresholds': ('ball: 1.5',)}, 'accepted: CLASS: SCORE with a score from 0 to 1'),
    ({'class_thresholds': ('ball: nan',)}, 'accepted: CLASS: SCORE with a score from 0 to 1'),
    ({'class_thresholds': (': 0.5',)}, 'accepted: CLASS: SCORE with a score from 0 to 1'),
    ({'class_thresholds': ('ball: 0.5', '1: 0.6')}, 'at most one threshold for each class'),
    ({'include_zones': ('0 0, 1 0',)}, "include_zones: polygon '0 0, 1 0' is not valid"),
    ({'exclude_zones': ('0 0, 1 0, 2 2',)}, 'exclude_zones: polygon .* is not valid'),
], ids=lambda value: str(value) if isinstance(value, dict) else '')
def test_settings_that_do_not_fit_the_model_are_refused_with_the_reason(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        criteria(**settings)


def test_the_settings_of_the_tracker_are_those_of_the_user():
    assert to_tracker_settings(Settings(track_threshold=0.2, track_timeout=3.0)) == (
        TrackerSettings(low_threshold=0.2, timeout=3.0))
