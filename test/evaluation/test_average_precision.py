# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Average precision, precision and recall agree with their definitions."""

from evaluation.images import image, scenes, shifted
from hypothesis import given
import numpy as np
import pytest

from fcos_ros.evaluation.average_precision import evaluate, precision_recall

CUBE, BALL = 0, 1
LEFT, MIDDLE, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)
ALL_ONES = pytest.approx((1, 1, 1))


def summary(result):
    return result.ap, result.ap50, result.ap75


@given(scenes(most_crowds=0))
def test_average_precision_agrees_with_its_definition(scene):
    found, truth, _ = scene
    result = evaluate(found, truth)
    classes = {int(c) for true in truth for c in true.class_ids}
    ious = [0.5 + 0.05 * step for step in range(10)]
    table = {c: [average_precision(found, truth, c, min_iou) for min_iou in ious] for c in classes}
    assert result.by_class == pytest.approx({c: np.mean(row) for c, row in table.items()})
    if classes:
        rows = np.array(list(table.values()))
        assert summary(result) == pytest.approx(
            (rows.mean(), rows[:, 0].mean(), rows[:, 5].mean()))


def average_precision(found, truth, class_id, min_iou):
    """Return the average precision by its definition, one detection after the other."""
    objects = [(number, tuple(box)) for number, true in enumerate(truth)
               for box, c in zip(true.boxes.tolist(), true.class_ids) if c == class_id]
    candidates = sorted((
        (score, number, box) for number, some in enumerate(found)
        for box, score, c in zip(some.boxes.tolist(), some.scores, some.class_ids)
        if c == class_id), reverse=True)
    unmatched, correct = list(objects), []
    for _, number, box in candidates:
        near = [(iou(box, o[1]), -i) for i, o in enumerate(unmatched) if o[0] == number]
        best, place = max(near, default=(0, 0))
        correct.append(best >= min_iou - 1e-9)
        if correct[-1]:
            del unmatched[-place]
    points = [(sum(correct[:n]) / len(objects), sum(correct[:n]) / n)
              for n in range(1, len(correct) + 1)]
    return np.mean([max((p for r, p in points if r >= i / 100 - 1e-9), default=0)
                    for i in range(101)])


def iou(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    inside = width * height
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


@given(scenes(most_crowds=0))
def test_the_ground_truth_as_detections_has_a_precision_of_1(scene):
    _, truth, _ = scene
    if any(map(len, truth)):
        assert summary(evaluate(truth, truth)) == ALL_ONES


def test_no_detections_have_an_average_precision_of_0():
    assert summary(evaluate([image()], [image((LEFT, CUBE))])) == (0, 0, 0)


def test_average_precision_without_objects_is_nan():
    result = evaluate([image((LEFT, CUBE, 0.9))], [image()])
    assert np.isnan(summary(result)).all()
    assert result.by_class == {}


def test_half_of_the_objects_detected_gives_half_of_the_recall_levels():
    result = evaluate([image((LEFT, CUBE))], [image((LEFT, CUBE), (RIGHT, CUBE))])
    assert result.ap50 == pytest.approx(51 / 101)


def test_the_second_detection_of_an_object_is_wrong():
    truth = [image((LEFT, CUBE), (RIGHT, CUBE))]
    found = [image((LEFT, CUBE, 0.9), (LEFT, CUBE, 0.8), (RIGHT, CUBE, 0.7))]
    assert evaluate(found, truth).ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert precision_recall(found, truth).precision == pytest.approx(2 / 3)


def test_a_wrong_detection_after_full_recall_costs_nothing():
    found = [image((LEFT, CUBE, 0.9), (RIGHT, CUBE, 0.1))]
    assert summary(evaluate(found, [image((LEFT, CUBE))])) == ALL_ONES


def test_a_correct_box_of_a_wrong_class_is_wrong():
    result = evaluate([image((LEFT, BALL))], [image((LEFT, CUBE))])
    assert result.by_class == {CUBE: 0}


def test_a_box_in_another_image_is_wrong():
    found = [image(), image((LEFT, CUBE))]
    assert evaluate(found, [image((LEFT, CUBE)), image()]).ap == 0


@pytest.mark.parametrize(('pixels', 'iou_levels'), [
    pytest.param(0, 10, id='exact'),
    pytest.param(2, 4, id='IoU 2/3'),
    pytest.param(10 / 3, 1, id='IoU 1/2'),
    pytest.param(5, 0, id='IoU 1/3'),
])
def test_a_shifted_box_counts_up_to_its_iou(pixels, iou_levels):
    found = [image((shifted(LEFT, pixels), CUBE))]
    assert evaluate(found, [image((LEFT, CUBE))]).ap == pytest.approx(iou_levels / 10)


def test_average_precision_is_the_mean_over_classes():
    truth = [image((LEFT, CUBE), (MIDDLE, CUBE), (RIGHT, BALL))]
    result = evaluate([image((RIGHT, BALL))], truth)
    assert (result.ap, result.by_class) == (0.5, {CUBE: 0, BALL: 1})


def test_100_detections_of_a_class_count_in_each_image():
    wrong = [(shifted(LEFT, 100 + 20 * i), CUBE, 0.9) for i in range(100)]
    truth = [image((LEFT, CUBE))]
    assert evaluate([image(*wrong[:99], (LEFT, CUBE, 0.5))], truth).ap50 == pytest.approx(0.01)
    assert evaluate([image(*wrong, (LEFT, CUBE, 0.5))], truth).ap50 == 0


def test_precision_and_recall_count_detections_that_reach_the_score():
    truth = [image((LEFT, CUBE), (RIGHT, BALL)), image((MIDDLE, CUBE))]
    found = [image((LEFT, CUBE, 0.9), (MIDDLE, BALL, 0.6)), image((MIDDLE, CUBE, 0.3))]
    at_half = precision_recall(found, truth, 0.5)
    assert (at_half.precision, at_half.recall) == pytest.approx((1 / 2, 1 / 3))
    at_all = precision_recall(found, truth)
    assert (at_all.precision, at_all.recall) == pytest.approx((2 / 3, 2 / 3))


def test_precision_and_recall_of_empty_images_are_nan():
    empty = precision_recall([image()], [image()])
    assert np.isnan([empty.precision, empty.recall]).all()


@pytest.mark.parametrize('measure', [evaluate, precision_recall])
def test_different_numbers_of_images_are_refused(measure):
    with pytest.raises(ValueError, match='detections of 1 images and ground truth of 2'):
        measure([image()], [image(), image()])
