# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos bag` writes the messages that the node publishes for the same images, field by field."""

from __future__ import annotations

import cv2
from node.graph import LATCHED, Graph, image_message
from offline.bags.bag_files import START, write
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo
from waiting import wait_until

from fcos_ros.cli.main import main
from fcos_ros.demo.scenes import render
from fcos_ros.offline.bags.reader import Bag

PERIOD = 100_000_000

PARAMETERS = {
    'defaults': '',
    'filters': "score_threshold: 0.3\n    class_thresholds: ['cube: 0.7', 'ball: 0.2']\n"
               "    min_size: 40.0\n    hypotheses: 3\n    class_id: name\n"
               "    exclude_zones: ['0 0, 0.4 0, 0.4 1, 0 1']\n    zone_anchor: bottom",
    'tracking': 'track: true\n    track_threshold: 0.05\n    score_threshold: 0.4',
}


def to_nv12(bgr):
    height, width = bgr.shape[:2]
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).ravel()
    planes[height * width:] = planes[height * width:].reshape(2, -1).T.ravel()
    return planes.reshape(-1, width)


@pytest.mark.parametrize(('name', 'encoding'), [
    ('defaults', 'bgr8'), ('filters', 'nv12'), ('tracking', 'bgr8')])
def test_a_bag_and_the_node_have_the_same_messages(name, encoding, tmp_path):
    file = tmp_path / 'my.yaml'
    file.write_text('/**:\n  ros__parameters:\n    model: package://fcos_ros/models/fcos_demo.onnx\n'
                    f'    nv12_range: limited\n    {PARAMETERS[name]}\n')
    images = []
    for number in range(6):
        scene = render(number // 3).image
        pixels = to_nv12(scene) if encoding == 'nv12' else scene
        images.append(image_message(
            pixels, encoding, stamp=divmod(START + number * PERIOD + 7, 10**9)))
    recorded = [serialize_message(message) for message in images]
    write(tmp_path / 'in', [
        ('/image', START + number * PERIOD, ('sensor_msgs/msg/Image', data))
        for number, data in enumerate(recorded)])
    out = tmp_path / 'out'
    assert main(['bag', str(tmp_path / 'in'), str(out), '--params', str(file)]) == 0
    labels, infos = [], []
    with Graph(cli=('--ros-args', '--params-file', str(file))) as graph:
        graph.wait_until_connected()
        graph.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        graph.listen(VisionInfo, 'fcos/vision_info', infos, LATCHED)
        arrays = [graph.detect(message) for message in images]
        wait_until(lambda: labels and infos)
    with Bag(out) as bag:
        messages = list(bag.messages())
        found = {topic.name: [message for message in messages if message.topic == topic]
                 for topic in bag.topics}
        label_info = bag.deserialise(found['/fcos/label_info'][0])
        vision_info = bag.deserialise(found['/fcos/vision_info'][0])
    assert sum(len(array.detections) for array in arrays) > 6
    assert [deserialize_message(bytes(message.data), Detection2DArray)
            for message in found['/fcos/detections']] == arrays
    assert [message.time for message in found['/fcos/detections']] == [
        START + number * PERIOD for number in range(len(images))]
    assert [bytes(message.data) for message in found['/image']] == recorded
    assert [(entry.class_id, entry.class_name) for entry in label_info.class_map] == [
        (entry.class_id, entry.class_name) for entry in labels[0].class_map]
    assert label_info.threshold == labels[0].threshold
    assert (vision_info.method, vision_info.database_location, vision_info.database_version) == (
        infos[0].method, infos[0].database_location, infos[0].database_version)
