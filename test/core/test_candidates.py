# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding candidates gives the detections of the network's outputs, bit for bit."""

from __future__ import annotations

from dataclasses import replace
import math

from core import reference
from core.networks import Network
from core.test_decode import CRITERIA, NETWORKS, SEEDS, STATED, assert_same, decode, scene
from core.test_detection_outputs import CANVAS, CLASSES, FORMS, specs_of
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core import decode as decode_module
from fcos_ros.core.candidates import Candidates, decode_candidates
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.decode import make_decoder
from fcos_ros.core.recognition import recognise

FLOORS = st.one_of(st.sampled_from([0.0, 0.02, 0.5, 1.0]), st.floats(0, 1))


def raised(criteria, floor):
    """Return the criteria with no threshold below a floor."""
    own = tuple((class_id, max(score, floor)) for class_id, score in criteria.class_thresholds)
    return replace(criteria, score_threshold=max(criteria.score_threshold, floor),
                   class_thresholds=own)


@settings(max_examples=200)
@given(NETWORKS, CRITERIA, SEEDS, STATED, FLOORS, st.sampled_from([-4.0, -1.0, 3.0]))
def test_candidates_decode_to_the_detections_of_the_reference(
    network, criteria, seed, stated, floor, mean,
):
    head, outputs = scene(network, np.random.default_rng(seed), mean=mean, **stated)
    candidates = make_decoder(head).candidates(outputs, floor)
    assert candidates.floor >= floor
    criteria = raised(criteria, min(candidates.floor, 1.0))
    if criteria.score_threshold < candidates.floor:
        return  # the floor is above 1, as too many scores are 1
    found = decode_candidates(candidates, head.num_classes, criteria)
    assert_same(found, reference.decode(head, outputs, criteria))


@settings(max_examples=50)
@given(NETWORKS, SEEDS, STATED, FLOORS)
def test_candidates_hold_every_score_above_the_floor_and_no_other(network, seed, stated, floor):
    head, outputs = scene(network, np.random.default_rng(seed), **stated)
    candidates = make_decoder(head).candidates(outputs, floor)
    everything = Criteria(score_threshold=0, nms_threshold=1, one_class_per_cell=False)
    with np.errstate(all='ignore'):
        scores = [candidate.score for level in head.levels for candidate
                  in reference.level_candidates(head, level, outputs, everything)]
    expected = sorted(score for score in scores if score > 0 and score >= candidates.floor)
    assert sorted(score for score in candidates.scores
                  if score >= candidates.floor) == expected
    assert np.all(candidates.scores >= floor * (1 - 1e-9))


@pytest.mark.parametrize('spread', [0.0, 2.0])
def test_too_many_candidates_raise_the_floor(monkeypatch, spread):
    monkeypatch.setattr(decode_module, 'MAX_CANDIDATES', 50)
    head, outputs = scene(Network(num_classes=3), np.random.default_rng(0), spread=spread)
    candidates = make_decoder(head).candidates(outputs, 0.1)
    assert len(candidates.scores) <= 50
    assert candidates.floor > 0.1
    criteria = Criteria(score_threshold=candidates.floor)
    assert_same(decode_candidates(candidates, 3, criteria), decode(head, outputs, criteria))
    assert (len(candidates.scores) == 50) == (spread > 0)


@settings(max_examples=60)
@given(st.sampled_from(list(FORMS.values())), SEEDS, FLOORS, CRITERIA, st.integers(0, 40))
def test_detections_of_a_network_with_its_own_nms_are_kept(form, seed, floor, criteria, count):
    rng = np.random.default_rng(seed)
    boxes = np.where(rng.random((count, 4)) < 0.05, np.nan, rng.uniform(0, 200, (count, 4)))
    scores = rng.choice([0.0, 0.3, 0.31, 0.9, *rng.random(4)], count)
    outputs = form(boxes, scores, rng.integers(-1, 91, count))
    decoder = make_decoder(recognise(specs_of(outputs), CANVAS, CLASSES))
    criteria = raised(criteria, floor)
    candidates = decoder.candidates(outputs, floor)
    assert_same(decode_candidates(candidates, 91, criteria), decoder.decode(outputs, criteria))


@settings(max_examples=60)
@given(NETWORKS, CRITERIA, SEEDS, st.integers(1, 5), st.floats(0, 512))
def test_decoding_stops_after_enough_boxes_that_count(network, criteria, seed, limit, border):
    head, outputs = scene(network, np.random.default_rng(seed))
    criteria = raised(replace(criteria, max_detections=limit, hypotheses=1), 0.1)

    def counted(boxes):
        return boxes[:, 0] >= border

    candidates = make_decoder(head).candidates(outputs, 0.1)
    if candidates.floor > criteria.score_threshold:
        return
    every = decode_candidates(candidates, head.num_classes, criteria)
    some = decode_candidates(candidates, head.num_classes, criteria, counted)
    expected = every[counted(every.boxes)][:limit]
    assert_same(some[counted(some.boxes)][:limit], expected)


def test_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match='accepted: classes 0 to 2'):
        decode_candidates(Candidates.empty(0.1), 3, Criteria(class_ids=(3,)))


@pytest.mark.parametrize('change', [
    {'counts': np.int32([2])}, {'counts': np.int32([0])}, {'class_ids': np.int32([0, 1])},
    {'boxes': np.zeros((1, 3), np.float32)}, {'boxes': np.zeros((2, 4), np.float32)}])
def test_arrays_that_do_not_fit_are_refused(change):
    arrays = {'boxes': np.zeros((1, 4), np.float32), 'counts': np.int32([1]),
              'class_ids': np.int32([0]), 'scores': np.array([0.5])}
    Candidates(0.1, **arrays)
    with pytest.raises(ValueError, match='accepted'):
        Candidates(0.1, **{**arrays, **change})


def test_a_class_that_is_best_by_output_wins_although_its_score_is_rounded_to_the_same():
    network = Network(num_classes=2, strides=(32,), kinds=('cls', 'box'))
    specs = network.specs(np.random.default_rng(0))
    head = network.head(specs)

    def draw(kind, shape):
        return np.full(shape, 2.0) if kind == 'box' else np.tile([40.0, 41.0], (shape[0], 1))

    outputs = network.outputs(specs, draw)
    candidates = make_decoder(head).candidates(outputs, 0.5)
    criteria = Criteria(nms_threshold=0.0)
    assert math.isclose(candidates.scores.min(), 1.0)
    found = decode_candidates(candidates, 2, criteria)
    assert set(found.class_ids.tolist()) == {1}
    assert_same(found, decode(head, outputs, criteria))
