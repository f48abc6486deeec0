# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A history counts every frame once, and finds the frames to look at."""

from collections import Counter
from dataclasses import replace

from evaluation.images import image
from hypothesis import given, strategies as st
import numpy as np
import pytest
from report.histories import WARNING, frame, history, status

from fcos_ros.report.history import worst_frames
from fcos_ros.report.worst_pictures import WorstPictures
from fcos_ros.runtime.node_status import Level
from fcos_ros.runtime.statistics import FATES

BOX = (1, 2, 11, 12)


@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(FATES)), min_size=1))
def test_each_recorded_frame_is_in_one_bin(frames):
    made = history(frames=[frame(number, fate) for number, fate in sorted(frames)])
    expected = Counter(fate for _, fate in frames)
    assert made.counts() == {fate: expected[fate] for fate in FATES}
    width, counts = made.fates_over_time()
    assert {fate: sum(numbers) for fate, numbers in counts.items()} == made.counts()
    assert width * len(counts['published']) == pytest.approx(made.seconds, abs=1e-6)


def test_reports_count_frames_between_the_first_and_the_last():
    made = history(reports=[status(0, 100), status(1, 110, 1), status(2, 130, 1)],
                   frames=[frame(1)])
    assert made.counts() == {'published': 30, 'superseded': 0, 'expired': 0, 'failed': 1}
    assert made.failures() == [('truncated', 'is cut off', 1)]


def test_a_node_that_restarts_counts_from_0():
    made = history(reports=[status(0, 100), status(1, 105), status(2, 3, pid=8),
                            status(3, 9, pid=8)])
    assert made.counts()['published'] == 5 + 6


def test_two_nodes_are_counted_separately():
    made = history(reports=[status(0, 100), status(0, 7, name='/r2/fcos'), status(1, 101),
                            status(1, 9, name='/r2/fcos')])
    assert made.counts()['published'] == 3


def test_percentiles_of_the_stages_are_those_of_the_frames_or_of_the_last_report():
    frames = [frame(number, age=0.01 * number) for number in range(1, 101)]
    stages = history(frames=frames).stages()['front']
    assert list(stages) == ['wait', 'infer', 'total', 'age']
    ages = np.percentile([0.01 * number for number in range(1, 101)], (50, 95, 99))
    assert (stages['age'].p50, stages['age'].p95, stages['age'].p99) == pytest.approx(ages)
    assert history(reports=[status(0, 1), status(1, 2)]).stages()['/r1/fcos front'][
        'infer'].p95 == 0.03


def test_classes_are_counted_with_their_mean_score():
    made = history(frames=[frame(1, detections=image((BOX, 0, 0.5), (BOX, 0, 0.7))),
                           frame(2, detections=image())])
    assert made.class_counts() == [('cube', 2, pytest.approx(0.6))]


def test_problems_that_differ_in_numbers_only_are_counted_together():
    late = [replace(WARNING, message=f'no image for {second}.5 s') for second in range(3)]
    error = replace(WARNING, level=Level.ERROR)
    reports = [status(second, 1, problems=(WARNING, late[second])) for second in range(3)]
    found = history(reports=[*reports, status(3, 1, problems=(error,))]).problems()
    assert found == [(error, 1), (WARNING, 3), (late[2], 3)]


def test_the_worst_frames_are_failed_slow_and_doubtful_ones():
    failed, slow = frame(1, 'failed'), frame(2, age=3.0)
    doubtful = frame(3, detections=image((BOX, 0, 0.3)))
    usual = [frame(number, detections=image((BOX, 0, 0.9))) for number in range(4, 20)]
    found = worst_frames([*usual, doubtful, slow, failed], 3)
    assert [(reason, one.stamp) for reason, one in found] == [
        ('failed', 1), ('slow', 2), ('low score', 3)]
    assert len(worst_frames([slow, doubtful], 10)) == 2
    assert worst_frames([], 3) == []


@given(st.lists(st.tuples(st.floats(0, 9), st.none() | st.floats(0.1, 1)), max_size=30),
       st.integers(1, 5))
def test_the_pictures_of_the_worst_frames_are_kept(frames, limit):
    pictures = WorstPictures(limit)
    for stamp, (age, score) in enumerate(frames):
        pictures.add('/fcos', stamp, b'', age, score)
    kept = pictures.worst(limit)
    assert len({one.stamp for one in kept}) == len(kept) == min(limit, len(frames))
    if frames:
        assert frames[kept[0].stamp][0] == max(age for age, _ in frames)
