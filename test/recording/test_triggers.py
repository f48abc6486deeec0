# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events start a recording as the user has stated them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded_frames import LABELS, SESSION, SETTINGS, frame, objects

from fcos_ros.core.labels import Labels
from fcos_ros.recording.triggers import TriggerChecker, parse_triggers
from fcos_ros.settings.schema import Settings


def checker(*entries):
    return TriggerChecker(parse_triggers(entries, LABELS))


@pytest.mark.parametrize('entry', [
    'person', 'class:', 'class: cat', 'class: 3', 'score: 0.3', 'score: 0.5 0.3',
    'score: -1 0.5', 'score: 0 1.5', 'score: low high', 'score: nan 1', 'diagnostics: stale',
    'diagnostics:', 'speed: 3', 'score 0.1 0.2'])
def test_other_texts_are_refused_with_the_accepted_ones(entry):
    with pytest.raises(ValueError, match=r'recorder_triggers has .*; accepted: class: NAME'):
        parse_triggers(['class: dog', entry], LABELS)


def test_an_unknown_class_is_named_with_a_similar_one():
    with pytest.raises(ValueError, match="unknown class 'dogs'; did you mean 'dog'"):
        parse_triggers(['class: dogs'], LABELS)


def test_no_trigger_is_needed():
    assert parse_triggers(('', ' '), LABELS) == ()
    assert checker('').frame_reason(frame(0, (0, 0.9))) == ''
    assert checker('').level_reason(2) == ''


@pytest.mark.parametrize('entry', ['class: dog', 'class:dog', ' class : 2 '])
def test_a_published_class_is_a_reason(entry):
    check = checker(entry)
    assert check.frame_reason(frame(0, (0, 0.9), (2, 0.6))) == 'class dog'
    assert check.frame_reason(frame(0, (0, 0.9), (2, 0.4))) == ''  # below the threshold
    assert check.frame_reason(frame(0, fate='failed', candidates=None)) == ''


def test_a_class_with_colons_in_its_name_is_found():
    check = TriggerChecker(parse_triggers(['class: a: b'], Labels(('a', 'a: b'))))
    assert check.frame_reason(frame(0, (1, 0.9))).startswith('class')


def test_a_score_between_two_values_is_a_reason_also_below_the_threshold():
    check = checker('score: 0.2 0.3')
    assert check.frame_reason(frame(0, (0, 0.25))) == 'score 0.25'
    assert check.frame_reason(frame(0, (0, 0.2))) == 'score 0.20'
    assert check.frame_reason(frame(0, (0, 0.1), (1, 0.31), (2, 0.9))) == ''
    assert check.frame_reason(frame(0, candidates=None)) == ''


def test_a_box_that_nms_drops_is_no_doubtful_detection():
    twice = replace(objects((0, 0.9), (0, 0.25)), boxes=objects((0, 0), (0, 0)).boxes[[0, 0]])
    check = checker('score: 0.2 0.3')
    assert check.frame_reason(frame(0, candidates=twice)) == ''
    separate = frame(0, candidates=twice, settings=Settings(nms_threshold=1.0))
    assert check.frame_reason(separate) == 'score 0.25'


def test_scores_of_excluded_classes_and_zones_are_no_reason():
    check = checker('score: 0.2 0.3')
    seen = frame(0, (1, 0.25))
    assert check.frame_reason(seen)
    for hidden in (Settings(exclude_classes=('ball',)),
                   Settings(exclude_zones=('0 0, 1 0, 1 1, 0 1',))):
        assert check.frame_reason(frame(0, (1, 0.25), settings=hidden)) == ''


def test_each_camera_is_checked_with_its_own_settings():
    check = checker('score: 0.2 0.3')
    front = replace_settings('front', Settings(exclude_classes=('ball',)))
    rear = replace_settings('rear', SETTINGS)
    assert [bool(check.frame_reason(seen)) for seen in (front, rear, front, rear)] == [
        False, True, False, True]


def replace_settings(camera, settings):
    return frame(0, (1, 0.25), camera=camera, settings=settings, session=SESSION)


@pytest.mark.parametrize(('entry', 'levels', 'reasons'), [
    ('diagnostics: error', [0, 1, 2, 2, 1, 2, 0, 3],
     ['', '', 'error', '', '', 'error', '', 'error']),
    ('diagnostics: warn', [1, 1, 2, 0, 2, 1, 0, 1],
     ['warn', '', '', '', 'error', '', '', 'warn'])])
def test_diagnostics_that_become_worse_are_a_reason(entry, levels, reasons):
    check = checker(entry)
    assert [check.level_reason(level).removeprefix('diagnostics ') for level in levels] == reasons
