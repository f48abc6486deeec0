# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The serialised detections equal those that rclpy serialises."""

from builtin_interfaces.msg import Time
from hypothesis import given, strategies as st
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
)

from fcos_ros.core.detections import Alternatives, Detections
from fcos_ros.core.labels import Labels
from fcos_ros.messages.detections import serialise_detections
from fcos_ros.node.output import messages
from fcos_ros.node.output.messages import require_known_layout

MAX_BOXES, MAX_ALTERNATIVES = 5, 3

HEADERS = st.builds(
    lambda sec, nanosec, frame: Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame),
    st.integers(-2**31, 2**31 - 1), st.integers(0, 2**32 - 1), st.text('abc/_ é', max_size=40))

NAMES = st.lists(st.text('ab é猫', min_size=1, max_size=12), min_size=3, max_size=3)


@st.composite
def all_detections(draw):
    """Draw detections of three classes, with or without alternatives and track ids."""
    count = draw(st.integers(0, MAX_BOXES))
    boxes = draw(st.lists(st.floats(0, 1e4, width=32), min_size=4 * count, max_size=4 * count))
    scores = st.floats(0, 1, width=32)
    class_ids = st.integers(0, 2)
    others = draw(st.integers(0, MAX_ALTERNATIVES))

    def array(values, shape, dtype):
        number = int(np.prod(shape))
        drawn = draw(st.lists(values, min_size=number, max_size=number))
        return np.array(drawn, dtype).reshape(shape)

    return Detections(
        np.array(boxes, np.float32).reshape(count, 4), array(scores, count, np.float32),
        array(class_ids, count, np.int32),
        Alternatives(array(st.integers(-1, 2), (count, others), np.int32),
                     array(scores, (count, others), np.float32)) if others else None,
        array(st.integers(0, 2**40), count, np.int64) if draw(st.booleans()) else None)


def by_constructors(found, header, name=str):
    """Return the expected message, made with the constructors of all its parts."""
    return Detection2DArray(header=header, detections=[
        Detection2D(
            header=header, results=results_of(found, index, name),
            bbox=BoundingBox2D(
                center=Pose2D(position=Point2D(x=(x1 + x2) / 2, y=(y1 + y2) / 2), theta=0.0),
                size_x=x2 - x1, size_y=y2 - y1),
            id=track_id(found, index))
        for index, (x1, y1, x2, y2) in enumerate(found.boxes.tolist())])


def results_of(found, index, name):
    pairs = [(found.class_ids[index], found.scores[index])]
    if found.alternatives is not None:
        pairs += zip(found.alternatives.class_ids[index], found.alternatives.scores[index])
    return [ObjectHypothesisWithPose(
        hypothesis=ObjectHypothesis(class_id=name(int(class_id)), score=float(score)))
        for class_id, score in pairs if class_id >= 0]


def track_id(found, index):
    known = found.track_ids is not None and found.track_ids[index]
    return str(found.track_ids[index]) if known else ''


def require_equal(serialised, expected):
    assert deserialize_message(serialised, Detection2DArray) == expected
    assert len(serialised) == len(serialize_message(expected))


@given(all_detections(), HEADERS)
def test_the_bytes_are_those_of_a_message_made_with_constructors(found, header):
    require_equal(serialise_detections(found, header), by_constructors(found, header))


@given(all_detections(), HEADERS, NAMES)
def test_classes_are_named_if_labels_are_given(found, header, names):
    labels = Labels(tuple(names))
    require_equal(serialise_detections(found, header, labels),
                  by_constructors(found, header, labels.name))


def test_track_ids_and_alternatives_are_part_of_the_message():
    found = Detections(
        np.array([[0, 0, 4, 4], [1, 1, 3, 3]], np.float32), np.array([0.75, 0.5], np.float32),
        np.array([2, 0], np.int32),
        Alternatives(np.array([[0, 1], [1, -1]], np.int32),
                     np.array([[0.5, 0.25], [0.125, 0]], np.float32)),
        np.array([12, 0], np.int64))
    labels = Labels(('cube', 'ball', 'cone'))
    first, second = deserialize_message(
        serialise_detections(found, Header(), labels), Detection2DArray).detections
    assert (first.id, second.id) == ('12', '')
    results = [[(result.hypothesis.class_id, result.hypothesis.score) for result in each.results]
               for each in (first, second)]
    assert results == [[('cone', 0.75), ('cube', 0.5), ('ball', 0.25)],
                       [('cube', 0.5), ('ball', 0.125)]]


def test_the_installed_vision_msgs_is_known():
    require_known_layout()


@pytest.mark.parametrize('other', [Header, BoundingBox2D], ids=['damaged', 'other fields'])
def test_a_vision_msgs_with_another_layout_is_refused(monkeypatch, other):
    monkeypatch.setattr(messages, 'Detection2DArray', other)
    with pytest.raises(ValueError, match='the installed vision_msgs is unknown; accepted'):
        require_known_layout()


def test_swapped_fields_of_vision_msgs_are_refused(monkeypatch):
    """As if `size_x` and `size_y` had changed places."""
    def swapped(content, kind):
        message = deserialize_message(content, kind)
        bounds = message.detections[0].bbox
        bounds.size_x, bounds.size_y = bounds.size_y, bounds.size_x
        return message
    monkeypatch.setattr(messages, 'deserialize_message', swapped)
    with pytest.raises(ValueError, match='the installed vision_msgs is unknown; accepted'):
        require_known_layout()
