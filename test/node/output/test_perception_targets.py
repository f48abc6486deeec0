# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topic `perception_targets` for the tools of TROS."""

import time

from node.graph import Graph, image_message
from node.output.frame_detections import make_frame_detections
from node.topic_recorder import TopicRecorder
import numpy as np
from onnx_models import white_square
import pytest
from waiting import wait_until

from fcos_ros.core.resize import Size
from fcos_ros.node.output import perception_targets
from fcos_ros.node.output.perception_targets import FrameRateMeter, open_perception_targets

messages = pytest.importorskip('ai_msgs.msg')

SCENE = white_square(128, 5, 3)
EMPTY = np.zeros((128, 128, 3), np.uint8)
BOX = [1, 1, 5, 5]

CLOCK_MARGIN = 0.001
"""Seconds by which the clocks of durations and of stamps may differ during one image."""


def record(graph):
    return TopicRecorder(graph, messages.PerceptionTargets, 'fcos/perception_targets')


def test_each_message_has_exactly_the_header_of_its_image(graph):
    recorder = record(graph)
    recorder.next(SCENE)
    second = int(time.time())
    sent = [image_message(pixels, stamp=(second, number))
            for number, pixels in enumerate((SCENE, EMPTY, SCENE))]
    for image in sent:
        graph.detections_of(image)
    received = wait_until(lambda: len(recorder.since(second)) == 3 and recorder.since(second))
    assert [message.header for message in received] == [image.header for image in sent]
    full, empty, _ = received
    assert list(empty.targets) == []
    target, = full.targets
    roi, = target.rois
    assert (target.type, roi.type, target.track_id) == ('cube', 'cube', 0)
    assert 0.5 <= roi.confidence <= 1
    rect = roi.rect
    assert (rect.x_offset, rect.y_offset, rect.width, rect.height) == (36, 20, 16, 16)
    stages = ('preprocess', 'predict_infer', 'predict_parse', 'postprocess', 'pipeline')
    assert [perf.type for perf in full.perfs] == [f'squares_{stage}' for stage in stages]
    starts = [perf.stamp_start.sec + perf.stamp_start.nanosec / 1e9 for perf in full.perfs[:4]]
    assert starts == sorted(starts)
    assert all(perf.time_ms_duration >= 0 for perf in full.perfs)
    assert full.perfs[-1].stamp_start == full.header.stamp


def test_the_pipeline_is_timed_from_the_arrival_if_the_stamp_is_from_another_clock(graph):
    recorder = record(graph)
    before = time.time() - CLOCK_MARGIN
    message = recorder.next(SCENE)
    pipeline = message.perfs[-1]
    assert pipeline.time_ms_duration == max(perf.time_ms_duration for perf in message.perfs)
    # The stamp of the image is many years older.
    assert pipeline.stamp_start.sec + pipeline.stamp_start.nanosec / 1e9 >= before


def test_a_tracked_object_has_the_same_number_in_detections_and_targets(model):
    with Graph(model=model, track=True) as running:
        running.wait_until_connected()
        recorder = record(running)
        recorder.next(EMPTY)
        arrays = [running.detections_of(image_message(SCENE, stamp=(5000, number * 30_000_000)))
                  for number in range(5)]
        ids = [[found.id for found in array.detections] for array in arrays]
        assert ids[0] == ['']
        assert ids[-1] == ['1']
        running.detections_of(image_message(EMPTY, stamp=(5000, 150_000_000)))
        received = wait_until(lambda: len(recorder.since(5000)) == 6 and recorder.since(5000))
        numbers = [[str(target.track_id or '') for target in message.targets]
                   for message in received]
        assert numbers == [*ids, []]
        assert [target.track_id for target in received[-1].disappeared_targets] == [1]


def test_the_frame_rate_is_that_of_the_last_two_seconds():
    meter = FrameRateMeter()
    assert [meter.count(moment) for moment in (10.0, 10.1, 10.2)] == [-1, 10, 10]
    for number in range(100):
        newest = meter.count(20 + number / 30)
    assert newest == 30
    assert [meter.count(moment) for moment in (60.0, 61.0)] == [-1, 1]
    assert [meter.count(moment) for moment in (90.0, 90.0, 90.0 + 1e-7)] == [-1, -1, 32767]


@pytest.fixture
def output_and_messages(open_output):
    return open_output(open_perception_targets, messages.PerceptionTargets, 'perception_targets')


def test_tracked_targets_that_are_missing_in_the_next_frame_have_disappeared(output_and_messages):
    output, received = output_and_messages
    for track_ids in ([3, 0], [4], [], []):
        output.publish(make_frame_detections([BOX] * len(track_ids), track_ids=track_ids))
    wait_until(lambda: len(received) == 4)
    present = [[target.track_id for target in each.targets] for each in received]
    assert present == [[3, 0], [4], [], []]
    disappeared = [[target.track_id for target in each.disappeared_targets] for each in received]
    assert disappeared == [[], [3], [4], []]


def test_a_new_subscriber_receives_nothing_from_before_its_subscription(
        unconfigured_graph, output_and_messages, monkeypatch):
    graph, (output, received) = unconfigured_graph, output_and_messages
    moments = iter((10.0, 10.125, 10.25, 10.5, 10.75))
    monkeypatch.setattr(perception_targets, 'monotonic', lambda: next(moments))

    def publish(track_ids):
        """Return the frame rate and the disappeared targets of the published message."""
        known = len(received)
        output.publish(make_frame_detections([BOX] * len(track_ids), track_ids=track_ids))
        message = wait_until(lambda: received[known:])[0]
        return message.fps, [target.track_id for target in message.disappeared_targets]

    assert [publish([3]), publish([3, 4]), publish([3])] == [(-1, []), (8, []), (8, [4])]
    subscription, = [each for each in graph.peer.subscriptions
                     if each.topic_name == '/fcos/test/perception_targets']
    graph.call(graph.peer.destroy_subscription, subscription)
    wait_until(lambda: not output.wanted())
    graph.listen(messages.PerceptionTargets, 'fcos/test/perception_targets', received)
    wait_until(output.wanted)
    assert [publish([]), publish([5])] == [(-1, []), (4, [])]


def test_rectangles_are_whole_pixels_inside_the_image(output_and_messages):
    output, received = output_and_messages
    boxes = [[-5, -5, 3.4, 200], [1.6, 2.4, 9.6, 7.5], [99.9, 49.9, 100, 50], [4, 4, 4.1, 4.1]]
    output.publish(make_frame_detections(boxes, size=Size(100, 50)))
    rects = [target.rois[0].rect for target in wait_until(lambda: received)[0].targets]
    assert [(rect.x_offset, rect.y_offset, rect.width, rect.height) for rect in rects] == [
        (0, 0, 3, 50), (2, 2, 8, 6), (99, 49, 1, 1), (4, 4, 1, 1)]
