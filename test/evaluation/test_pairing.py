# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections are paired with objects, and confused classes and changes are counted."""

from evaluation.images import image, scenes, shifted
from hypothesis import given
import numpy as np
import pytest

from fcos_ros.core.detections import Detections
from fcos_ros.evaluation.average_precision import precision_recall
from fcos_ros.evaluation.changes import find_changes
from fcos_ros.evaluation.pairing import confusion, pair

CUBE, BALL = 0, 1
LEFT, MIDDLE, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)
NONE = Detections.empty()


@given(scenes())
def test_each_object_is_found_once_or_missed(scene):
    for found, truth, crowds in zip(*scene):
        pairing = pair(found, truth, crowds)
        paired = pairing.objects[pairing.objects >= 0]
        assert sorted([*paired, *pairing.missed.nonzero()[0]]) == list(range(len(truth)))
        assert not (pairing.wrong & (pairing.objects >= 0)).any()
        right = pairing.objects >= 0
        assert np.array_equal(found.class_ids[right], truth.class_ids[paired])


@given(scenes())
def test_a_confusion_matrix_adds_up_to_objects_and_detections(scene):
    found, truth, crowds = scene
    counts = confusion(found, truth, 3, crowds)
    objects = np.bincount(np.concatenate([t.class_ids for t in truth]), minlength=3)
    assert np.array_equal(counts[:-1].sum(axis=1), objects)
    judged = precision_recall(found, truth, crowds=crowds)
    right, detections = np.trace(counts[:-1, :-1]), counts[:, :-1].sum()
    assert right / detections == pytest.approx(judged.precision) if detections \
        else np.isnan(judged.precision)


def test_an_object_of_another_class_is_confused_and_counts_once():
    truth = [image((LEFT, CUBE), (MIDDLE, BALL))]
    found = [image((shifted(LEFT, 1), BALL, 0.9), (LEFT, BALL, 0.6), (RIGHT, CUBE, 0.8))]
    assert confusion(found, truth, 2).tolist() == [
        [0, 1, 0],  # the cube is detected as a ball
        [0, 0, 1],  # the ball is missed
        [1, 1, 0]]  # a cube and a ball where nothing is


def test_changes_name_lost_and_gained_objects_and_wrong_detections():
    truth = image((LEFT, CUBE), (MIDDLE, CUBE), (RIGHT, BALL))
    first = image((LEFT, CUBE), (shifted(LEFT, 100), BALL), (shifted(LEFT, 150), BALL))
    second = image((MIDDLE, CUBE), (shifted(LEFT, 101), BALL), (shifted(LEFT, 200), BALL),
                   (shifted(LEFT, 250), BALL))
    change = find_changes(first, second, truth, NONE)
    assert change.lost.tolist() == [True, False, False]
    assert change.gained.tolist() == [False, True, False]
    assert change.new_wrong.tolist() == [False, False, True, True]
    assert change.gone_wrong.tolist() == [False, False, True]
    assert (change.worse, change.count) == (1, 5)


@given(scenes())
def test_nothing_changes_between_equal_runs_and_a_swap_reverses_the_change(scene):
    first, truth, crowds = scene
    for number, objects in enumerate(truth):
        one, other = first[number], first[number][::2]
        assert find_changes(one, one, objects, crowds[number]).count == 0
        change = find_changes(one, other, objects, crowds[number])
        assert find_changes(other, one, objects, crowds[number]).worse == -change.worse


def test_worse_images_come_first():
    truth = image((LEFT, CUBE))
    ranks = [find_changes(before, after, truth, NONE).rank for before, after in (
        (truth, NONE), (truth, truth), (NONE, truth),
        (truth, image((LEFT, CUBE), (RIGHT, CUBE), (MIDDLE, CUBE))))]
    assert sorted(range(4), key=ranks.__getitem__) == [3, 0, 1, 2]
