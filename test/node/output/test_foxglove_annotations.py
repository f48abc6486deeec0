# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topic `annotations` for Foxglove."""

from node.graph import image_message
from node.output.frame_detections import make_frame_detections
from onnx_models import white_square
import pytest
from waiting import wait_until

from fcos_ros.node.output.foxglove_annotations import open_foxglove_annotations

messages = pytest.importorskip('foxglove_msgs.msg')

SCENE = white_square(128, 5, 3)


def test_annotations_have_the_stamp_of_the_image_and_the_colour_of_the_class(graph):
    received, image = [], image_message(SCENE, stamp=(77, 7))
    graph.listen(messages.ImageAnnotations, 'fcos/annotations', received)
    message = wait_until(lambda: graph.camera.publish(image) or received)[0]
    (box,), (text,) = message.points, message.texts
    for part in (message, box, text):
        assert part.timestamp == image.header.stamp
    assert box.type == messages.PointsAnnotation.LINE_LOOP
    assert [(point.x, point.y) for point in box.points] == [
        (36, 20), (52, 20), (52, 36), (36, 36)]
    assert text.text == 'cube 1.00'
    assert text.background_color == box.outline_color
    assert max(box.outline_color.r, box.outline_color.g, box.outline_color.b) == 1.0
    assert box.outline_color.a == text.text_color.a == 1.0


def test_an_image_without_objects_clears_the_annotations(open_output):
    output, received = open_output(
        open_foxglove_annotations, messages.ImageAnnotations, 'annotations')
    output.publish(make_frame_detections([[-9, -9, 30, 30]], track_ids=[12]))
    output.publish(make_frame_detections())
    wait_until(lambda: len(received) == 2)
    assert received[0].texts[0].text == 'cube 0.50 #12'
    assert received[0].texts[0].position.y > 0, 'a text above the image would be invisible'
    assert list(received[1].points) == list(received[1].texts) == []
