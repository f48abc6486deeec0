# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are hard where scores are doubtful, tracks flicker, or two models disagree."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size
from fcos_ros.offline.mining.hardness import (
    FrameFacts,
    disagreements,
    doubtful,
    flickers,
)
from fcos_ros.offline.mining.selection import CANDIDATES, choose, is_duplicate, picture_hash

LABELS = Labels(('cube', 'ball'))
BOX = [10.0, 10.0, 50.0, 50.0]


def found(*rows):
    """Return detections of rows of box, score and class."""
    return Detections(np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
                      np.array([row[1] for row in rows], np.float32),
                      np.array([row[2] for row in rows], np.int32))


def facts(time, hardness, camera='', number=0):
    return FrameFacts(camera, number, time, Size(8, 8), Detections.empty(), {'x': hardness})


@pytest.mark.parametrize(('score', 'class_id', 'expected'), [
    (0.5, 0, 1.0), (0.6, 0, 0.5), (0.4, 0, 0.5), (0.7, 0, 0.0), (0.1, 0, 0.0), (0.5, 1, 0.0),
    (0.8, 1, 1.0)])
def test_an_object_is_doubtful_near_the_threshold_of_its_class(score, class_id, expected):
    wanted = Criteria(score_threshold=0.5, class_thresholds=((1, 0.8),))
    assert doubtful(found((BOX, score, class_id)), wanted) == pytest.approx(expected, abs=1e-6)
    both = found((BOX, score, class_id), (BOX, 0.5, 0))
    assert doubtful(both, wanted) == pytest.approx(expected + 1, abs=1e-6)


@pytest.mark.parametrize(('own', 'theirs', 'expected'), [
    ([], [], 0), ([(BOX, 0.9, 0)], [], 1), ([(BOX, 0.9, 0)], [(BOX, 0.6, 0)], 0),
    ([(BOX, 0.9, 0)], [(BOX, 0.9, 1)], 2),
    ([(BOX, 0.9, 0)], [([40.0, 40.0, 80.0, 80.0], 0.9, 0)], 2),
    ([(BOX, 0.9, 0), (BOX, 0.8, 0)], [(BOX, 0.9, 0)], 1),
])
def test_an_object_that_only_one_model_detects_is_a_disagreement(own, theirs, expected):
    assert disagreements(found(*own), LABELS, found(*theirs), LABELS) == expected
    assert disagreements(found(*theirs), LABELS, found(*own), LABELS) == expected


def test_the_classes_of_two_models_are_compared_by_name():
    other = Labels(('ball', 'cube'))
    assert disagreements(found((BOX, 0.9, 0)), LABELS, found((BOX, 0.9, 1)), other) == 0


@pytest.mark.parametrize(('tracks', 'expected'), [
    ([[1], [1], [1], [1]], [0, 0, 0, 0]),
    ([[1], [], [1], [1]], [0, 1, 0, 0]),
    ([[1, 2], [2], [], [1, 2]], [0, 1, 2, 0]),
    ([[1], [2], [1], [1]], [0, 2, 0, 0]),  # track 1 is missing, track 2 lasts one frame
    ([[], [1], [1], []], [0, 1, 1, 0]),
    ([[], [1], [1], [1], []], [0] * 5),
    ([[1], [1], [], [], []], [0] * 5),  # it may have begun before the recording
    ([[1], *[[]] * 6, [1]], [0] * 8),  # it was hidden, or left and came back
])
def test_a_track_flickers_in_short_gaps_and_short_lives(tracks, expected):
    assert flickers(tracks) == expected


@given(st.lists(st.lists(st.integers(1, 4), max_size=3, unique=True), max_size=12))
def test_flickers_agree_with_a_search_of_each_frame(tracks):
    def flickering(number, frame):
        shown = [number in numbers for numbers in tracks]
        if not any(shown):
            return False
        first, last = shown.index(True), len(shown) - 1 - shown[::-1].index(True)
        if shown[frame]:
            return sum(shown) < 3 and first > 0 and last < len(shown) - 1
        if not first < frame < last:
            return False
        before = max(index for index in range(frame) if shown[index])
        after = min(index for index in range(frame, len(shown)) if shown[index])
        return after - before - 1 <= 5
    assert flickers(tracks) == [sum(flickering(number, frame) for number in range(1, 5))
                                for frame in range(len(tracks))]


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 5)), max_size=30),
       st.integers(1, 10))
def test_each_interval_has_its_hardest_frames(rows, count):
    frames = [facts(time, hardness) for time, hardness in sorted(rows)]
    chosen = choose(frames, count, even=False)
    assert len(chosen) <= count
    for candidates in chosen:
        hardness = [frame.hardness for frame in candidates]
        assert hardness == sorted(hardness, reverse=True)
        assert min(hardness) >= 0.25
        assert len(candidates) <= CANDIDATES
    if any(frame.hardness >= 0.25 for frame in frames):
        hardest = max(frame.hardness for frame in frames)
        assert max(candidates[0].hardness for candidates in chosen) == hardest


def test_the_intervals_have_the_same_length():
    frames = [facts(time, 1 + time / 1000) for time in range(0, 100, 5)]
    assert [candidates[0].time for candidates in choose(frames, 4, False)] == [20, 45, 70, 95]
    easy = [facts(time, 0.0) for time in range(100)]
    assert choose(easy, 4, even=False) == []
    assert len(choose(easy, 4, even=True)) == 4


def test_similar_pictures_are_duplicates_and_others_are_not():
    rng = np.random.default_rng(0)
    pictures = [np.kron(rng.integers(0, 255, (8, 9, 3)), np.ones((20, 20, 1))).astype(np.uint8)
                for _ in range(20)]
    hashes = [picture_hash(picture) for picture in pictures]
    for number, picture in enumerate(pictures):
        noisy = np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
        assert is_duplicate(picture_hash(noisy), [hashes[number]])
        assert not is_duplicate(hashes[number], hashes[:number] + hashes[number + 1:])
    assert not is_duplicate(hashes[0], [])
