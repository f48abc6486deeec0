# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object keeps its track number, and tracking hides no detection that meets the criteria."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
import math

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.criteria import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.tracking import Tracker, TrackerSettings

WANTED = Criteria(score_threshold=0.5)
SIDE = 60.0


@dataclass(frozen=True)
class Mover:
    """
    An object with a known path.

    :ivar path: its centre (x, y) in pixels at a time in seconds.
    :ivar score: its score at a time in seconds; None if the network does not detect it.
    """

    path: Callable[[float], tuple[float, float]]
    score: Callable[[float], float | None] = lambda _: 0.9
    side: float = SIDE
    class_id: int = 0


def moving(x, y, vx=0.0, vy=0.0, **options):
    return Mover(lambda t: (x + vx * t, y + vy * t), **options)


def hidden(start, end, score=None):
    """Return the score of an object that is hidden, or has a low score, for some time."""
    return lambda t: score if start < t < end else 0.9


def regular_stamps(rate, seconds):
    return np.arange(round(rate * seconds)) / rate


def irregular_stamps(seconds, seed=1):
    """Return stamps of a camera at 30 Hz; half of its images, at random, are lost."""
    stamps = regular_stamps(30, seconds)
    rng = np.random.default_rng(seed)
    return (stamps + rng.uniform(0, 0.01, stamps.size))[rng.random(stamps.size) < 0.5]


def images(movers, stamps, jitter=0.02, missed=0.0, seed=0):
    """Return stamp, detections in random order, and the mover of each, for each image."""
    rng = np.random.default_rng(seed)
    found = []
    for t in stamps:
        rows = []
        for index, mover in enumerate(movers):
            noise = mover.side * jitter * rng.normal(size=4)
            score = mover.score(t)
            if score is not None and rng.random() >= missed:
                outline = np.array([-0.5, -0.5, 0.5, 0.5]) * mover.side + noise
                rows.append((np.tile(mover.path(t), 2) + outline, score, mover, index))
        rng.shuffle(rows)
        found.append((float(t), detections(rows), [row[3] for row in rows]))
    return found


def detections(rows):
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2].class_id for row in rows], np.int32))


def track(tracker, found, start=0.0):
    """Track the detections; return the track numbers of each mover, image by image."""
    numbers_of = {}
    for t, seen, movers in found:
        tracked = tracker.update(seen, start + t, WANTED)
        mover_of = {tuple(box): mover for box, mover in zip(seen.boxes.tolist(), movers)}
        for box, track_id in zip(tracked.boxes.tolist(), tracked.track_ids.tolist()):
            numbers_of.setdefault(mover_of[tuple(box)], []).append(track_id)
    return numbers_of


def count_switches(numbers):
    """Return how often a mover gets another number than before."""
    confirmed = [[number for number in row if number] for row in numbers.values()]
    return sum(one != other for row in confirmed for one, other in pairwise(row))


CROSSING = [moving(100, 100, 150), moving(700, 115, -150, score=hidden(1.85, 2.15))]
LOW_SCORE = [moving(100, 100, 150), moving(700, 115, -150, score=hidden(1.7, 2.3, 0.2))]
PASSING = [moving(100, 100, 150), moving(100, 170, 150), moving(700, 240, -150)]
CROWD = [moving(80 * column, 80 * row, 40 * (-1) ** row, 20)
         for column in range(10) for row in range(10)]
CIRCLE = [Mover(lambda t: (400 + 150 * math.cos(2 * t), 300 + 150 * math.sin(2 * t))),
          Mover(lambda t: (400 - 150 * math.cos(2 * t), 300 - 150 * math.sin(2 * t)))]


@pytest.mark.parametrize(('movers', 'stamps', 'options'), [
    pytest.param(PASSING, regular_stamps(30, 4), {}, id='side by side'),
    pytest.param(PASSING, regular_stamps(30, 4), {'jitter': 0.06}, id='jittering boxes'),
    pytest.param(PASSING, regular_stamps(30, 4), {'missed': 0.3}, id='30 percent missed'),
    pytest.param(PASSING, irregular_stamps(4), {'missed': 0.1}, id='half of the images lost'),
    pytest.param(CROSSING, regular_stamps(30, 4), {'jitter': 0.04}, id='crossing, one hidden'),
    pytest.param(CROSSING, regular_stamps(10, 4), {}, id='crossing, at 10 Hz'),
    pytest.param(CROSSING, irregular_stamps(4), {}, id='crossing, at an irregular rate'),
    pytest.param(LOW_SCORE, regular_stamps(30, 4), {'jitter': 0.04},
                 id='crossing, low scores'),
    pytest.param(CIRCLE, regular_stamps(30, 4), {}, id='circles'),
    pytest.param(CROWD, regular_stamps(30, 1.5), {}, id='100 objects'),
    pytest.param(CROWD, regular_stamps(30, 1.5), {'missed': 0.2},
                 id='100 objects, 20 percent missed'),
])
@pytest.mark.parametrize('start', [0.0, 1.7e9], ids=['simulated time', 'system time'])
def test_an_object_keeps_its_number(movers, stamps, options, start):
    numbers = track(Tracker(), images(movers, stamps, **options), start)
    assert count_switches(numbers) == 0
    last = [row[-1] for row in numbers.values()]
    assert len(set(last)) == len(movers)
    assert 0 not in last


@pytest.mark.parametrize(('hits', 'expected'), [
    (1, [1, 1, 1, 1, 1]), (2, [0, 1, 1, 1, 1]), (3, [0, 0, 1, 1, 1]),
])
def test_an_object_gets_its_number_after_confirm_hits_images(hits, expected):
    tracker = Tracker(TrackerSettings(confirm_hits=hits))
    assert track(tracker, images([moving(50, 50)], regular_stamps(30, 1 / 6))) == {0: expected}


def test_an_object_missed_before_confirmation_starts_again():
    mover = moving(50, 50, score=lambda t: None if 0.05 < t < 0.08 else 0.9)
    assert track(Tracker(), images([mover], regular_stamps(30, 0.2))) == {0: [0, 0, 0, 0, 1]}


def test_the_number_of_an_object_that_left_is_not_reused():
    movers = [moving(50, 50, score=lambda t: 0.9 if t < 1 else None),
              moving(50, 50, score=lambda t: None if t < 2.5 else 0.9),
              moving(300, 50, score=lambda t: None if t < 3 else 0.9)]
    numbers = track(Tracker(), images(movers, regular_stamps(30, 4)))
    assert [sorted(set(row)) for row in numbers.values()] == [[0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize(('absent', 'kept'), [(0.8, True), (1.2, False)])
def test_an_object_keeps_its_number_during_an_absence_up_to_the_timeout(absent, kept):
    mover = moving(50, 50, 60, score=lambda t: None if 1 < t < 1 + absent else 0.9)
    numbers = track(Tracker(), images([mover], regular_stamps(30, 4)))
    assert (count_switches(numbers) == 0) == kept


@pytest.mark.parametrize(('score', 'returned'), [(0.3, True), (0.05, False)],
                         ids=['above low_threshold', 'below low_threshold'])
def test_a_detection_with_a_low_score_continues_a_confirmed_track(score, returned):
    mover = moving(50, 50, 60, score=lambda t: score if t >= 0.5 else 0.9)
    numbers = track(Tracker(), images([mover], regular_stamps(30, 1)))
    assert numbers == {0: [0, 0, *[1] * (28 if returned else 13)]}


def test_a_detection_with_a_low_score_starts_no_track_and_is_not_returned():
    mover = moving(50, 50, 60, score=lambda _: 0.4)
    assert track(Tracker(), images([mover], regular_stamps(30, 1))) == {}


def test_the_threshold_of_each_class_applies():
    criteria = Criteria(score_threshold=0.5, class_thresholds=((1, 0.8), (2, 0.3)))
    seen = Detections(np.array([[i, 0, i + 50, 50] for i in (0, 100, 200)], np.float32),
                      np.full(3, 0.6, np.float32), np.arange(3, dtype=np.int32))
    tracked = Tracker().update(seen, 0.0, criteria)
    assert tracked.class_ids.tolist() == [0, 2]


@pytest.mark.parametrize(('limit', 'returned'), [(1, [2]), (2, [0, 2]), (3, [0, 1, 2])])
def test_detections_that_meet_the_criteria_have_priority_over_continued_tracks(limit, returned):
    before = Detections(np.array([[i, 0, i + 50, 50] for i in (0, 100)], np.float32),
                        np.full(2, 0.95, np.float32), np.zeros(2, np.int32))
    seen = Detections(np.array([[i, 0, i + 50, 50] for i in (0, 100, 200)], np.float32),
                      np.float32([0.7, 0.6, 0.4]), np.int32([0, 0, 1]))
    criteria = Criteria(score_threshold=0.3, class_thresholds=((0, 0.9),), max_detections=limit)
    tracker = Tracker(TrackerSettings(confirm_hits=1))
    tracker.update(before, 0.0, criteria)
    tracked = tracker.update(seen, 0.1, criteria)
    assert (tracked.boxes[:, 0] / 100).tolist() == returned


@pytest.mark.parametrize(('per_class', 'expected'), [(True, {0, 1, 2}), (False, {0, 1})])
def test_a_track_keeps_its_class_if_per_class_is_set(per_class, expected):
    tracker = Tracker(TrackerSettings(per_class=per_class))
    found = images([moving(50, 50)], regular_stamps(30, 0.5))
    numbers = set()
    for index, (t, seen, _) in enumerate(found):
        seen.class_ids[:] = index >= 8
        numbers |= set(tracker.update(seen, t, WANTED).track_ids.tolist())
    assert numbers == expected


@pytest.mark.parametrize('delay', [0.001, 0.05, 0.5])
def test_a_stamp_slightly_before_the_previous_one_changes_no_number(delay):
    found = images([moving(50, 50, 60), moving(200, 50, -60)], regular_stamps(30, 1))
    shifted = [(t - delay if index == 15 else t, *rest) for index, (t, *rest) in enumerate(found)]
    assert count_switches(track(Tracker(), shifted)) == 0


@pytest.mark.parametrize('period', [0.9, 1.2, 30.0])
def test_objects_of_a_slow_camera_keep_their_numbers(period):
    found = images([moving(50, 50, score=lambda t: None if t == 6 * period else 0.9)],
                   period * np.arange(10))
    numbers = track(Tracker(TrackerSettings(timeout=1.0)), found)
    assert numbers[0][4:] == [1] * 5


@pytest.mark.parametrize('steps', [
    [2.0, 2.0, 2.0, 1.9, 2.1], [2.0, 2.0, 2.0, 0.0, 2.0], [2.0, 2.0, 2.0, -0.1, 2.1], [0.3, 1.3],
], ids=['early', 'equal', 'backwards', 'irregular'])
def test_objects_of_a_slow_camera_with_an_irregular_rate_keep_their_numbers(steps):
    found = images([moving(50, 50)], np.cumsum(steps * 4))
    assert count_switches(track(Tracker(), found)) == 0
    assert track(Tracker(), found)[0][-1] == 1


@pytest.mark.parametrize('jump', [-1.1, -1.7e9, 1.1, 1.7e9],
                         ids=['back', 'far back', 'forward', 'far forward'])
def test_a_jump_of_the_clock_ends_all_tracks(jump):
    tracker = Tracker()
    movers = [moving(50, 50), moving(200, 50)]
    assert count_switches(track(tracker, images(movers, regular_stamps(30, 0.5)), 1.7e9)) == 0
    last = 1.7e9 + 14 / 30
    numbers = track(tracker, images(movers, regular_stamps(30, 0.5)), last + jump)
    assert {number for row in numbers.values() for number in row} == {0, 3, 4}


def test_a_track_ends_after_many_missed_images_with_the_same_stamp():
    tracker, (_, seen, _) = Tracker(), images([moving(50, 50)], [0.0])[0]
    numbers = []
    for absent in (0, 0, 0, 100, 400, 0, 0):
        for _ in range(absent):
            assert len(tracker.update(Detections.empty(), 0.0, WANTED)) == 0
        numbers += tracker.update(seen, 0.0, WANTED).track_ids.tolist()
    assert numbers == [0, 0, 1, 1, 0, 0, 2]


@pytest.mark.parametrize('seconds', [math.nan, math.inf, -math.inf])
def test_a_stamp_that_is_not_finite_is_refused(seconds):
    with pytest.raises(ValueError, match=r'seconds is .*; accepted: a finite stamp'):
        Tracker().update(Detections.empty(), seconds, WANTED)


def random_stream(seed, steps):
    rng = np.random.default_rng(seed)
    seconds = 0.0
    for step in steps:
        seconds += step
        count = rng.integers(0, 12)
        corners = rng.uniform(0, 100, (count, 2)).astype(np.float32)
        boxes = np.hstack([corners, corners + rng.choice([0, 1, 40], (count, 2))])
        yield seconds, Detections(
            boxes.astype(np.float32), np.sort(rng.random(count).astype(np.float32))[::-1],
            rng.integers(0, 2, count).astype(np.int32),
            Alternatives(rng.integers(0, 5, (count, 1)).astype(np.int32),
                         rng.random((count, 1)).astype(np.float32)))


STEPS = st.lists(st.sampled_from([0.0, 0.03, 0.1, 0.9, 1.5, -0.5, 1e9, -1e9]), max_size=30)


@given(st.integers(0, 2**32 - 1), STEPS, st.booleans(), st.integers(1, 3))
def test_no_detection_that_meets_the_criteria_is_hidden_and_numbers_are_unique(
    seed, steps, per_class, hits,
):
    settings = TrackerSettings(per_class=per_class, confirm_hits=hits)
    tracker, other, highest = Tracker(settings), Tracker(settings), 0
    for seconds, seen in random_stream(seed, steps):
        tracked = tracker.update(seen, seconds, WANTED)
        assert_same(tracked[WANTED.reached(tracked)], seen[WANTED.reached(seen)])
        assert_same(tracked, other.update(seen, seconds, WANTED), track_ids=True)
        assert (tracked.track_ids[~WANTED.reached(tracked)] > 0).all()
        track_ids = sorted(number for number in tracked.track_ids.tolist() if number)
        assert len(set(track_ids)) == len(track_ids)
        new = [number for number in track_ids if number > highest]
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


def assert_same(one, other, track_ids=False):
    for a, b in ((one.boxes, other.boxes), (one.scores, other.scores),
                 (one.class_ids, other.class_ids),
                 (one.alternatives.class_ids, other.alternatives.class_ids)):
        np.testing.assert_array_equal(a, b)
    if track_ids:
        np.testing.assert_array_equal(one.track_ids, other.track_ids)


def test_numbers_are_not_reused_after_a_reset():
    tracker, found = Tracker(), images([moving(50, 50)], regular_stamps(30, 0.2))
    assert track(tracker, found)[0][-1] == 1
    tracker.reset()
    assert track(tracker, found, start=0.2) == {0: [0, 0, 2, 2, 2, 2]}


@pytest.mark.parametrize(('field', 'value'), [
    ('low_threshold', -0.1), ('low_threshold', math.nan), ('match_iou', 0.0), ('match_iou', 1.1),
    ('confirm_hits', 0), ('timeout', 0.0), ('timeout', math.inf), ('timeout', math.nan),
])
def test_tracker_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=f'{field} is '):
        TrackerSettings(**{field: value})
