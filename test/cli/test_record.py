# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos record` records the frames of files, and lets a running node record."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from file_limits import max_file_size
from node.graph import Graph, image_message
import numpy as np
import pytest

from fcos_ros.core.frame import Frame
from fcos_ros.demo.scenes import render
from fcos_ros.recording.reader import Recording, find_recordings
from fcos_ros.recording.replay import Replay
from fcos_ros.runtime.detector import Detector
from fcos_ros.settings.criteria import to_criteria


@pytest.fixture
def pictures(tmp_path):
    """Return a folder with three scenes."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f'{number}.png'), render(number).image)
    return folder


def frames_of(path: Path):
    recording = Recording(path)
    frames = list(recording.frames())
    assert not recording.problem
    return frames


def test_the_frames_of_a_folder_are_recorded_as_the_detector_finds_them(fcos, pictures, tmp_path):
    out = tmp_path / 'a.mcap'
    result = fcos('record', pictures, '--out', out, '--conf', '0.4', '--image-width', '64')
    assert result.code == 0, result.err
    assert result.out.splitlines() == ['frames: 3', 'failed: 0', f'results: {out}']
    frames, detector = frames_of(out), Detector.load('auto')
    assert [frame.frame_id for frame in frames] == ['0.png', '1.png', '2.png']
    for number, frame in enumerate(frames):
        criteria = to_criteria(frame.settings, detector.info)
        expected = detector.detect(Frame.from_bgr(render(number).image), criteria).detections
        for found in (frame.detections, Replay().detect(frame)):
            np.testing.assert_array_equal(found.boxes, expected.boxes)
            np.testing.assert_array_equal(found.scores, expected.scores)
        assert len(frame.candidates.scores) > len(expected)
        assert frame.image[:2] == b'\xff\xd8'
        assert set(frame.times) == {'preprocess', 'infer', 'decode'}
    assert frames[0].session.node == 'fcos record'
    assert frames[0].settings.score_threshold == 0.4


def test_a_broken_picture_is_recorded_as_failed(fcos, pictures, tmp_path):
    (pictures / '1.png').write_bytes((pictures / '1.png').read_bytes()[:500])
    result = fcos('record', pictures, '--out', tmp_path / 'a.mcap', '--json')
    assert result.code == 1
    assert json.loads(result.out) == {
        'frames': 3, 'failed': 1, 'results': str(tmp_path / 'a.mcap')}
    broken = frames_of(tmp_path / 'a.mcap')[1]
    assert (broken.fate, broken.detections, broken.candidates) == ('failed', None, None)
    assert broken.reason


@pytest.mark.parametrize(('arguments', 'reason'), [
    (['missing.png'], 'missing.png'), (['empty'], 'empty'),
    (['pictures', '--model', 'text.onnx'], 'text.onnx'),
    (['pictures', '--out', 'a.txt'], 'accepted: a name that ends in .mcap'),
    (['pictures', '--out', 'text.onnx/a.mcap'], 'cannot be written: Not a directory'),
    (['pictures', '-p', "recorder_triggers:=['x']", '--classes', 'person'], "'person'"),
    (['--conf', '0.5'], 'score_threshold is given without a source'),
])
def test_what_cannot_be_used_is_named(fcos, pictures, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.onnx').write_text('text')
    result = fcos('record', *arguments)
    assert (result.code, reason in result.err) == (2, True), result.err
    assert not list(tmp_path.glob('*.mcap'))


def test_a_full_disk_is_named(fcos, pictures, tmp_path):
    with max_file_size(1000):
        result = fcos('record', pictures, '--out', tmp_path / 'a.mcap')
    assert (result.code, 'cannot be written: File too large' in result.err) == (2, True)


def test_an_interrupt_leaves_the_frames_so_far(fcos, pictures, tmp_path, interrupt_recording):
    interrupt_recording()
    result = fcos('record', pictures, '--out', tmp_path / 'a.mcap')
    assert (result.code, result.out.splitlines()[0]) == (130, 'frames: 2')
    assert len(frames_of(tmp_path / 'a.mcap')) == 2


def test_a_running_node_records_and_gets_its_parameter_back(fcos, tmp_path):
    folder = tmp_path / 'recordings'
    with Graph(recorder_folder=str(folder), recorder_free_space=0, report_period=0.2) as graph:
        graph.wait_until_connected()
        timer = graph.peer.create_timer(0.05, lambda: graph.camera.publish(
            image_message(render(0).image)))
        result = fcos('record', '--seconds', '3', '--json')
        graph.call(graph.peer.destroy_timer, timer)
        assert result.code == 0, result.err
        assert graph.node.get_parameter('recorder').value == 'never'
    answer = json.loads(result.out)
    assert answer['node'] == '/fcos'
    assert answer['results'] == str(find_recordings([folder])[0])
    frames = frames_of(Path(answer['results']))
    assert frames
    assert {frame.fate for frame in frames} <= {'published', 'superseded'}


def test_a_running_node_records_the_seconds_around_an_event(fcos, tmp_path):
    with Graph(recorder_folder=str(tmp_path), recorder_free_space=0, recorder='on_trigger',
               recorder_after=0.5) as graph:
        graph.wait_until_connected().detect(image_message(render(0).image))
        result = fcos('record', '--event', '--node', 'fcos')
        assert result.code == 0, result.err
        assert 'the last 10 s and the next 0.5 s are recorded' in result.out
    assert len(frames_of(find_recordings([tmp_path])[0])) == 1


def test_a_node_whose_recorder_is_off_says_so(fcos):
    with Graph():
        result = fcos('record', '--event')
    assert result.code == 1
    assert 'accepted: on_trigger or always' in result.out


def test_without_a_node_the_command_says_so(fcos):
    result = fcos('record', '--timeout', '0.5')
    assert result.code == 2
    assert 'no report of a detector on /diagnostics' in result.err
