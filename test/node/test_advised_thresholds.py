# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node starts with the parameter file that `fcos eval` writes."""

import cv2
from node.graph import Graph, image_message
from onnx_models import white_square, write_fcos

from fcos_ros.cli.main import main
from fcos_ros.settings.write_parameters import parameter_text

LABELS = {'labels': '["cube: big", "球", "yes"]', 'box_unit': 'pixel'}


def write_dataset(folder):
    """Write an image of a square, labelled as the network finds it, in the form of YOLO."""
    for part in ('images', 'labels'):
        (folder / part).mkdir(parents=True)
    (folder / 'classes.txt').write_text('cube: big\n', encoding='utf-8')
    cv2.imwrite(str(folder / 'images' / '0.png'), white_square(128, 5, 3))
    (folder / 'labels' / '0.txt').write_text(f'0 {44 / 128} {28 / 128} {2 / 128} {2 / 128}\n')
    return folder


def test_a_node_starts_with_the_thresholds_that_were_advised(tmp_path):
    model = write_fcos(tmp_path / 'model.onnx', metadata=LABELS)
    file = tmp_path / 'thresholds.yaml'
    assert main(['eval', str(write_dataset(tmp_path / 'data')), '--model', str(model),
                 '--advise-thresholds', str(file)]) == 0
    with Graph(cli=('--ros-args', '--params-file', str(file)), model=str(model)) as graph:
        entry, = graph.node.get_parameter('class_thresholds').value
        assert entry.startswith('cube: big: 0.')
        found, = graph.wait_until_connected().detect(
            image_message(white_square(128, 5, 3))).detections
        assert found.results[0].hypothesis.score >= float(entry.rpartition(':')[2])


def test_a_node_understands_any_class_name_in_a_written_file(tmp_path):
    model = write_fcos(tmp_path / 'model.onnx', metadata=LABELS)
    entries = ['cube: big: 1', '球: 0.25', 'yes: 0.5']
    file = tmp_path / 'thresholds.yaml'
    file.write_text(parameter_text({'class_thresholds': entries}, ['one\nline']),
                    encoding='utf-8')
    with Graph(cli=('--ros-args', '--params-file', str(file)), model=str(model)) as graph:
        assert list(graph.node.get_parameter('class_thresholds').value) == entries
        assert not graph.wait_until_connected().detect(
            image_message(white_square(128, 5, 3))).detections
