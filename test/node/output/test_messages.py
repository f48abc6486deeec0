# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The conversion of detections to messages."""

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
from fcos_ros.node.output.messages import to_detection_array

HEADERS = st.builds(
    lambda sec, nanosec, frame: Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame),
    st.integers(-2**31, 2**31 - 1), st.integers(0, 2**32 - 1), st.text('abc/_ é', max_size=40))
BOXES = st.lists(st.lists(st.floats(0, 1e4, width=32), min_size=4, max_size=4), max_size=5)


def detections(boxes):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    count = len(boxes)
    return Detections(boxes, np.linspace(1, 0.5, count, dtype=np.float32),
                      np.arange(count, dtype=np.int32))


def by_constructors(found, header):
    """Return the expected message, made with the constructors of all its parts."""
    return Detection2DArray(header=header, detections=[
        Detection2D(
            header=header,
            results=[ObjectHypothesisWithPose(
                hypothesis=ObjectHypothesis(class_id=str(class_id), score=score))],
            bbox=BoundingBox2D(
                center=Pose2D(position=Point2D(x=(x1 + x2) / 2, y=(y1 + y2) / 2), theta=0.0),
                size_x=x2 - x1, size_y=y2 - y1))
        for (x1, y1, x2, y2), score, class_id in zip(
            found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist())])


def deserialised(message):
    """Serialise a message, and return it deserialised."""
    return deserialize_message(serialize_message(message), type(message))


@given(BOXES, HEADERS)
def test_the_serialised_message_equals_one_made_with_constructors(boxes, header):
    found = detections(boxes)
    assert deserialised(to_detection_array(found, header)) == by_constructors(found, header)


@pytest.mark.parametrize('field', ['header', 'results', 'bbox', 'id'])
def test_replacing_a_field_of_one_detection_does_not_change_the_others(field):
    found = detections([[0, 0, 1, 1], [2, 2, 3, 3]])
    first, second = to_detection_array(found, Header()).detections
    other = Detection2D(header=Header(frame_id='x'), results=[], id='x')
    setattr(first, field, getattr(other, field))
    assert second == by_constructors(found, Header()).detections[1]
    assert to_detection_array(found, Header()) == by_constructors(found, Header())


def test_detections_do_not_share_boxes_and_results():
    first, second = to_detection_array(detections([[0, 0, 1, 1]] * 2), Header()).detections
    assert first.bbox.center.position is not second.bbox.center.position
    assert first.results[0].hypothesis is not second.results[0].hypothesis


def test_track_ids_and_alternatives_are_part_of_the_message():
    found = Detections(
        np.array([[0, 0, 4, 4], [1, 1, 3, 3]], np.float32), np.array([0.75, 0.5], np.float32),
        np.array([2, 0], np.int32),
        Alternatives(np.array([[0, 1], [1, -1]], np.int32),
                     np.array([[0.5, 0.25], [0.125, 0]], np.float32)),
        np.array([12, 0], np.int64))
    labels = Labels(('cube', 'ball', 'cone'))
    first, second = to_detection_array(found, Header(), labels).detections
    assert (first.id, second.id) == ('12', '')
    results = [[(result.hypothesis.class_id, result.hypothesis.score) for result in each.results]
               for each in (first, second)]
    assert results == [[('cone', 0.75), ('cube', 0.5), ('ball', 0.25)],
                       [('cube', 0.5), ('ball', 0.125)]]
