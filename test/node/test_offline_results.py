# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos detect` finds in pictures what the node finds in the same images, with the same file."""

from __future__ import annotations

import json

import cv2
from node.graph import Graph, image_message
import pytest

from fcos_ros.cli.main import main
from fcos_ros.demo.scenes import CLASS_NAMES, render
from fcos_ros.offline.pictures import PERIOD

PARAMETERS = {
    'filters': "score_threshold: 0.3\n    class_thresholds: ['cube: 0.7', 'ball: 0.2']\n"
               "    classes: [cube, ball, cone]\n    min_size: 60.0\n    max_detections: 2\n"
               "    exclude_zones: ['0 0, 0.4 0, 0.4 1, 0 1']\n    zone_anchor: bottom",
    'tracking': 'track: true\n    track_threshold: 0.05\n    score_threshold: 0.4',
}


START = 10**18
"""Stamp of the first message in nanoseconds: the node ignores a stamp of zero."""


def shown(array):
    """Return what a message says about each detection."""
    return [(found.results[0].hypothesis.class_id, found.results[0].hypothesis.score, found.id,
             found.bbox.center.position.x, found.bbox.center.position.y,
             found.bbox.size_x, found.bbox.size_y) for found in array.detections]


def shown_in_line(line):
    """Return the same of a line of `frames/*.jsonl`."""
    rows = []
    for found in line['detections']:
        x1, y1, x2, y2 = found['box']
        rows.append((str(found['class_id']), found['score'], str(found.get('track') or ''),
                     (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
    return rows


@pytest.mark.parametrize('name', PARAMETERS)
def test_pictures_and_messages_have_the_same_detections(name, tmp_path):
    file = tmp_path / 'my.yaml'
    file.write_text('/**:\n  ros__parameters:\n    model: package://fcos_ros/models/fcos_demo.onnx\n'
                    f'    {PARAMETERS[name]}\n')
    scenes = [render(seed // 3).image for seed in range(9)]
    (tmp_path / 'in').mkdir()
    for number, scene in enumerate(scenes):
        cv2.imwrite(str(tmp_path / 'in' / f'{number}.png'), scene)
    assert main(['detect', str(tmp_path / 'in'), '--params', str(file), '--no-pictures',
                 '--out', str(tmp_path / 'out')]) == 0
    lines = [json.loads(line)
             for line in (tmp_path / 'out' / 'frames' / '0.jsonl').read_text().splitlines()]
    with Graph(cli=('--ros-args', '--params-file', str(file))) as graph:
        graph.wait_until_connected()
        arrays = [graph.detect(image_message(scene, stamp=divmod(START + number * PERIOD, 10**9)))
                  for number, scene in enumerate(scenes)]
    counts = [len(array.detections) for array in arrays]
    assert sum(counts) > 9, f'{CLASS_NAMES} are in most scenes'
    for array, line in zip(arrays, lines, strict=True):
        for live, offline in zip(shown(array), shown_in_line(line), strict=True):
            assert live[0] == offline[0]
            assert live[2] == offline[2]
            assert [live[1], *live[3:]] == pytest.approx([offline[1], *offline[3:]], rel=1e-6)
    if name == 'tracking':
        assert any(row[2] for array in arrays for row in shown(array))
