# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos detect` writes the detections of every frame of pictures, videos and streams."""

from __future__ import annotations

from contextlib import closing
import json
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
from typing import ClassVar

import cv2
import numpy as np
from offline.media import SIZE, mjpeg_server, write_pictures, write_video
from onnx_models import LABELS, write_fcos, write_relu
import pytest
from waiting import TIMEOUT, wait_until

from fcos_ros.core.labels import COCO
from fcos_ros.evaluation.datasets import open_dataset
from fcos_ros.offline import inputs, window
from fcos_ros.offline.pictures import read_picture
from fcos_ros.runtime.detector import Detector

COLUMNS = [1, 3, 5, 7, 9, 11]


@pytest.fixture
def detect(fcos, model, tmp_path, monkeypatch):
    """Return a function that runs the verb with the results in the folder `out`."""
    monkeypatch.setenv('OPENCV_LOG_LEVEL', 'SILENT')
    monkeypatch.setenv('OPENCV_FFMPEG_LOGLEVEL', '-8')

    def run(*arguments, model=model):
        return fcos('detect', '--model', model, '--out', tmp_path / 'out', *arguments)
    return run


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def boxes_of(lines: list[dict]) -> list[list[list[float]]]:
    return [[found['box'] for found in line['detections']] for line in lines]


def expected_boxes(columns) -> list[list[list[float]]]:
    """Return the box of the square in each frame; cells have 8 pixels, boxes 16."""
    return [[[8 * column - 4.0, 20.0, 8 * column + 12.0, 36.0]] for column in columns]


# Sources

def test_a_picture_has_the_detections_of_the_detector_in_python(detect, model, tmp_path, out):
    picture, = write_pictures(tmp_path / 'in', [5], '.jpg')
    result = detect(picture)
    assert result.code == 0, result.err
    assert result.out.endswith(f'results: {out}\n')
    line, = lines_of(out / 'frames' / '1.jsonl')
    with closing(Detector.load(model)) as detector:
        found = detector.detect(read_picture(picture)).detections
    assert (line['frame'], line['width'], line['height']) == ('1.jpg', SIZE, SIZE)
    assert [entry['class'] for entry in line['detections']] == ['cube']
    np.testing.assert_array_equal(
        np.float32([entry['box'] for entry in line['detections']]), found.boxes)
    np.testing.assert_array_equal(
        np.float32([entry['score'] for entry in line['detections']]), found.scores)


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.tif', '.webp'])
def test_a_folder_is_read_in_the_order_in_which_people_count(detect, tmp_path, out, suffix):
    columns = [*COLUMNS, *COLUMNS]
    write_pictures(tmp_path / 'in', columns, suffix)
    assert detect(tmp_path / 'in').code == 0
    lines = lines_of(out / 'frames' / '1.jsonl')
    assert [line['frame'] for line in lines] == [f'{n}{suffix}' for n in range(1, 13)]
    np.testing.assert_allclose(boxes_of(lines), expected_boxes(columns), atol=0.5)
    assert cv2.imread(str(out / 'pictures' / f'12{suffix}')).shape == (SIZE, SIZE, 3)


def test_a_pattern_and_single_files_of_several_folders_keep_their_folders(detect, tmp_path, out):
    write_pictures(tmp_path / 'a', [1, 2])
    write_pictures(tmp_path / 'b', [3, 4, 5])
    assert detect(tmp_path / 'a' / '*.png', tmp_path / 'b' / '2.png', '--save-txt').code == 0
    names = [str(path.relative_to(out / 'pictures')) for path in (out / 'pictures').rglob('*.png')]
    assert sorted(names) == ['a/1.png', 'a/2.png', 'b/2.png']
    assert (out / 'labels' / 'b' / '2.txt').exists()


def test_a_video_becomes_an_annotated_video_with_the_same_frames(detect, tmp_path, out):
    video = write_video(tmp_path / 'drive.mp4', COLUMNS * 4)
    assert detect(video).code == 0
    lines = lines_of(out / 'frames' / 'drive.jsonl')
    np.testing.assert_allclose(boxes_of(lines), expected_boxes(COLUMNS * 4), atol=1)
    assert [line['stamp'] for line in lines] == [number * 10**8 for number in range(24)]
    annotated = cv2.VideoCapture(str(out / 'videos' / 'drive.mp4'))
    assert annotated.get(cv2.CAP_PROP_FPS) == 10
    frames = [annotated.read()[1] for _ in range(24)]
    assert not annotated.read()[0]
    edge = frames[0][20, 8:16].astype(int)
    assert np.ptp(edge, axis=1).max() > 60, 'the box has a colour, the video had none'


@pytest.mark.parametrize(('arguments', 'numbers'), [
    (['--stride', 4], [0, 4, 8, 12, 16, 20]), (['--stride', 5, '--frames', 3], [0, 5, 10]),
    (['--frames', 2], [0, 1])])
def test_some_frames_of_a_video_are_used(detect, tmp_path, out, arguments, numbers):
    detect(write_video(tmp_path / 'drive.mp4', COLUMNS * 4), *arguments)
    lines = lines_of(out / 'frames' / 'drive.jsonl')
    assert [line['frame'] for line in lines] == [f'drive.mp4:{number}' for number in numbers]
    columns = [(COLUMNS * 4)[number] for number in numbers]
    np.testing.assert_allclose(boxes_of(lines), expected_boxes(columns), atol=1)


def test_every_nth_picture_of_a_folder_is_used(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', COLUMNS)
    detect(tmp_path / 'in', '--stride', 3)
    assert [line['frame'] for line in lines_of(out / 'frames' / '1.jsonl')] == ['1.png', '4.png']


def test_a_stream_of_the_network_is_read_until_it_ends(detect, out):
    with mjpeg_server(COLUMNS) as address:
        assert detect(address, '--json').code == 0
    path, = (out / 'frames').iterdir()
    lines = lines_of(path)
    # FFmpeg looks at the first frames to find the format; some versions lose one of them.
    assert len(lines) >= len(COLUMNS) - 1
    np.testing.assert_allclose(boxes_of(lines), expected_boxes(COLUMNS[-len(lines):]), atol=1)
    stamps = [line['stamp'] for line in lines]
    assert stamps == sorted(stamps)
    assert stamps[0] > 10**18, 'frames of a live source have the time of their arrival'


def test_an_endless_stream_ends_after_the_given_number_of_frames(detect, out):
    with mjpeg_server() as address:
        assert detect(address, '--frames', 7).code == 0
    path, = (out / 'frames').iterdir()
    assert len(lines_of(path)) == 7


class FakeCamera:
    """A camera of this machine with four frames."""

    opened: ClassVar[list[object]] = []

    def __init__(self, target):
        self.opened.append(target)
        self._left = 4

    def isOpened(self):  # noqa: N802 - as in OpenCV
        return True

    def get(self, key):
        return {cv2.CAP_PROP_FPS: 25.0}.get(key, -1.0)

    def grab(self):
        self._left -= 1
        return self._left >= 0

    def retrieve(self):
        return True, np.zeros((SIZE, SIZE, 3), np.uint8)

    def release(self):
        pass


def test_a_camera_of_this_machine_is_opened_by_its_number(detect, out, monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, 'VideoCapture', FakeCamera)
    assert detect('/dev/video7', '--no-pictures').code == 0
    assert FakeCamera.opened == [7]
    assert boxes_of(lines_of(out / 'frames' / 'dev_video7.jsonl')) == [[]] * 4


# Parameters

def test_the_options_are_parameters_of_the_node(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', COLUMNS)
    file = tmp_path / 'my.yaml'
    file.write_text("/**:\n  ros__parameters:\n    exclude_zones: ['0 0, 0.3 0, 0.3 1, 0 1']\n"
                    '    track: true\n    score_threshold: 0.9\n')
    assert detect(tmp_path / 'in', '--params', file, '--conf', 0.3).code == 0
    counts = [len(boxes) for boxes in boxes_of(lines_of(out / 'frames' / '1.jsonl'))]
    assert counts == [0, 0, 1, 1, 1, 1]
    assert detect(tmp_path / 'in', '--classes', 'ball,cone').code == 0
    assert boxes_of(lines_of(out / 'frames' / '1.jsonl')) == [[]] * 6
    assert detect(tmp_path / 'in', '-p', 'min_size:=17').code == 0
    assert boxes_of(lines_of(out / 'frames' / '1.jsonl')) == [[]] * 6


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (['--conf', '2'], '--conf: is 2.0; accepted: 0.0 to 1.0'),
    (['--iou', 'x'], "--iou: is 'x'; accepted: a number"),
    (['--classes', 'dog'], "unknown class 'dog'"), (['-p', 'trak:=1'], 'did you mean track?'),
    (['--stride', '0'], 'a whole number from 1'), (['--params', 'none.yaml'], 'is no file')])
def test_a_wrong_option_is_refused_with_the_accepted_values(
        detect, tmp_path, arguments, complaint):
    write_pictures(tmp_path / 'in', [1])
    result = detect(tmp_path / 'in', *arguments)
    assert result.code == 2
    assert complaint in result.err


def test_the_results_do_not_depend_on_the_number_of_workers(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', COLUMNS * 6)
    texts = []
    for workers in (1, 4):
        assert detect(tmp_path / 'in', '--workers', workers, '-p', 'track:=true').code == 0
        texts.append((out / 'frames' / '1.jsonl').read_text())
    assert texts[0] == texts[1]


def test_a_large_folder_is_divided_unless_objects_are_tracked(detect, tmp_path, out, monkeypatch):
    monkeypatch.setattr(inputs, 'PICTURES_A_SOURCE', 4)
    write_pictures(tmp_path / 'in', COLUMNS)
    rows = json.loads(detect(tmp_path / 'in', '--json').out)['inputs']
    assert [row['frames'] for row in rows] == [4, 2]
    rows = json.loads(detect(tmp_path / 'in', '--json', '-p', 'track:=true').out)['inputs']
    assert [row['frames'] for row in rows] == [6]


# Results

def test_coco_results_refer_to_the_listed_images_and_categories(detect, tmp_path, out):
    write_pictures(tmp_path / 'a', [1, -1, 3])
    write_video(tmp_path / 'b.mp4', [5, 7])
    assert detect(tmp_path / 'a', tmp_path / 'b.mp4', '--save-json').code == 1
    found = json.loads((out / 'detections.json').read_text())
    data = json.loads((out / 'images.json').read_text())
    assert data['categories'] == [{'id': n, 'name': name} for n, name in enumerate(LABELS, 1)]
    names = {image['id']: image['file_name'] for image in data['images']}
    assert list(names.values()) == ['a/1.png', 'a/3.png', 'b.mp4:0', 'b.mp4:1']
    assert [names[entry['image_id']] for entry in found] == list(names.values())
    assert {entry['category_id'] for entry in found} == {1}
    np.testing.assert_allclose(found[1]['bbox'], [20, 20, 16, 16], atol=0.5)
    assert [entry['file_name'] for entry in data['failed']] == ['a/2.png']


def test_images_whose_names_are_numbers_have_these_ids(detect, tmp_path, out):
    paths = write_pictures(tmp_path / 'in', [1, 2, 3])
    paths[1].rename(tmp_path / 'in' / '000000000139.png')
    detect(tmp_path / 'in', '--save-json')
    data = json.loads((out / 'images.json').read_text())
    assert [image['id'] for image in data['images']] == [1, 3, 139]


def test_the_classes_of_coco_have_its_category_ids(detect, tmp_path, out):
    model = write_fcos(tmp_path / 'coco.onnx', classes=80)
    write_pictures(tmp_path / 'in', [1])
    detect(tmp_path / 'in', '--save-json', model=model)
    categories = json.loads((out / 'images.json').read_text())['categories']
    assert [entry['name'] for entry in categories] == list(COCO.names)
    assert [entry['id'] for entry in categories][-1] == 90
    assert {entry['id'] for entry in categories if entry['name'] == 'stop sign'} == {13}


def test_yolo_labels_can_be_used_as_a_dataset(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', [1, 3, -1, 5])
    assert detect(tmp_path / 'in', '--save-txt').code == 1
    assert not (out / 'labels' / '3.txt').exists(), 'a failed frame does not look empty'
    (out / 'pictures').rename(out / 'images')
    (out / 'data.yaml').write_text(f'path: {out}\ntrain: images\nval: images\n'
                                   'names: [cube, ball, cone]\n')
    images = {image.path.name: image for image in open_dataset(out).images}
    for name, column in (('1.png', 1), ('2.png', 3), ('4.png', 5)):
        np.testing.assert_allclose(images[name].truth().boxes, expected_boxes([column])[0],
                                   atol=0.5)


def test_yolo_labels_may_have_scores(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', [1])
    detect(tmp_path / 'in', '--save-txt', '--save-conf')
    values = [float(word) for word in (out / 'labels' / '1.txt').read_text().split()]
    assert values[:5] == pytest.approx([0, 12 / 128, 28 / 128, 16 / 128, 16 / 128], abs=0.005)
    assert 0.5 < values[5] <= 1


def test_the_objects_are_cut_out(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', [5])
    write_video(tmp_path / 'drive.mp4', [5])
    detect(tmp_path / 'in', tmp_path / 'drive.mp4', '--save-crops')
    crop = cv2.imread(str(out / 'crops' / 'cube' / 'in' / '1_0.jpg'))
    assert crop.shape[:2] in {(16, 16), (17, 17)}
    assert crop[8, 8].min() > 200 > 60 > crop[1, 1].max()
    assert (out / 'crops' / 'cube' / 'drive_0_0.jpg').exists()


def test_json_has_the_counts_and_the_folder(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', [1, -1, 3])
    result = detect(tmp_path / 'in', '--json', '--no-pictures')
    found = json.loads(result.out)
    row, = found['inputs']
    assert (row['frames'], row['failed'], row['detections']) == (3, 1, 2)
    assert row['classes'] == {'cube': 2}
    assert row['errors'][0].startswith('2.png: ')
    assert found['results'] == str(out)
    assert not (out / 'pictures').exists()


def test_class_names_that_are_not_ascii_are_drawn(detect, tmp_path, out):
    names = ('кот', '???')
    for folder, name in zip('ab', names):
        model = write_fcos(tmp_path / f'{folder}.onnx', half_box=8.0,
                           metadata={'labels': json.dumps([name, 'b', 'c'])})
        write_pictures(tmp_path / folder, [5])
        result = detect(tmp_path / folder, '--out', out / folder, model=model)
        assert 'question marks' not in result.err, 'install fonts-freefont-ttf'
    drawn = [cv2.imread(str(out / folder / 'pictures' / '1.png')) for folder in 'ab']
    assert (drawn[0] != drawn[1]).any()


# Faults

def test_a_missing_file_is_refused_before_anything_is_written(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', [1])
    result = detect(tmp_path / 'in', tmp_path / 'none.jpg')
    assert (result.code, result.out) == (2, '')
    assert 'none.jpg does not exist; accepted: ' in result.err
    assert not out.exists()


@pytest.mark.parametrize('name', ['empty', 'empty/*.jpg'])
def test_an_empty_folder_is_refused(detect, tmp_path, name):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty' / 'notes.txt').write_text('')
    result = detect(tmp_path / name)
    assert result.code == 2
    assert 'accepted: ' in result.err


@pytest.mark.parametrize('content', [b'', b'no picture', b'\xff\xd8\xff'])
def test_a_broken_picture_in_the_middle_fails_alone(detect, tmp_path, out, content):
    paths = write_pictures(tmp_path / 'in', COLUMNS)
    paths[2].write_bytes(content)
    result = detect(tmp_path / 'in')
    assert result.code == 1
    assert 'frame failed: 3.png: ' in result.err
    lines = lines_of(out / 'frames' / '1.jsonl')
    assert 'detections' not in lines[2]
    assert lines[2]['error']
    del lines[2]
    columns = COLUMNS[:2] + COLUMNS[3:]
    np.testing.assert_allclose(boxes_of(lines), expected_boxes(columns), atol=0.5)
    assert not (out / 'pictures' / '3.png').exists()


def test_a_truncated_video_is_read_as_far_as_it_goes_and_reported(detect, tmp_path, out):
    video = write_video(tmp_path / 'drive.avi', COLUMNS * 10, codec='MJPG')
    content = video.read_bytes()
    video.write_bytes(content[:len(content) // 2])
    result = detect(video)
    assert result.code == 1
    lines = lines_of(out / 'frames' / 'drive.jsonl')
    assert 10 < len(lines) < 59
    assert 'ends after' in lines[-1]['error']
    assert 'of 60 frames' in result.err
    columns = (COLUMNS * 10)[:len(lines) - 1]
    np.testing.assert_allclose(boxes_of(lines[:-1]), expected_boxes(columns), atol=1)


def test_a_file_that_is_no_video_fails_alone(detect, tmp_path):
    (tmp_path / 'notes.mp4').write_bytes(b'no video')
    write_pictures(tmp_path, [1])
    result = detect(tmp_path / 'notes.mp4', tmp_path / '1.png')
    assert result.code == 1
    assert 'notes.mp4 cannot be opened; accepted: ' in result.err
    assert detect(tmp_path / 'notes.mp4').code == 2


@pytest.mark.parametrize('address', ['/dev/video99', 'rtsp://127.0.0.1:1/stream'])
def test_a_camera_that_cannot_be_opened_is_reported(detect, address):
    result = detect(address)
    assert result.code == 2
    assert f'{address} cannot be opened; accepted: ' in result.err


def test_a_bag_is_left_to_the_verb_for_bags(detect, tmp_path):
    (tmp_path / 'drive.mcap').write_bytes(b'')
    assert 'run: fcos bag' in detect(tmp_path / 'drive.mcap').err


def test_files_whose_results_would_have_the_same_names_are_refused(detect, tmp_path):
    write_pictures(tmp_path / 'in', [1], '.png')
    write_pictures(tmp_path / 'in', [1], '.jpg')
    result = detect(tmp_path / 'in')
    assert result.code == 2
    assert '1.jpg and 1.png differ in their suffixes only' in result.err


def test_a_folder_that_cannot_be_written_is_reported(detect, tmp_path, out):
    write_pictures(tmp_path / 'in', [1])
    out.write_text('a file, and no folder')
    result = detect(tmp_path / 'in')
    assert result.code == 2
    assert 'cannot be written: Not a directory' in result.err


@pytest.mark.parametrize(('kind', 'arguments'), [
    ('pictures', ['--no-pictures']), ('video', ['--save-json'])])
def test_a_full_disk_is_reported_and_no_incomplete_file_stays(
        model, tmp_path, out, arguments, kind):
    source = tmp_path / 'in'
    if kind == 'video':
        source = write_video(tmp_path / 'drive.avi', COLUMNS * 30, codec='MJPG')
    else:
        write_pictures(source, COLUMNS * 30)
    process = subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'detect', source, '--model', model, '--out', out,
         *arguments], capture_output=True, text=True, timeout=TIMEOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)))
    assert process.returncode == 2, process.stderr
    assert 'cannot be written' in process.stderr
    assert 'Traceback' not in process.stderr
    files = [path for path in out.rglob('*') if path.is_file()]
    assert [path for path in files if path.suffix not in {'.png'}] == []
    assert all(cv2.imread(str(path)) is not None for path in files)


def test_a_model_that_is_no_fcos_network_is_refused(detect, tmp_path):
    write_pictures(tmp_path / 'in', [1])
    result = detect(tmp_path / 'in', model=write_relu(tmp_path / 'relu.onnx'))
    assert (result.code, result.out) == (2, '')
    assert 'relu.onnx' in result.err


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_valid_results_of_the_frames_so_far(model, out, number):
    with mjpeg_server() as address:
        process = subprocess.Popen(
            [sys.executable, '-m', 'fcos_ros.cli', 'detect', address, '--model', model, '--out',
             out, '--save-txt', '--save-json'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, 'OPENCV_LOG_LEVEL': 'SILENT'})
        wait_until(lambda: len(list(out.glob('labels/*_1?.txt'))) >= 5)
        process.send_signal(number)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert errors.endswith('Interrupted.\n')
    assert output.endswith(f'results: {out}\n')
    path, = (out / 'frames').iterdir()
    count = len(lines_of(path))
    assert count >= 10
    video, = (out / 'videos').iterdir()
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == count
    assert len(json.loads((out / 'images.json').read_text())['images']) == count


# The window

def test_without_windows_the_option_show_is_refused(detect, tmp_path):
    write_pictures(tmp_path / 'in', [1])
    result = detect(tmp_path / 'in', '--show')
    assert result.code == 2
    assert '--show is not possible' in result.err


def test_the_letter_q_ends_the_run_and_keeps_the_results(detect, tmp_path, out, monkeypatch):
    shown = []
    monkeypatch.setattr(window.cv2, 'imshow', lambda _, bgr: shown.append(bgr), raising=False)
    monkeypatch.setattr(window.cv2, 'waitKey', lambda _: ord('q') if len(shown) == 3 else -1,
                        raising=False)
    write_pictures(tmp_path / 'in', COLUMNS)
    assert detect(tmp_path / 'in', '--show', '--no-pictures').code == 0
    assert len(shown) == len(lines_of(out / 'frames' / '1.jsonl')) == 3
    assert shown[0].shape == (SIZE, SIZE, 3)
