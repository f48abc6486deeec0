# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration pictures are what the network sees on the board, and bad sets are recognised."""

import cv2
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.preprocess import InputSpec
from fcos_ros.core.resize import Size
from fcos_ros.deploy.calibration import (
    CalibrationError,
    Picture,
    spread,
    write_calibration_set,
)

SPEC = InputSpec('image', Size(64, 32), 'nv12')


def noise(count, first=0):
    for seed in range(first, first + count):
        image = np.random.default_rng(seed).integers(0, 256, (32, 64, 3), np.uint8)
        yield Picture(f'{seed}.png', Frame.from_bgr(image))


def flat(name, colour):
    return Picture(name, Frame.from_bgr(np.full((32, 64, 3), colour, np.uint8)))


@pytest.mark.parametrize(('pixels', 'channels'), [
    ('rgb', (200, 100, 50)), ('bgr', (50, 100, 200))])
def test_values_are_raw_float32_planes_in_the_order_of_the_network(tmp_path, pixels, channels):
    written = write_calibration_set([flat('a', (50, 100, 200))], SPEC, pixels, tmp_path)
    file, = written.folder.iterdir()
    assert written.folder.name.endswith('_f32')
    values = np.fromfile(file, '<f4').reshape(3, 32, 64)
    # NV12 rounds each colour to whole numbers of Y, U and V.
    np.testing.assert_allclose(values, np.array(channels).reshape(3, 1, 1) + 0 * values, atol=3)


def test_the_canvas_around_a_picture_is_black(tmp_path):
    tall = Picture('tall', Frame.from_bgr(np.full((64, 32, 3), 255, np.uint8)))
    file, = write_calibration_set([tall], SPEC, 'rgb', tmp_path).folder.iterdir()
    values = np.fromfile(file, '<f4').reshape(3, 32, 64)
    np.testing.assert_allclose(values[:, :, :14], 255, atol=3)
    np.testing.assert_allclose(values[:, :, 18:], 0, atol=3)


def test_a_good_set_has_no_findings_and_a_digest_of_its_values(tmp_path):
    sets = []
    for name, first in (('a', 0), ('b', 0), ('c', 1)):
        (tmp_path / name).mkdir()
        sets.append(write_calibration_set(noise(20, first), SPEC, 'rgb', tmp_path / name))
    assert [found.findings for found in sets] == [()] * 3
    assert sets[0].sources == tuple(f'{number}.png' for number in range(20))
    assert sets[0].digest == sets[1].digest != sets[2].digest


def test_few_flat_and_equal_pictures_are_findings(tmp_path):
    pictures = [*noise(2), *noise(1), flat('dark.png', 3)]
    findings = write_calibration_set(pictures, SPEC, 'rgb', tmp_path).findings
    assert findings == (
        'there are 4 pictures for the calibration; at least 20 are advised',
        'pictures show next to nothing: dark.png', 'pictures are the same: 0.png and 0.png')


def test_no_picture_is_an_error(tmp_path):
    with pytest.raises(CalibrationError, match='there are no pictures to calibrate with'):
        write_calibration_set([], SPEC, 'rgb', tmp_path)


def damaged_picture(name='broken.png'):
    _, file = cv2.imencode('.png', np.zeros((32, 64, 3), np.uint8))
    return Picture(name, Frame.compressed(file[:len(file) // 2]))


def test_damaged_pictures_are_left_out_and_named(tmp_path):
    unreadable = Picture('gone.png', FrameError('the file cannot be read', 'data'))
    written = write_calibration_set(
        [*noise(1), damaged_picture(), unreadable, *noise(1, 1)], SPEC, 'rgb', tmp_path)
    assert written.sources == ('0.png', '1.png')
    assert sorted(file.name for file in written.folder.iterdir()) == ['0000.bin', '0001.bin']
    assert written.findings[0].startswith('pictures cannot be used: broken.png (')
    assert written.findings[0].endswith('gone.png (the file cannot be read)')


def test_damaged_pictures_alone_are_an_error(tmp_path):
    pictures = [damaged_picture(f'{number}.png') for number in range(5)]
    with pytest.raises(CalibrationError, match=r'no pictures .*: 0\.png \(.* and 2 more'):
        write_calibration_set(pictures, SPEC, 'rgb', tmp_path)


@pytest.mark.parametrize(('count', 'wanted', 'indices'), [
    (10, 3, [0, 4, 9]), (3, 10, [0, 1, 2]), (5, 1, [0]), (0, 4, [])])
def test_indices_are_spread_evenly(count, wanted, indices):
    assert spread(count, wanted) == indices
