# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`fcos mine` writes the hard frames of bags as a dataset for the training."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys

import cv2
import numpy as np
from offline.bags.bag_files import PERIOD, START, compressed, image, text, write
from onnx_models import LABELS, write_fcos, write_relu
import pytest
from waiting import TIMEOUT

from fcos_ros.evaluation.datasets import check, errors, open_dataset

SIZE = 128
DOUBTFUL = 202
"""Brightness of a square whose score is just above the threshold."""


@pytest.fixture
def run(fcos, model):
    """Return a function that runs the verb."""
    def call(*arguments, model=model):
        return fcos('mine', *arguments, '--model', model)
    return call


def scene(brightness, background):
    """Return a picture with a square of one cell; 0 for none. Backgrounds are too dark."""
    rng = np.random.default_rng(background)
    pixels = np.kron(rng.integers(0, 100, (8, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    if brightness:
        pixels[24:32, 40:48] = brightness
    return pixels


def drive(rows, topic='/cam/image_raw'):
    """Return image messages for rows of brightness and background."""
    for number, (brightness, background) in enumerate(rows):
        time = START + number * PERIOD
        yield topic, time, image(scene(brightness, background), time - 5)
        yield '/chat', time, text('between')


def mined(out):
    """Return the images of a dataset by the number of the frame."""
    document = json.loads((out / 'annotations.json').read_text())
    return {int(entry['frame'].rpartition(':')[2]): entry for entry in document['images']}


def test_frames_with_low_confidence_are_found(run, tmp_path, out):
    rows = [(DOUBTFUL if number in {4, 9} else 255, number) for number in range(12)]
    result = run(write(tmp_path / 'in', drive(rows)), '--out', out)
    assert result.code == 0, result.err
    assert result.out.endswith(f'results: {out / "annotations.json"}\n')
    found = mined(out)
    assert set(found) == {4, 9}
    assert set(found[4]['reasons']) == {'low confidence'}
    assert found[4]['frame'] == '/cam/image_raw:4'
    assert found[4]['stamp'] == START + 4 * PERIOD - 5
    picture = cv2.imread(str(out / found[4]['file_name']))
    assert np.abs(picture.astype(int) - scene(DOUBTFUL, 4)).mean() < 4


def test_frames_in_which_a_track_is_missing_are_found(run, tmp_path, out):
    rows = [(0 if number == 5 else 255, number) for number in range(12)]
    assert run(write(tmp_path / 'in', drive(rows)), '--out', out).code == 0
    assert {number: entry['reasons'] for number, entry in mined(out).items()} == {
        5: {'flickering': 1.0}}


def test_frames_where_two_models_disagree_are_found(run, tmp_path, out):
    """The boxes of the other model are smaller, so they do not show the same objects."""
    other = write_fcos(tmp_path / 'other.onnx', half_box=2.0,
                       metadata={'labels': json.dumps(LABELS)})
    rows = [(255 if number in {3, 4, 5} else 0, number) for number in range(9)]
    bag = write(tmp_path / 'in', drive(rows))
    assert run(bag, '--out', out).out.endswith('results: none, as no frame is hard\n')
    assert run(bag, '--out', out, '--second', other).code == 0
    assert {number: entry['reasons'] for number, entry in mined(out).items()} == {
        number: {'disagreement': 2.0} for number in (3, 4, 5)}


def test_the_frames_are_spread_over_the_time(run, tmp_path, out):
    rows = [(DOUBTFUL, number) for number in range(20)]
    assert run(write(tmp_path / 'in', drive(rows)), '--out', out, '--count', '4').code == 0
    assert [number // 5 for number in mined(out)] == [0, 1, 2, 3]


def test_duplicates_are_left_out_also_between_bags(run, tmp_path, out):
    first = write(tmp_path / 'first', drive([(DOUBTFUL, number // 5) for number in range(20)]))
    second = write(tmp_path / 'second', drive([(DOUBTFUL, 2), (DOUBTFUL, 77)]))
    result = run(first, second, '--out', out)
    assert result.code == 0, result.err
    document = json.loads((out / 'annotations.json').read_text())
    assert [entry['file_name'].split('/')[1] for entry in document['images']] == [
        *['first'] * 4, 'second']
    assert 'images: 5, left out as duplicates of other bags: 1' in result.out


def test_the_dataset_is_ready_for_the_training(run, tmp_path, out):
    rows = [(DOUBTFUL, number) for number in range(6)]
    run(write(tmp_path / 'in', drive(rows)), '--out', out)
    dataset = open_dataset(out)
    assert errors(check(dataset)) == []
    assert dataset.class_names == LABELS
    assert len(dataset.images) == 6
    for labelled in dataset.images:
        np.testing.assert_allclose(labelled.boxes, [[36, 20, 52, 36]], atol=0.1)
        assert labelled.class_ids.tolist() == [0]


def test_compressed_images_keep_their_bytes(run, tmp_path, out):
    files = [cv2.imencode('.jpg', scene(brightness, number))[1].tobytes()
             for number, brightness in enumerate([255, 255, 0, 255, 255])]
    rows = [('/image/compressed', START + number * PERIOD, compressed(data, START))
            for number, data in enumerate(files)]
    run(write(tmp_path / 'in', rows), '--out', out)
    assert (out / mined(out)[2]['file_name']).read_bytes() == files[2]


def test_each_interval_has_a_frame_on_demand(run, tmp_path, out):
    rows = [(255, number) for number in range(20)]
    assert run(write(tmp_path / 'in', drive(rows)), '--out', out, '--even', '--count', '4',
               ).code == 0
    assert len(mined(out)) == 4


def test_json_has_the_counts(run, tmp_path, out):
    rows = [(DOUBTFUL if number == 4 else 255, number) for number in range(8)]
    found = json.loads(run(write(tmp_path / 'in', drive(rows)), '--out', out, '--json').out)
    assert (found['images'], found['reasons']) == (1, {'low confidence': 1})
    assert (found['inputs'][0]['frames'], found['inputs'][0]['chosen']) == (8, 1)


# Faults

def test_labels_are_not_overwritten(run, tmp_path, out):
    bag = write(tmp_path / 'in', drive([(DOUBTFUL, 1), (DOUBTFUL, 2)]))
    assert run(bag, '--out', out).code == 0
    (out / 'annotations.json').write_text('my labels')
    result = run(bag, '--out', out)
    assert result.code == 2
    assert 'annotations.json exists and may have your labels' in result.err
    assert (out / 'annotations.json').read_text() == 'my labels'
    assert run(bag, '--out', out, '--overwrite').code == 0


def test_a_broken_picture_and_a_broken_bag_fail_alone(run, tmp_path, out):
    jpeg = cv2.imencode('.jpg', scene(DOUBTFUL, 1))[1].tobytes()
    rows = [('/image/compressed', START + number * PERIOD, compressed(data, START))
            for number, data in enumerate([jpeg, jpeg[:len(jpeg) // 2], jpeg])]
    (tmp_path / 'broken.mcap').write_bytes(b'noise')
    result = run(tmp_path / 'broken.mcap', write(tmp_path / 'in', rows), '--out', out)
    assert result.code == 1
    assert 'frame failed: /image/compressed:1: ' in result.err
    assert 'broken.mcap failed: ' in result.err
    assert 1 not in mined(out)


@pytest.mark.parametrize(('name', 'complaint'), [
    ('absent', 'absent does not exist'), ('empty', 'empty is a folder without a bag')])
def test_what_is_no_bag_is_refused(run, tmp_path, out, name, complaint):
    (tmp_path / 'empty').mkdir()
    result = run(tmp_path / name, '--out', out)
    assert result.code == 2
    assert complaint in result.err
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_reported(run, tmp_path):
    bag = write(tmp_path / 'in', drive([(DOUBTFUL, 1), (DOUBTFUL, 2)]))
    (tmp_path / 'file').touch()
    for folder in (tmp_path / 'file', '/proc'):
        result = run(bag, '--out', f'{folder}/deeper')
        assert result.code == 2
        assert 'cannot be written: ' in result.err


def test_a_model_that_is_no_fcos_network_is_refused(run, tmp_path, out):
    bag = write(tmp_path / 'in', drive([(255, 1)]))
    result = run(bag, '--out', out, '--second', write_relu(tmp_path / 'relu.onnx'))
    assert (result.code, result.out, out.exists()) == (2, '', False)
    assert 'relu.onnx' in result.err


def test_a_full_disk_is_reported_and_no_incomplete_file_stays(model, tmp_path, out):
    bag = write(tmp_path / 'in', drive([(DOUBTFUL, number) for number in range(30)]))
    process = subprocess.run(
        [sys.executable, '-m', 'fcos_ros.cli', 'mine', bag, '--out', out, '--model', model],
        capture_output=True, text=True, timeout=TIMEOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)))
    assert process.returncode == 2, process.stderr
    assert 'cannot be written' in process.stderr
    assert 'Traceback' not in process.stderr
    files = [path for path in out.rglob('*') if path.is_file()]
    assert {path.suffix for path in files} <= {'.jpg'}
    assert all(cv2.imread(str(path)) is not None for path in files)


def test_after_an_interrupt_the_finished_bags_are_a_dataset(model, tmp_path, out):
    short = write(tmp_path / 'short', drive([(DOUBTFUL, 1), (DOUBTFUL, 2)]))
    long = write(tmp_path / 'long', drive([(DOUBTFUL, number) for number in range(1500)]))
    process = subprocess.Popen(
        [sys.executable, '-m', 'fcos_ros.cli', 'mine', short, long, '--out', out, '--model',
         model], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while 'long' not in process.stderr.readline():  # the second bag has begun
        pass
    process.send_signal(signal.SIGINT)
    output, errors_ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert errors_.endswith('Interrupted.\n')
    assert output.endswith(f'results: {out / "annotations.json"}\n')
    assert {entry['file_name'].split('/')[1] for entry in mined(out).values()} == {'short'}
