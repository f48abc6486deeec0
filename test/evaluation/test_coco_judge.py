# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our COCO figures are those of faster-coco-eval, which has those of pycocotools."""

import sys

from evaluation.images import image, scenes, shifted
from hypothesis import given
import numpy as np
import pytest

from fcos_ros.evaluation.average_precision import evaluate
from fcos_ros.evaluation.coco_judge import LIBRARY, OWN, find_judge

SMALL, LARGE, CROWD = (0, 0, 20, 20), (50, 50, 200, 200), (100, 0, 180, 60)


def judge_both(found, truth, crowds):
    return (find_judge(name).evaluate(found, truth, crowds) for name in (OWN, LIBRARY))


@given(scenes())
def test_both_judges_give_the_same_six_figures_of_each_class(scene):
    own, library = judge_both(*scene)
    assert own.figures == pytest.approx(library.figures, nan_ok=True)
    assert own.classes.keys() == library.classes.keys()
    for class_id, figures in own.classes.items():
        assert figures == pytest.approx(library.classes[class_id], nan_ok=True)


def test_both_judges_agree_on_many_images():
    rng = np.random.default_rng(0)
    truth = [random_image(rng, rng.integers(0, 12)) for _ in range(80)]
    crowds = [random_image(rng, rng.integers(0, 2)) for _ in truth]
    found = [near(rng, objects) for objects in truth]
    own, library = judge_both(found, truth, crowds)
    assert 0.05 < own.ap < 0.95
    assert own.figures == pytest.approx(library.figures)


def random_image(rng, count):
    corners, sides = rng.uniform(0, 400, (count, 2)), np.exp(rng.uniform(2, 5.5, (count, 2)))
    return image(*zip(np.hstack([corners, corners + sides]), rng.integers(0, 4, count),
                      rng.permutation(count) / max(1, count)))


def near(rng, objects):
    moved = objects.boxes + rng.normal(0, 4, objects.boxes.shape)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    scores = (rng.permutation(len(moved)) + rng.uniform()) / (len(moved) + 1)
    return image(*zip(moved, objects.class_ids, scores))


def test_sizes_are_judged_separately():
    truth = [image((SMALL, 0), (LARGE, 0))]
    result = evaluate([image((LARGE, 0, 0.9))], truth)
    assert (result.small, result.large) == (0, 1)
    assert np.isnan(result.medium)


def test_detections_in_a_crowd_are_neither_right_nor_wrong():
    truth, crowds = [image((SMALL, 0))], [image((CROWD, 0))]
    inside = [((110, 5, 130, 40), 0, 0.95), (shifted((110, 5, 130, 40), 30), 0, 0.9)]
    found = [image(*inside, (SMALL, 0, 0.5))]
    assert evaluate(found, truth, crowds).ap == 1
    assert evaluate(found, truth).ap == pytest.approx(1 / 3)


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faster_coco_eval', None)
    with pytest.raises(ImportError, match=r'run: python3 -m pip install .*faster-coco-eval'):
        find_judge(LIBRARY)
    assert find_judge('auto').name == OWN
