# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report of the demo: the table of a run, and the problems that are found."""

from dataclasses import replace

import numpy as np
import pytest

from fcos_ros.core.detections import Detections
from fcos_ros.demo.report import (
    HeaderKey,
    ReceivedDetections,
    Recording,
    format_table,
    summarise,
)

BOXES = np.array([[10, 10, 50, 50], [60, 20, 90, 80]], np.float32)
OBJECTS = Detections(BOXES, np.ones(2, np.float32), np.array([0, 1], np.int32))
LATENCIES = {'infer': '20.00 / 22.00 / 25.00'}


def header(number, frame_id='camera'):
    return HeaderKey(1000 + number, 500, frame_id)


def message(number, detections=OBJECTS, mismatched_headers=()):
    return ReceivedDetections(
        header(number), mismatched_headers, detections, latency=0.02 + 0.001 * number)


def diagnostics(published, count=None, failed=0, in_flight=0):
    """Return the counts of the node; `count` frames were received, by default as they add up."""
    count = published + failed + in_flight if count is None else count
    return {'received': str(count), 'published': str(published), 'superseded': '0',
            'expired': '0', 'failed': str(failed), 'in_flight': str(in_flight),
            'last_error': 'too dark'}


def make_recording(count=10, **changes):
    """Return the recording of a perfect run with some values changed."""
    recording = Recording({header(n): OBJECTS for n in range(count)},
                          [message(n) for n in range(count)], diagnostics(count))
    return replace(recording, **changes)


def result(recording):
    return summarise('bgr8', recording, recording.received, LATENCIES)


def test_a_perfect_run_has_no_problems():
    run = result(make_recording())
    assert run.problems == ()
    assert (run.precision, run.recall) == (1, 1)
    assert run.counts == {
        'sent by the camera': 10, 'dropped in transport': 0, 'received': 10, 'published': 10,
        'superseded': 0, 'expired': 0, 'failed': 0, 'detections': 20}


def test_superseded_frames_are_no_problem():
    recording = make_recording()
    recording.received.pop()
    recording.frame_diagnostics = {**diagnostics(9, count=10), 'superseded': '1'}
    assert result(recording).problems == ()


def test_images_that_are_dropped_in_transport_are_no_problem():
    recording = make_recording()
    del recording.received[3:5]
    recording.frame_diagnostics = diagnostics(8)
    run = result(recording)
    assert run.problems == ()
    assert run.counts['dropped in transport'] == 2


def test_images_from_before_discovery_are_not_counted():
    recording = make_recording(ground_truth={header(n): OBJECTS for n in range(-5, 10)})
    assert result(recording).counts['sent by the camera'] == 10


@pytest.mark.parametrize(('recording', 'complete'), [
    pytest.param(make_recording(), True, id='all messages arrived'),
    pytest.param(make_recording(frame_diagnostics={}), False, id='no diagnostics yet'),
    pytest.param(make_recording(frame_diagnostics=diagnostics(10, in_flight=1)), False,
                 id='a frame is in flight'),
    pytest.param(make_recording(frame_diagnostics=diagnostics(11)), False,
                 id='detections have not arrived'),
    pytest.param(make_recording(ground_truth={header(n): OBJECTS for n in range(9)}), False,
                 id='ground truth has not arrived'),
])
def test_a_recording_is_complete_when_nothing_is_in_flight(recording, complete):
    assert recording.complete == complete


@pytest.mark.parametrize(('recording', 'problem'), [
    pytest.param(make_recording(received=[], frame_diagnostics=diagnostics(0)),
                 'nothing was detected: 10 images sent, 0 messages received', id='no messages'),
    pytest.param(make_recording(received=[message(n, Detections.empty()) for n in range(10)]),
                 'nothing was detected: 10 images sent, 10 messages received',
                 id='no detections'),
    pytest.param(make_recording(ground_truth={header(n, 'other'): OBJECTS for n in range(10)}),
                 'a header that no image had', id='changed frame_id'),
    pytest.param(make_recording(received=[
                     message(n, mismatched_headers=(header(99),)) for n in range(10)]),
                 '10 detections have another header than their image',
                 id='changed header of a detection'),
    pytest.param(make_recording(received=[message(n) for n in (1, 0, *range(2, 10))]),
                 '1 messages came out of order', id='wrong order'),
    pytest.param(make_recording(received=[message(n) for n in (0, *range(9))]),
                 '1 messages came out of order', id='repeated message'),
    pytest.param(make_recording(frame_diagnostics=diagnostics(10, failed=2)),
                 '2 frames failed: too dark', id='failed frames'),
    pytest.param(make_recording(frame_diagnostics=diagnostics(10, in_flight=1)),
                 '1 frames were never finished', id='frame still in flight'),
    pytest.param(make_recording(frame_diagnostics=diagnostics(10, count=12)),
                 'counts do not add up', id='wrong counts'),
    pytest.param(make_recording(frame_diagnostics=diagnostics(11)),
                 'published 11 messages, 10 were received', id='lost message'),
    pytest.param(make_recording(frame_diagnostics={}),
                 'no diagnostics after the last image', id='no diagnostics'),
    pytest.param(make_recording(received=[message(n, OBJECTS[:1]) for n in range(10)]),
                 'recall is 0.500', id='half of the objects missed'),
])
def test_each_problem_is_found(recording, problem):
    assert any(problem in found for found in result(recording).problems)


def test_the_table_has_a_column_for_each_run():
    runs = [result(make_recording()), replace(result(make_recording(4)), encoding='nv12')]
    lines = format_table(runs).splitlines()
    assert lines[0].split() == ['bgr8', 'nv12']
    assert next(line.split() for line in lines if 'published' in line) == ['published', '10', '4']
    assert any('20.00 / 22.00 / 25.00' in line for line in lines)
    assert len({len(line) for line in lines if line.startswith('  ')}) == 1


def test_the_end_to_end_latency_is_that_of_the_measured_messages():
    recording = make_recording()
    run = summarise('bgr8', recording, recording.received[5:6], LATENCIES)
    assert run.latencies['end to end'] == '25.00 / 25.00 / 25.00'
