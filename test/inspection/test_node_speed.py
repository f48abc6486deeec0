# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rates, lost frames, latency and jitter of a detector equal those of plain definitions."""

from dataclasses import replace
from itertools import pairwise
import statistics

from hypothesis import given, strategies
import pytest

from fcos_ros.inspection.node_speed import (
    Arrival,
    NodeSpeedError,
    Spread,
    node_speed,
    ros2_benchmark_metrics,
)
from fcos_ros.runtime.node_status import CameraStatus, ModelStatus, NodeStatus, ProcessStatus
from fcos_ros.runtime.statistics import FrameCounts

START = 1.8e9
"""A time of this century, in seconds of the epoch."""

TIMES = strategies.lists(strategies.floats(0, 1000), max_size=30).map(sorted)


def report(uptime=1.0, pid=7, cpu=None, name='', **counts):
    fates = dict.fromkeys(('received', 'published', 'superseded', 'expired', 'failed'), 0)
    camera = CameraStatus(name, '/image', '', '', 1, FrameCounts(
        errors={}, last_error='', **{**fates, **counts}))
    process = ProcessStatus('1.0', 'active', uptime, pid, 'board', cpu=cpu)
    return NodeStatus('/fcos', START + uptime, process, ModelStatus(), (camera,))


def arrivals(moments, delay=0.05):
    return [Arrival(START + moment - delay, START + moment) for moment in moments]


def measured(moments=(), seconds=10.0, delay=0.05, **counts):
    speed = node_speed([report(), report(11.0, **counts)], seconds,
                       {'': arrivals(moments, delay)})
    return speed.cameras[0]


@given(TIMES)
def test_rate_and_jitter_are_those_of_the_definition(moments):
    camera = measured(moments)
    intervals = [later - earlier for earlier, later in pairwise(moments)]
    jitters = [1000 * abs(later - earlier) for earlier, later in pairwise(intervals)]
    assert (camera.jitter is None) == (not jitters)
    if jitters:
        for found, expected in ((camera.jitter.mean, statistics.mean(jitters)),
                                (camera.jitter.maximum, max(jitters)),
                                (camera.jitter.minimum, min(jitters)),
                                (camera.jitter.deviation, statistics.pstdev(jitters))):
            assert found == pytest.approx(expected, abs=1e-2)
    if sum(intervals) > 1e-3:
        assert camera.detection_rate == pytest.approx(
            len(intervals) / sum(intervals), rel=1e-3)


@given(strategies.lists(strategies.floats(0, 100), min_size=1))
def test_a_spread_has_the_usual_statistics(seconds):
    spread = Spread.of(seconds)
    times = [1000 * value for value in seconds]
    assert spread.mean == pytest.approx(statistics.mean(times), abs=1e-6)
    assert spread.p50 == pytest.approx(statistics.median(times), abs=1e-6)
    assert (spread.minimum, spread.maximum) == pytest.approx((min(times), max(times)))
    assert spread.minimum <= spread.p50 <= spread.p95 <= spread.p99 <= spread.maximum


def test_latency_is_the_time_from_the_stamp_to_the_arrival():
    camera = measured([0, 1, 2], delay=0.25)
    assert camera.latency.mean == pytest.approx(250)
    assert (camera.first_latency, camera.last_latency) == pytest.approx((250, 250))


@pytest.mark.parametrize('delay', [START, -3600.0], ids=['simulated time', 'wrong clock'])
def test_stamps_of_another_clock_have_no_latency(delay):
    camera = measured([0, 1, 2], delay=delay)
    assert (camera.latency, camera.first_latency) == (None, None)
    assert camera.clock_difference == pytest.approx(delay)
    assert camera.jitter.mean == pytest.approx(0, abs=1e-3)


def test_images_without_detections_are_lost_except_those_in_work():
    camera = measured(received=100, published=80, superseded=10, expired=4, failed=3, missed=20)
    assert (camera.sent, camera.lost, camera.lost_share) == (120, 37, 37 / 120)
    assert camera.image_rate == 10.0


def test_counts_before_the_measurement_do_not_matter():
    before, after = report(received=500, published=400), report(5.0, received=530, published=428)
    camera, = node_speed([before, after], 4.0, {}).cameras
    assert (camera.sent, camera.counts['published'], camera.image_rate) == (30, 28, 7.5)


def test_frames_received_before_the_measurement_have_their_fate_in_it():
    before, after = report(received=500, published=498), report(5.0, received=548, published=547)
    camera, = node_speed([before, after], 1.0, {}).cameras
    assert (camera.sent, camera.counts['published'], camera.in_flight_change) == (48, 49, -1)


def test_the_cpu_time_is_the_mean_of_the_reports_in_the_measurement():
    reports = [report(cpu=9.0), report(2.0, cpu=0.3), report(3.0, cpu=0.5, published=40)]
    speed = node_speed(reports, 2.0, {})
    assert speed.cpu == pytest.approx(0.4)
    assert speed.cpu_per_frame == pytest.approx(20.0)  # ms, at 20 frames a second


def test_a_camera_that_was_added_meanwhile_is_left_out():
    reports = [report(), replace(report(2.0), cameras=(
        *report(2.0).cameras, *report(2.0, name='rear').cameras))]
    assert [camera.name for camera in node_speed(reports, 1.0, {}).cameras] == ['']


@pytest.mark.parametrize('last', [report(2.0, pid=8), report(0.5)], ids=['process', 'uptime'])
def test_a_detector_that_was_restarted_is_refused(last):
    with pytest.raises(NodeSpeedError, match='/fcos has been restarted'):
        node_speed([report(), last], 1.0, {})


def test_the_names_are_those_of_ros2_benchmark():
    camera = measured([0, 1, 2.5, 3.5], seconds=4.0, received=5, published=4, superseded=1)
    metrics = ros2_benchmark_metrics(camera, [10.0, 30.0])
    expected = {
        'BasicPerformanceMetrics.RECEIVED_DURATION': 3500,
        'BasicPerformanceMetrics.MIN_JITTER': 500,
        'BasicPerformanceMetrics.MEAN_PLAYBACK_FRAME_RATE': 1.25,
        'BasicPerformanceMetrics.MEAN_FRAME_RATE': 3 / 3.5,
        'BasicPerformanceMetrics.NUM_MISSED_FRAMES': 1,
        'BasicPerformanceMetrics.NUM_FRAMES_SENT': 5,
        'BasicPerformanceMetrics.FIRST_INPUT_LATENCY': 50,
        'BasicPerformanceMetrics.LAST_INPUT_LATENCY': 50,
        'BasicPerformanceMetrics.MAX_LATENCY': 50, 'BasicPerformanceMetrics.MIN_LATENCY': 50,
        'BasicPerformanceMetrics.MEAN_LATENCY': 50, 'BasicPerformanceMetrics.MAX_JITTER': 500,
        'BasicPerformanceMetrics.MEAN_JITTER': 500, 'BasicPerformanceMetrics.STD_DEV_JITTER': 0,
        'ResourceMetrics.MAX_OVERALL_CPU_UTILIZATION': 30,
        'ResourceMetrics.MIN_OVERALL_CPU_UTILIZATION': 10,
        'ResourceMetrics.MEAN_OVERALL_CPU_UTILIZATION': 20,
        'ResourceMetrics.STDDEV_OVERALL_CPU_UTILIZATION': 10}
    assert metrics == pytest.approx(expected, abs=1e-2)


def test_what_is_unknown_has_no_name():
    assert set(ros2_benchmark_metrics(measured())) == {
        f'BasicPerformanceMetrics.{name}' for name in (
            'RECEIVED_DURATION', 'MEAN_PLAYBACK_FRAME_RATE', 'MEAN_FRAME_RATE',
            'NUM_MISSED_FRAMES', 'NUM_FRAMES_SENT')}
