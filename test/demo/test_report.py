# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's verdict promises: a broken promise is named, a kept one is not."""

from dataclasses import replace

import numpy as np
import pytest

from fcos_ros.core.detections import Detections
from fcos_ros.demo.report import Answer, Header, Record, judge, table

BOXES = np.array([[10, 10, 50, 50], [60, 20, 90, 80]], np.float32)
OBJECTS = Detections(BOXES, np.ones(2, np.float32), np.array([0, 1], np.int32))
STAGES = {'infer': '20.00 / 22.00 / 25.00'}


def header(number, frame_id='camera'):
    return Header(1000 + number, 500, frame_id)


def answer(number, detections=OBJECTS, strays=()):
    return Answer(header(number), strays, detections, latency=0.02 + 0.001 * number)


def account(published, received=None, failed=0, in_flight=0):
    received = published + failed + in_flight if received is None else received
    return {'received': str(received), 'published': str(published), 'superseded': '0',
            'expired': '0', 'failed': str(failed), 'in_flight': str(in_flight),
            'last_error': 'too dark'}


def record(count=10, **changes):
    heard = Record({header(n): OBJECTS for n in range(count)}, [answer(n) for n in range(count)],
                   account(count))
    return replace(heard, **changes)


def verdict(heard):
    return judge('bgr8', heard, heard.answers, STAGES)


def test_a_perfect_run_has_no_faults():
    run = verdict(record())
    assert run.faults == ()
    assert (run.precision, run.recall) == (1, 1)
    assert run.counts == {
        'sent by the camera': 10, 'overtaken on the way': 0, 'received': 10, 'published': 10,
        'superseded': 0, 'expired': 0, 'failed': 0, 'detections': 20}


def test_frames_that_were_superseded_are_no_fault():
    heard = record()
    heard.answers.pop()
    heard.frames = {**account(9, received=10), 'superseded': '1'}
    assert verdict(heard).faults == ()


def test_images_that_a_newer_one_overtook_are_no_fault():
    heard = record()
    del heard.answers[3:5]
    heard.frames = account(8)
    run = verdict(heard)
    assert run.faults == ()
    assert run.counts['overtaken on the way'] == 2


def test_images_from_before_the_nodes_met_are_not_counted():
    heard = record(truths={header(n): OBJECTS for n in range(-5, 10)})
    assert verdict(heard).counts['sent by the camera'] == 10


@pytest.mark.parametrize(('heard', 'settled'), [
    pytest.param(record(), True, id='all came'),
    pytest.param(record(frames={}), False, id='no account yet'),
    pytest.param(record(frames=account(10, in_flight=1)), False, id='a frame is under way'),
    pytest.param(record(frames=account(11)), False, id='an answer is under way'),
    pytest.param(record(truths={header(n): OBJECTS for n in range(9)}), False,
                 id='a truth is under way'),
])
def test_a_run_is_settled_when_nothing_is_under_way(heard, settled):
    assert heard.settled == settled


@pytest.mark.parametrize(('heard', 'complaint'), [
    pytest.param(record(answers=[], frames=account(0)),
                 'nothing was detected: 10 images sent, 0 answered', id='silence'),
    pytest.param(record(answers=[answer(n, Detections.empty()) for n in range(10)]),
                 'nothing was detected: 10 images sent, 10 answered', id='blind'),
    pytest.param(record(truths={header(n, 'other'): OBJECTS for n in range(10)}),
                 'a header that no image had', id='frame_id changed'),
    pytest.param(record(answers=[answer(n, strays=(header(99),)) for n in range(10)]),
                 '10 detections have a header unlike their image', id='stray detection header'),
    pytest.param(record(answers=[answer(n) for n in (1, 0, *range(2, 10))]),
                 '1 answers came out of order', id='order'),
    pytest.param(record(answers=[answer(n) for n in (0, *range(9))]),
                 '1 answers came out of order', id='answered twice'),
    pytest.param(record(frames=account(10, failed=2)), '2 frames failed: too dark', id='failed'),
    pytest.param(record(frames=account(10, in_flight=1)),
                 '1 frames never came to an end', id='in flight for ever'),
    pytest.param(record(frames=account(10, received=12)), 'does not add up', id='lost count'),
    pytest.param(record(frames=account(11)),
                 'published 11 times, 10 answers arrived', id='lost answer'),
    pytest.param(record(frames={}), 'never reported', id='no diagnostics'),
    pytest.param(record(answers=[answer(n, OBJECTS[:1]) for n in range(10)]),
                 'recall is 0.500', id='half is missed'),
])
def test_a_broken_promise_is_named(heard, complaint):
    assert any(complaint in fault for fault in verdict(heard).faults)


def test_the_table_shows_every_run_side_by_side():
    runs = [verdict(record()), replace(verdict(record(4)), encoding='nv12')]
    lines = table(runs).splitlines()
    assert lines[0].split() == ['bgr8', 'nv12']
    assert next(line.split() for line in lines if 'published' in line) == ['published', '10', '4']
    assert any('20.00 / 22.00 / 25.00' in line for line in lines)
    assert len({len(line) for line in lines if line.startswith('  ')}) == 1


def test_the_latency_is_that_of_the_measured_answers():
    heard = record()
    run = judge('bgr8', heard, heard.answers[5:6], STAGES)
    assert run.stages['end to end'] == '25.00 / 25.00 / 25.00'
