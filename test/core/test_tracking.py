# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Tracker` promises: an object keeps its number, and nothing that was found is hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
import math

from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.decode import Criteria
from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.tracking import Tracker, TrackerSettings

WANTED = Criteria(score_threshold=0.5)
SIDE = 60.0


@dataclass(frozen=True)
class Mover:
    """
    An object with a path known for sure.

    :ivar path: its centre, (x, y) in pixels, by the second.
    :ivar score: its score by the second; None where the network does not see it.
    """

    path: Callable[[float], tuple[float, float]]
    score: Callable[[float], float | None] = lambda _: 0.9
    side: float = SIDE
    class_id: int = 0


def straight(x, y, vx=0.0, vy=0.0, **options):
    return Mover(lambda t: (x + vx * t, y + vy * t), **options)


def hidden(start, end, score=None):
    """Make the score of an object that is out of sight, or hard to see, for a while."""
    return lambda t: score if start < t < end else 0.9


def even(rate, seconds):
    return np.arange(round(rate * seconds)) / rate


def uneven(seconds, seed=1):
    """Stamps of a camera at 30 Hz, of whose images every other one is lost, by chance."""
    stamps = even(30, seconds)
    rng = np.random.default_rng(seed)
    return (stamps + rng.uniform(0, 0.01, stamps.size))[rng.random(stamps.size) < 0.5]


def images(movers, stamps, jitter=0.02, missed=0.0, seed=0):
    """What a network finds at each stamp, with the mover of each detection, in random order."""
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


def numbers(tracker, found, start=0.0):
    """Track, and list the numbers that each mover bears in the course of time."""
    borne = {}
    for t, seen, movers in found:
        tracked = tracker.update(seen, start + t, WANTED)
        mover_of = {tuple(box): mover for box, mover in zip(seen.boxes.tolist(), movers)}
        for box, track_id in zip(tracked.boxes.tolist(), tracked.track_ids.tolist()):
            borne.setdefault(mover_of[tuple(box)], []).append(track_id)
    return borne


def switches(borne):
    """Count how often a mover gets another number than it had."""
    named = [[number for number in row if number] for row in borne.values()]
    return sum(one != other for row in named for one, other in pairwise(row))


CROSSING = [straight(100, 100, 150), straight(700, 115, -150, score=hidden(1.85, 2.15))]
HALF_SEEN = [straight(100, 100, 150), straight(700, 115, -150, score=hidden(1.7, 2.3, 0.2))]
PASSING = [straight(100, 100, 150), straight(100, 170, 150), straight(700, 240, -150)]
CROWD = [straight(80 * column, 80 * row, 40 * (-1) ** row, 20)
         for column in range(10) for row in range(10)]
CIRCLE = [Mover(lambda t: (400 + 150 * math.cos(2 * t), 300 + 150 * math.sin(2 * t))),
          Mover(lambda t: (400 - 150 * math.cos(2 * t), 300 - 150 * math.sin(2 * t)))]


@pytest.mark.parametrize(('movers', 'stamps', 'options'), [
    pytest.param(PASSING, even(30, 4), {}, id='side by side'),
    pytest.param(PASSING, even(30, 4), {'jitter': 0.06}, id='restless boxes'),
    pytest.param(PASSING, even(30, 4), {'missed': 0.3}, id='three of ten missed'),
    pytest.param(PASSING, uneven(4), {'missed': 0.1}, id='every other image lost'),
    pytest.param(CROSSING, even(30, 4), {'jitter': 0.04}, id='crossing, one out of sight'),
    pytest.param(CROSSING, even(10, 4), {}, id='crossing, at 10 Hz'),
    pytest.param(CROSSING, uneven(4), {}, id='crossing, at an uneven rate'),
    pytest.param(HALF_SEEN, even(30, 4), {'jitter': 0.04}, id='crossing, one half seen'),
    pytest.param(CIRCLE, even(30, 4), {}, id='in circles'),
    pytest.param(CROWD, even(30, 1.5), {}, id='a hundred'),
    pytest.param(CROWD, even(30, 1.5), {'missed': 0.2}, id='a hundred, two of ten missed'),
])
@pytest.mark.parametrize('start', [0.0, 1.7e9], ids=['simulated time', 'today'])
def test_an_object_keeps_its_number(movers, stamps, options, start):
    borne = numbers(Tracker(), images(movers, stamps, **options), start)
    assert switches(borne) == 0
    last = [row[-1] for row in borne.values()]
    assert len(set(last)) == len(movers)
    assert 0 not in last


@pytest.mark.parametrize(('hits', 'expected'), [
    (1, [1, 1, 1, 1, 1]), (2, [0, 1, 1, 1, 1]), (3, [0, 0, 1, 1, 1]),
])
def test_an_object_gets_its_number_after_some_images(hits, expected):
    tracker = Tracker(TrackerSettings(confirm_hits=hits))
    assert numbers(tracker, images([straight(50, 50)], even(30, 1 / 6))) == {0: expected}


def test_an_object_missed_before_it_has_a_number_begins_again():
    mover = straight(50, 50, score=lambda t: None if 0.05 < t < 0.08 else 0.9)
    assert numbers(Tracker(), images([mover], even(30, 0.2))) == {0: [0, 0, 0, 0, 1]}


def test_who_leaves_takes_the_number_along():
    movers = [straight(50, 50, score=lambda t: 0.9 if t < 1 else None),
              straight(50, 50, score=lambda t: None if t < 2.5 else 0.9),
              straight(300, 50, score=lambda t: None if t < 3 else 0.9)]
    borne = numbers(Tracker(), images(movers, even(30, 4)))
    assert [sorted(set(row)) for row in borne.values()] == [[0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize(('absent', 'kept'), [(0.8, True), (1.2, False)])
def test_a_number_outlasts_an_absence_up_to_max_lost(absent, kept):
    mover = straight(50, 50, 60, score=lambda t: None if 1 < t < 1 + absent else 0.9)
    borne = numbers(Tracker(), images([mover], even(30, 4)))
    assert (switches(borne) == 0) == kept


@pytest.mark.parametrize(('score', 'published'), [(0.3, True), (0.05, False)],
                         ids=['uncertain', 'below low_threshold'])
def test_an_uncertain_detection_continues_a_track_with_a_number(score, published):
    mover = straight(50, 50, 60, score=lambda t: score if t >= 0.5 else 0.9)
    borne = numbers(Tracker(), images([mover], even(30, 1)))
    assert borne == {0: [0, 0, *[1] * (28 if published else 13)]}


def test_an_uncertain_detection_begins_nothing_and_is_not_shown():
    mover = straight(50, 50, 60, score=lambda _: 0.4)
    assert numbers(Tracker(), images([mover], even(30, 1))) == {}


def test_what_is_certain_is_a_matter_of_the_class():
    criteria = Criteria(score_threshold=0.5, class_thresholds=((1, 0.8), (2, 0.3)))
    seen = Detections(np.array([[i, 0, i + 50, 50] for i in (0, 100, 200)], np.float32),
                      np.full(3, 0.6, np.float32), np.arange(3, dtype=np.int32))
    tracked = Tracker().update(seen, 0.0, criteria)
    assert tracked.class_ids.tolist() == [0, 2]


@pytest.mark.parametrize(('most', 'published'), [(1, [2]), (2, [0, 2]), (3, [0, 1, 2])])
def test_what_merely_continues_a_track_takes_no_place_of_what_is_wanted(most, published):
    before = Detections(np.array([[i, 0, i + 50, 50] for i in (0, 100)], np.float32),
                        np.full(2, 0.95, np.float32), np.zeros(2, np.int32))
    seen = Detections(np.array([[i, 0, i + 50, 50] for i in (0, 100, 200)], np.float32),
                      np.float32([0.7, 0.6, 0.4]), np.int32([0, 0, 1]))
    criteria = Criteria(score_threshold=0.3, class_thresholds=((0, 0.9),), max_detections=most)
    tracker = Tracker(TrackerSettings(confirm_hits=1))
    tracker.update(before, 0.0, criteria)
    tracked = tracker.update(seen, 0.1, criteria)
    assert (tracked.boxes[:, 0] / 100).tolist() == published


@pytest.mark.parametrize(('per_class', 'expected'), [(True, {0, 1, 2}), (False, {0, 1})])
def test_a_track_keeps_its_class_unless_told_otherwise(per_class, expected):
    tracker = Tracker(TrackerSettings(per_class=per_class))
    found = images([straight(50, 50)], even(30, 0.5))
    shown = set()
    for index, (t, seen, _) in enumerate(found):
        seen.class_ids[:] = index >= 8
        shown |= set(tracker.update(seen, t, WANTED).track_ids.tolist())
    assert shown == expected


@pytest.mark.parametrize('late', [0.001, 0.05, 0.5])
def test_a_stamp_that_is_a_little_late_changes_no_number(late):
    found = images([straight(50, 50, 60), straight(200, 50, -60)], even(30, 1))
    wrong = [(t - late if index == 15 else t, *rest) for index, (t, *rest) in enumerate(found)]
    assert switches(numbers(Tracker(), wrong)) == 0


@pytest.mark.parametrize('period', [0.9, 1.2, 30.0])
def test_a_slow_camera_does_not_lose_its_objects_from_image_to_image(period):
    found = images([straight(50, 50, score=lambda t: None if t == 6 * period else 0.9)],
                   period * np.arange(10))
    borne = numbers(Tracker(TrackerSettings(max_lost=1.0)), found)
    assert borne[0][4:] == [1] * 5


@pytest.mark.parametrize('steps', [
    [2.0, 2.0, 2.0, 1.9, 2.1], [2.0, 2.0, 2.0, 0.0, 2.0], [2.0, 2.0, 2.0, -0.1, 2.1], [0.3, 1.3],
], ids=['late', 'twice', 'back', 'uneven'])
def test_a_slow_camera_may_be_uneven(steps):
    found = images([straight(50, 50)], np.cumsum(steps * 4))
    assert switches(numbers(Tracker(), found)) == 0
    assert numbers(Tracker(), found)[0][-1] == 1


@pytest.mark.parametrize('jump', [-1.1, -1.7e9, 1.1, 1.7e9],
                         ids=['back', 'far back', 'ahead', 'far ahead'])
def test_when_time_jumps_all_tracks_end_and_new_numbers_are_given(jump):
    tracker = Tracker()
    movers = [straight(50, 50), straight(200, 50)]
    assert switches(numbers(tracker, images(movers, even(30, 0.5)), 1.7e9)) == 0
    last = 1.7e9 + 14 / 30
    borne = numbers(tracker, images(movers, even(30, 0.5)), last + jump)
    assert {number for row in borne.values() for number in row} == {0, 3, 4}


def test_stamps_that_stand_still_end_a_track_in_the_end():
    tracker, (_, seen, _) = Tracker(), images([straight(50, 50)], [0.0])[0]
    shown = []
    for absent in (0, 0, 0, 100, 400, 0, 0):
        for _ in range(absent):
            assert len(tracker.update(Detections.empty(), 0.0, WANTED)) == 0
        shown += tracker.update(seen, 0.0, WANTED).track_ids.tolist()
    assert shown == [0, 0, 1, 1, 0, 0, 2]


@pytest.mark.parametrize('seconds', [math.nan, math.inf, -math.inf])
def test_a_stamp_that_is_no_time_is_refused(seconds):
    with pytest.raises(ValueError, match=r'seconds are .*: a finite stamp is needed'):
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
def test_whatever_comes_nothing_found_is_hidden_and_no_number_used_twice(
    seed, steps, per_class, hits,
):
    settings = TrackerSettings(per_class=per_class, confirm_hits=hits)
    tracker, twin, highest = Tracker(settings), Tracker(settings), 0
    for seconds, seen in random_stream(seed, steps):
        tracked = tracker.update(seen, seconds, WANTED)
        assert_same(tracked[WANTED.reached(tracked)], seen[WANTED.reached(seen)])
        assert_same(tracked, twin.update(seen, seconds, WANTED), track_ids=True)
        assert (tracked.track_ids[~WANTED.reached(tracked)] > 0).all()
        named = sorted(number for number in tracked.track_ids.tolist() if number)
        assert len(set(named)) == len(named)
        new = [number for number in named if number > highest]
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


def assert_same(one, other, track_ids=False):
    for a, b in ((one.boxes, other.boxes), (one.scores, other.scores),
                 (one.class_ids, other.class_ids),
                 (one.alternatives.class_ids, other.alternatives.class_ids)):
        np.testing.assert_array_equal(a, b)
    if track_ids:
        np.testing.assert_array_equal(one.track_ids, other.track_ids)


def test_a_tracker_that_is_reset_goes_on_counting():
    tracker, found = Tracker(), images([straight(50, 50)], even(30, 0.2))
    assert numbers(tracker, found)[0][-1] == 1
    tracker.reset()
    assert numbers(tracker, found, start=0.2) == {0: [0, 0, 2, 2, 2, 2]}


@pytest.mark.parametrize(('field', 'value'), [
    ('low_threshold', -0.1), ('low_threshold', math.nan), ('match_iou', 0.0), ('match_iou', 1.1),
    ('confirm_hits', 0), ('max_lost', 0.0), ('max_lost', math.inf), ('max_lost', math.nan),
])
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=f'{field} is '):
        TrackerSettings(**{field: value})
