# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
`fcos convert` takes the pictures for its calibration from folders, videos and bags.

Without the compiler, it leaves them in a folder. There, the images of a bag must be those of the
same pictures in a folder.
"""

import sys

import cv2
from deploy.compiler_models import write_compiler_model
import numpy as np
from offline.bags.bag_files import (
    PERIOD,
    START,
    STORE_1,
    chunk_positions,
    compressed,
    damage,
    image,
    text,
    write,
    write_mcap,
    write_ros1,
)
from offline.media import write_video
import pytest

COUNT = 30


def picture(number):
    """Return coarse noise of 160x120 pixels."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (160, 120))


PICTURES = [picture(number) for number in range(COUNT)]


@pytest.fixture
def calibrate(fcos, tmp_path, monkeypatch):
    """Return a function that prepares a job; it returns the result and the written files."""
    monkeypatch.setenv('FCOS_BPU_TOOLS', str(tmp_path))
    monkeypatch.setenv('PATH', '')
    model = write_compiler_model(tmp_path / 'toys.onnx')

    def run(source, *options):
        job = tmp_path / f'job_{len(list(tmp_path.glob("job_*")))}'
        result = fcos('convert', model, '--target', 'x5', '--calibration', source,
                      '--job-folder', job, *options)
        files = sorted((job / 'calibration_f32').glob('*')) if job.exists() else []
        return result, [file.read_bytes() for file in files]
    return run


@pytest.fixture
def folder(tmp_path):
    """Write the pictures as files."""
    path = tmp_path / 'pictures'
    path.mkdir()
    for number, pixels in enumerate(PICTURES):
        cv2.imwrite(str(path / f'{number:02}.png'), pixels)
    return path


def messages(pictures=PICTURES, topic='/camera/image_raw', **options):
    return [(topic, START + number * PERIOD, image(pixels, START + number * PERIOD, **options))
            for number, pixels in enumerate(pictures)]


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1', 'unindexed'])
def test_the_images_of_a_bag_are_those_of_the_pictures(calibrate, tmp_path, folder, kind):
    bag = tmp_path / ('drive.bag' if kind == 'ros1' else 'drive')
    if kind == 'ros1':
        write_ros1(bag, messages(store=STORE_1))
    elif kind == 'unindexed':
        bag = write_mcap(tmp_path / 'drive.mcap', messages(), use_chunking=False)
    else:
        others = [('/chatter', START, text('hello'))]
        write(bag, [*others, *messages()], kind)
    expected, files = calibrate(folder, '--images', '7')
    found, from_bag = calibrate(bag, '--images', '7')
    assert (expected.code, found.code) == (1, 1)
    assert len(files) == 7
    assert from_bag == files


def test_topics_are_chosen(calibrate, tmp_path, folder):
    bag = write(tmp_path / 'drive', [
        *messages(topic='/front/image_raw'),
        *messages([255 - pixels for pixels in PICTURES], topic='/rear/image_raw')])
    _, files = calibrate(folder, '--images', '30')
    _, all_topics = calibrate(bag, '--images', '60')
    assert len(all_topics) == 2 * COUNT
    assert calibrate(bag, '--images', '30', '--topics', '/front/image_raw')[1] == files
    result, _ = calibrate(bag, '--topics', '/left/image_raw')
    assert result.code == 2
    assert 'has no images on /left/image_raw; accepted: /front/image_raw' in result.err


def test_damaged_messages_and_parts_are_named(calibrate, tmp_path):
    files = [cv2.imencode('.jpg', pixels)[1].tobytes() for pixels in PICTURES]
    files[3] = files[3][:300]
    stamps = [START + number * PERIOD for number in range(COUNT)]
    rows = [('/camera/image_raw/compressed', stamp, compressed(file, stamp))
            for stamp, file in zip(stamps, files)]
    result, files = calibrate(write(tmp_path / 'drive', rows))
    assert len(files) == COUNT - 1
    assert 'pictures cannot be used: /camera/image_raw/compressed:3 (' in result.err

    path = write_mcap(tmp_path / 'damaged.mcap', messages())
    start, length = chunk_positions(path)[1]
    damage(path, start + length // 2)
    result, files = calibrate(path)
    assert 0 < len(files) < COUNT
    assert 'warning: ' in result.err
    assert 'damaged.mcap' in result.err


def test_a_video_is_read(calibrate, tmp_path):
    video = write_video(tmp_path / 'drive.avi', range(2, 14))
    result, files = calibrate(video, '--images', '5')
    assert result.code == 1, result.err
    assert len(files) == 5


def test_a_bag_without_images_is_refused(calibrate, tmp_path):
    result, files = calibrate(write(tmp_path / 'drive', [('/chatter', START, text('hello'))]))
    assert (result.code, files) == (2, [])
    assert 'has no images; accepted: sensor_msgs/msg/Image' in result.err


def test_without_the_library_the_message_names_the_command(calibrate, tmp_path, monkeypatch):
    bag = write(tmp_path / 'drive', messages(PICTURES[:1]))
    for name in ('rosbags', 'mcap'):
        monkeypatch.setitem(sys.modules, name, None)
    from fcos_ros.offline.bags import library
    library.rosbags.cache_clear()
    try:
        result, _ = calibrate(bag)
    finally:
        library.rosbags.cache_clear()
    assert result.code == 2
    assert 'pip install' in result.err
    assert 'rosbags' in result.err
