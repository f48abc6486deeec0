# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Advised thresholds have the best F1, or reach a precision with the highest recall."""

from evaluation.images import image, scenes, shifted
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.evaluation.average_precision import precision_recall
from fcos_ros.evaluation.matching import Matches, match_images
from fcos_ros.evaluation.score_curve import ScoreCurve

BOX = (0, 0, 20, 20)


def judge_at(scene, threshold):
    """Return precision and recall by the other function, which counts at one threshold."""
    found, truth, crowds = scene
    counted = precision_recall(found, truth, threshold, crowds)
    return counted.precision, counted.recall


def curve_of(scene):
    matches = match_images(*scene)
    return ScoreCurve.of(Matches.joined(list(matches.values()))) if matches else None


@given(scenes())
def test_a_curve_has_the_precision_and_recall_of_each_threshold(scene):
    curve = curve_of(scene)
    for score, precision, recall in (
            zip(curve.scores, curve.precision, curve.recall) if curve else ()):
        assert (precision, recall) == pytest.approx(judge_at(scene, score), nan_ok=True)


@given(scenes())
def test_no_threshold_has_a_better_f1_than_the_advised_one(scene):
    curve = curve_of(scene)
    advice = curve.advise() if curve else None
    if advice is None:
        return
    assert (advice.precision, advice.recall) == pytest.approx(judge_at(scene, advice.threshold))
    for score in np.concatenate([found.scores for found in scene[0]]):
        precision, recall = judge_at(scene, score)
        if recall > 0:
            assert 2 * precision * recall / (precision + recall) <= advice.f1 + 1e-9


@given(scenes(), st.sampled_from((0.2, 0.5, 0.8, 1.0)))
def test_a_wanted_precision_is_reached_with_the_highest_recall(scene, wanted):
    curve = curve_of(scene)
    advice = curve.advise(wanted) if curve else None
    recalls = [recall for found in scene[0] for score in found.scores
               for precision, recall in [judge_at(scene, score)]
               if precision >= wanted and recall > 0]
    if advice is None:
        assert not recalls
    else:
        precision, recall = judge_at(scene, advice.threshold)
        assert precision >= wanted
        assert recall == pytest.approx(max(recalls))


def test_an_advised_threshold_is_a_short_number_between_two_scores():
    found = [image((BOX, 0, 0.8765), (shifted(BOX, 50), 0, 0.4321))]
    advice = curve_of((found, [image((BOX, 0))], None)).advise()
    assert advice.threshold == 0.87
    close = [image((BOX, 0, 0.87654), (shifted(BOX, 50), 0, 0.87651))]
    between = curve_of((close, [image((BOX, 0))], None)).advise().threshold
    assert 0.87651 < between <= 0.87654
    assert len(str(between)) == len('0.87653')


def test_equal_scores_are_not_separated():
    found = [image((BOX, 0, 0.5), (shifted(BOX, 50), 0, 0.5))]
    curve = curve_of((found, [image((BOX, 0))], None))
    assert (curve.precision.tolist(), curve.recall.tolist()) == ([0.5], [1])
    assert curve.advise(0.9) is None
