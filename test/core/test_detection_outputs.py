# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outputs that are detections already are recognised, thresholded and sorted, without NMS."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.head import DetectionOutputs, HeadError, HeadSpec, OutputSpec
from fcos_ros.core.recognition import recognise
from fcos_ros.core.resize import Size

CANVAS = Size(320, 256)
CLASSES = HeadSpec(num_classes=91)


def specs_of(outputs, names=None):
    names = names or [str(index) for index in range(len(outputs))]
    return [OutputSpec(name, output.shape, output.dtype) for name, output in zip(names, outputs)]


def torchvision(boxes, scores, labels):
    """Return outputs in the order of torchvision: boxes, scores, labels without a batch."""
    return [np.float32(boxes).reshape(-1, 4), np.float32(scores), np.int64(labels)]


def mmdeploy(boxes, scores, labels):
    """Return outputs of MMDeploy: dets with scores, and labels, with a batch of one."""
    boxes, scores = np.float32(boxes).reshape(-1, 4), np.float32(scores).reshape(-1, 1)
    return [np.hstack([boxes, scores])[None], np.int64(labels)[None]]


def batched(boxes, scores, labels):
    return [output[None] for output in torchvision(boxes, scores, labels)]


FORMS = {'torchvision': torchvision, 'mmdeploy': mmdeploy, 'batched': batched}
forms = pytest.mark.parametrize('form', FORMS.values(), ids=FORMS)


@forms
@pytest.mark.parametrize('count', [0, 1, 2, 4, 5, 100])
def test_boxes_scores_and_labels_are_recognised_in_any_order_for_any_number(form, count):
    outputs = form(np.zeros((count, 4)), np.zeros(count), np.zeros(count, int))
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        own = [outputs[index] for index in order if index < len(outputs)]
        head = recognise(specs_of(own), CANVAS, CLASSES)
        assert isinstance(head, DetectionOutputs)
        assert own[head.labels].dtype == np.int64
        assert own[head.boxes].shape[-1] == (4 if len(outputs) == 3 else 5)
        assert (head.scores is None) == (len(outputs) == 2)
        assert (head.num_classes, head.canvas, head.levels) == (91, CANVAS, ())
        assert [content.parts for content in head.contents()][head.labels] == ('label',)


DETECTIONS = st.lists(st.tuples(
    st.floats(0, 1, width=32), st.integers(-1, 5),
    st.tuples(*[st.one_of(st.floats(-50, 400, width=32), st.just(float('nan')))] * 4)),
    max_size=30)


@forms
@given(DETECTIONS, st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from([None, (0, 3)]))
def test_detections_are_passed_on_above_their_threshold(form, found, threshold, class_ids):
    boxes, scores = [box for _, _, box in found], [score for score, _, _ in found]
    outputs = form(boxes, scores, [label for _, label, _ in found])
    head = recognise(specs_of(form(np.zeros((7, 4)), np.zeros(7), np.zeros(7, int))), CANVAS,
                     HeadSpec(num_classes=6))
    criteria = Criteria(score_threshold=threshold, class_ids=class_ids, nms_threshold=0,
                        class_thresholds=((3, 0.5),), hypotheses=3)
    expected = [(score, label, box) for score, label, box in found
                if label >= 0 and (class_ids is None or label in class_ids) and score > 0
                and score >= (0.5 if label == 3 else threshold) and np.isfinite(box).all()]
    expected.sort(key=lambda one: -one[0])
    decoded = make_decoder(head).decode(outputs, criteria)
    assert decoded.scores.tolist() == [score for score, _, _ in expected]
    assert decoded.class_ids.tolist() == [label for _, label, _ in expected]
    assert decoded.boxes.tolist() == [list(box) for _, _, box in expected]
    assert decoded.alternatives is None


@forms
def test_boxes_that_overlap_are_kept(form):
    outputs = form([[0, 0, 9, 9]] * 3, [0.9, 0.8, 0.7], [1, 1, 1])
    head = recognise(specs_of(outputs), CANVAS, CLASSES)
    assert len(make_decoder(head).decode(outputs, Criteria(nms_threshold=0.1))) == 3


@forms
def test_a_label_beyond_the_number_of_classes_is_refused(form):
    outputs = form([[0, 0, 9, 9]], [0.9], [2])
    head = recognise(specs_of(outputs), CANVAS, HeadSpec(num_classes=2))
    with pytest.raises(ValueError, match='found class 2; accepted: classes 0 to 1; state the lab'):
        make_decoder(head).decode(outputs, Criteria())


@forms
def test_outputs_that_differ_from_the_head_are_refused(form):
    outputs = form(np.zeros((2, 4)), [0.5, 0.5], [0, 0])
    decoder = make_decoder(recognise(specs_of(outputs), CANVAS, CLASSES))
    with pytest.raises(ValueError, match=r'outputs; accepted: \d, as in the head'):
        decoder.decode(outputs[1:], Criteria())
    with pytest.raises(ValueError, match='output 0 is float32'):
        decoder.decode([outputs[0][..., 1:], *outputs[1:]], Criteria())
    with pytest.raises(ValueError, match='output 0 is float32'):
        decoder.decode([outputs[0][None], *outputs[1:]], Criteria())
    with pytest.raises(ValueError, match=r'2 boxes, 2 scores and 1 labels'):
        decoder.decode([*outputs[:-1], outputs[-1][..., 1:]], Criteria())


def test_the_number_of_classes_must_be_stated():
    outputs = torchvision(np.zeros((2, 4)), [0.5, 0.5], [0, 0])
    with pytest.raises(HeadError, match=r'number of classes; state the labels$'):
        recognise(specs_of(outputs), CANVAS)


@pytest.mark.parametrize('outputs', [
    [np.zeros((3, 4), np.float32), np.zeros(3, np.int64)],
    [np.zeros((3, 4), np.float32), np.zeros(3, np.int64), np.zeros(3, np.int64)],
    [np.zeros((1, 3, 5), np.float32), np.zeros((2, 3), np.int64)],
    [np.zeros((3, 4), np.float32), *[np.zeros(3, np.float32)] * 2, np.zeros(3, np.int64)],
    [np.zeros((3, 4), np.int32), np.zeros(3, np.float32), np.zeros(3, np.int64)],
    [np.zeros((3, 6), np.float32), np.zeros(3, np.float32), np.zeros(3, np.int64)],
], ids=['no scores', 'two labels', 'batch of two', 'two scores', 'integer boxes', 'six columns'])
def test_other_outputs_are_refused(outputs):
    with pytest.raises(HeadError, match=r'or boxes \[N, 4\], scores'):
        recognise(specs_of(outputs), CANVAS, CLASSES)
