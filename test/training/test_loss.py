# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses: perfect outputs cost nothing, and ignored objects do not count."""

import math

from hypothesis import given, strategies as st
import pytest
import torch

from fcos_ros.deploy.network import STRIDES, Outputs
from training.augment import IGNORED
from training.loss import CENTER_RADIUS, LEVEL_LIMITS, AnchorPoints, compute_losses

WIDTH, HEIGHT, CLASSES = 256, 128, 3
POINTS = AnchorPoints.of(WIDTH, HEIGHT)


def objects(*rows):
    """Return the ground truth of an image from rows (x1, y1, x2, y2, class id)."""
    values = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return values[:, :4], values[:, 4].long()


def oracle(truth):
    """Return for each point its class and distances, by plain loops; None for background."""
    boxes, class_ids = truth
    results = []
    level = 0
    for stride in STRIDES:
        for row in range(-(-HEIGHT // stride)):
            for column in range(-(-WIDTH // stride)):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                best, best_area = None, math.inf
                for (x1, y1, x2, y2), class_id in zip(boxes.tolist(), class_ids.tolist()):
                    sides = (x - x1, y - y1, x2 - x, y2 - y)
                    area = (x2 - x1) * (y2 - y1)
                    near = max(abs(x - (x1 + x2) / 2),
                               abs(y - (y1 + y2) / 2)) < CENTER_RADIUS * stride
                    if class_id == IGNORED or min(sides) <= 0 or not near:
                        continue
                    if LEVEL_LIMITS[level] <= max(sides) < LEVEL_LIMITS[level + 1] and (
                            area < best_area):
                        best, best_area = (class_id, [side / stride for side in sides]), area
                results.append(best)
        level += 1
    return results


def outputs_for(assigned):
    """Return the outputs that detect exactly the assigned objects, with sure scores."""
    classes, boxes, centers = [], [], []
    start = 0
    for stride in STRIDES:
        height, width = -(-HEIGHT // stride), -(-WIDTH // stride)
        own = assigned[start:start + height * width]
        start += height * width
        logits = torch.full((len(own), CLASSES), -30.0)
        sides = torch.ones(len(own), 4)
        for index, found in enumerate(own):
            if found:
                logits[index, found[0]] = 30.0
                sides[index] = torch.tensor(found[1])
        left, top, right, bottom = sides.T
        center = torch.sqrt(torch.minimum(left, right) / torch.maximum(left, right)
                            * torch.minimum(top, bottom) / torch.maximum(top, bottom))
        for levels, values in ((classes, logits), (boxes, sides.log()),
                               (centers, torch.logit(center, 1e-6)[:, None])):
            levels.append(values.T.reshape(1, -1, height, width).requires_grad_())
    return Outputs(classes, boxes, centers)


def quarters(low, high):
    """Return multiples of 0.25, for which float32 and float64 calculate the same."""
    return st.integers(4 * low, 4 * high).map(lambda number: number / 4)


BOX = st.tuples(quarters(0, WIDTH - 30), quarters(0, HEIGHT - 30), quarters(12, 200),
                quarters(12, 120), st.integers(0, CLASSES - 1)).map(
    lambda values: (values[0], values[1], min(WIDTH, values[0] + values[2]),
                    min(HEIGHT, values[1] + values[3]), values[4]))


def area(row):
    x1, y1, x2, y2, _ = row
    return (x2 - x1) * (y2 - y1)


def boxes_of_different_areas(most):
    """Return lists of boxes: which of two equal ones is in front is not defined."""
    return st.lists(BOX, min_size=1, max_size=most, unique_by=area)


@given(boxes_of_different_areas(4))
def test_outputs_as_an_oracle_assigns_them_cost_nothing(rows):
    truth = objects(*rows)
    losses = compute_losses(outputs_for(oracle(truth)), POINTS, [truth])
    assert losses.classes.item() == pytest.approx(0, abs=1e-4)
    assert losses.boxes.item() == pytest.approx(0, abs=1e-4)


@given(boxes_of_different_areas(3), st.integers(0, 2))
def test_a_missed_object_costs(rows, wrong):
    truth = objects(*rows)
    assigned = oracle(truth)
    positive = [index for index, found in enumerate(assigned) if found]
    if not positive:
        return  # no point is near its centre at the stride of its size
    assigned[positive[wrong % len(positive)]] = None
    assert compute_losses(outputs_for(assigned), POINTS, [truth]).classes.item() > 0.1


def test_an_image_without_objects_is_background():
    good = outputs_for(oracle(objects()))
    losses = compute_losses(good, POINTS, [objects()])
    assert [loss.item() for loss in losses] == [pytest.approx(0, abs=1e-4), 0, 0]
    losses.total().backward()
    assert all(torch.isfinite(level.grad).all() for level in good.classes)


def test_an_ignored_object_is_neither_right_nor_wrong():
    ignored, real = (40, 40, 100, 100, IGNORED), (40, 40, 100, 100, 1)
    outputs = outputs_for(oracle(objects(real)))
    assert compute_losses(outputs, POINTS, [objects(ignored)]).classes.item() < 1e-4
    assert compute_losses(outputs, POINTS, [objects()]).classes.item() > 1


def test_the_smaller_of_two_objects_is_in_front():
    large, small = (0, 0, 100, 100, 0), (30, 30, 70, 70, 1)
    both = oracle(objects(large, small))
    assert 1 in {found[0] for found in both if found}
    losses = compute_losses(outputs_for(both), POINTS, [objects(large, small)])
    assert losses.total().item() < 0.7, 'only the cross entropy of the centerness remains'


def test_large_raw_boxes_have_finite_losses():
    truth = objects((40, 40, 100, 100, 1))
    outputs = outputs_for(oracle(truth))
    wild = outputs._replace(boxes=[level.detach() + 1e4 for level in outputs.boxes])
    assert all(math.isfinite(loss.item()) for loss in compute_losses(wild, POINTS, [truth]))
