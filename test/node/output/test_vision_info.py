# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topics `label_info` and `vision_info`: class names, thresholds and their version."""

from node.graph import LATCHED, Graph, image_message
from onnx_models import white_square, write_fcos
import pytest
from vision_msgs.msg import LabelInfo, VisionInfo
from waiting import wait_until

from fcos_ros.node.output.vision_info import VersionCounter

SCENE = white_square(128, 5, 3)
NAMES = ('cube', 'ball', 'cone')


def test_labels_and_thresholds_are_published_again_only_when_they_change(model):
    with Graph(model=model) as running:
        labels, infos = [], []
        running.wait_until_connected()
        running.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        running.listen(VisionInfo, 'fcos/vision_info', infos, LATCHED)

        def version_and_threshold(count):
            """Wait for this number of messages, and return the newest values."""
            wait_until(lambda: len(labels) >= count and len(infos) >= count)
            return infos[-1].database_version, round(labels[-1].threshold, 3)

        assert version_and_threshold(1) == (1, 0.5)
        info, = infos
        assert info.method == 'squares (onnx)'
        assert info.database_location == '/fcos/label_info'
        assert running.set(max_detections=7, nms_threshold=0.3, score_threshold=0.5) == ''
        assert running.set(score_threshold=0.25) == ''
        assert version_and_threshold(2) == (2, 0.25)
        assert running.set(class_thresholds=['ball: 0.125']) == ''
        assert version_and_threshold(3) == (3, 0.125)
        assert running.set(class_id='name') == ''
        assert version_and_threshold(4) == (4, 0.125)
        assert all([entry.class_name for entry in each.class_map] == list(NAMES)
                   for each in labels)
        running.transit('deactivate', 'activate')
        assert running.set(class_thresholds=[''], class_id='index') == ''
        assert version_and_threshold(5) == (5, 0.25), 'activate alone publishes nothing new'
        running.transit('deactivate', 'cleanup', 'configure', 'activate')
        assert version_and_threshold(6) == (5, 0.25), 'new publishers repeat the version'


def test_a_version_lasts_as_long_as_its_content():
    versions = VersionCounter()
    contents = ['a', 'a', ('b', 1), ('b', 1), 'a', 'a']
    assert [versions.number(content) for content in contents] == [1, 1, 2, 2, 3, 3]


def test_class_id_is_the_name_or_the_index_of_the_class(graph):
    labels = []
    graph.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
    wait_until(lambda: labels)
    known = {entry.class_name: entry.class_id for entry in labels[0].class_map}
    assert graph.set(hypotheses=2, class_thresholds=['ball: 0.001']) == ''
    for class_id, expected in (('name', ['cube', 'ball']), ('index', ['0', '1'])):
        assert graph.set(class_id=class_id) == ''
        detection, = graph.detect(image_message(SCENE)).detections
        hypotheses = [result.hypothesis for result in detection.results]
        class_ids = [hypothesis.class_id for hypothesis in hypotheses]
        assert class_ids == expected
        assert [str(known.get(text, text)) for text in class_ids] == ['0', '1']
        assert hypotheses[0].score > hypotheses[1].score > 0
    assert 'accepted: index, name' in graph.set(class_id='label')


def test_classes_without_names_are_named_by_their_index(tmp_path):
    with Graph(model=str(write_fcos(tmp_path / 'model.onnx')), class_id='name') as running:
        labels = []
        running.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        names = [entry.class_name for entry in wait_until(lambda: labels)[0].class_map]
        assert len(names) == 3
        running.wait_until_connected()
        detections = running.detect(image_message(SCENE)).detections
        assert [found.results[0].hypothesis.class_id for found in detections] == names[:1] == ['0']


def test_the_published_threshold_includes_the_lower_scores_of_tracks(model):
    with Graph(model=model, track=True) as running:
        labels = []
        running.listen(LabelInfo, 'fcos/label_info', labels, LATCHED)
        assert wait_until(lambda: labels)[0].threshold == pytest.approx(0.1)
