# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node detects far objects in tiles, for each camera by its own parameters."""

from dataclasses import replace

import cv2
from node.graph import Graph, image_message
from node.test_cameras import GraphCamera
import numpy as np
from onnx_models import white_square
import pytest
from waiting import wait_until

from fcos_ros.recording.reader import Recording
from fcos_ros.recording.replay import Replay

SIDE = 512
"""Four canvases of the model: its cells show a square of 8 pixels in a tile of a quarter only."""

TILED = {'tiles': '4x4', 'tiles_overlap': 0.0, 'tiles_budget': 60_000.0}
FAR = white_square(SIDE, 5, 3) + white_square(SIDE, 37, 52)
CENTRES = [(44.0, 28.0), (300.0, 420.0)]


def centres(array):
    return sorted((detection.bbox.center.position.x, detection.bbox.center.position.y)
                  for detection in array.detections)


def to_nv12(pixels):
    height, width = pixels.shape[:2]
    chroma = np.full((height // 2, width), 128, np.uint8)
    return np.concatenate([pixels[..., 0], chroma])


@pytest.mark.parametrize('workers', [1, 3])
def test_far_objects_are_detected_in_tiles_only(model, workers):
    with Graph(model=model, workers=workers) as graph:
        graph.wait_until_connected()
        assert graph.detect(image_message(FAR)).detections == []
        assert graph.set(**TILED) == ''
        assert centres(graph.detect(image_message(FAR))) == CENTRES
        nv12 = image_message(to_nv12(FAR), 'nv12')
        assert centres(graph.detect(nv12)) == CENTRES
        status = graph.wait_for_status('frames', lambda status: any(
            entry.key == 'tiles' and entry.value == '32' for entry in status.values))
        values = {entry.key: entry.value for entry in status.values}
        assert values['tiles left out'] == '0'
        assert 'tiles p50/p95/p99 ms' in {
            entry.key for entry in graph.wait_for_status('latency').values}
        assert graph.set(tiles='none') == ''
        assert graph.detect(image_message(FAR)).detections == []


def test_zones_and_thresholds_hold_for_the_image(model):
    with Graph(model=model, **TILED, exclude_zones=['0 0, 0.5 0, 0.5 0.5, 0 0.5']) as graph:
        assert centres(graph.wait_until_connected().detect(image_message(FAR))) == CENTRES[1:]
        assert graph.set(max_detections=1, exclude_zones=['']) == ''
        assert len(graph.detect(image_message(FAR)).detections) == 1


def test_each_camera_has_tiles_of_its_own(model):
    with Graph(model=model, cameras=['front', 'rear'],
               **{f'front.{name}': value for name, value in TILED.items()}) as running:
        front, rear = GraphCamera(running, 'front'), GraphCamera(running, 'rear')
        assert centres(front.detect(FAR)) == CENTRES
        assert rear.detect(FAR).detections == []


def test_a_budget_that_no_tile_fits_into_is_a_warning_and_delays_nothing(model):
    with Graph(model=model, **{**TILED, 'tiles_budget': 1.0}, report_period=0.5) as graph:
        graph.wait_until_connected()
        near = cv2.resize(white_square(128, 5, 3), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)

        def warned():
            graph.detect(image_message(near))
            return any('no tile fits into tiles_budget, 1 ms' in f'{status}'
                       for report in graph.reports for status in report.status)
        wait_until(warned)
        assert centres(graph.detect(image_message(near))) == [(176.0, 112.0)]


def test_a_recording_has_the_boxes_of_all_tiles(model, tmp_path):
    parameters = {**TILED, 'recorder': 'always', 'recorder_folder': str(tmp_path),
                  'recorder_free_space': 0, 'recorder_floor': 0.1}
    with Graph(model=model, **parameters) as graph:
        graph.wait_until_connected()
        for number in range(3):
            found = graph.detect(image_message(FAR, stamp=(number + 1, 0)))
            assert centres(found) == CENTRES
    path, = tmp_path.glob('*.mcap')
    frames = list(Recording(path).frames())
    replay = Replay()
    assert len(frames) == 3
    for frame in frames:
        assert [window.left for window, _ in frame.tile_candidates] == [0, 128, 256, 384] * 4
        again = replay.detect(frame)
        np.testing.assert_array_equal(again.boxes, frame.detections.boxes)
        np.testing.assert_array_equal(again.scores, frame.detections.scores)
        assert len(replay.detect(frame, replace(frame.settings, tiles='none'))) == 0
        higher = replace(frame.settings, score_threshold=0.9999)
        assert len(replay.detect(frame, higher)) < len(again)


@pytest.mark.parametrize(('name', 'value'), [
    ('tiles', '5x5'), ('tiles', 'off'), ('tiles_overlap', 0.6), ('tiles_budget', 0.0)])
def test_other_values_are_refused(graph, name, value):
    assert f'{name} is {value!r}; accepted:' in graph.set(**{name: value})
