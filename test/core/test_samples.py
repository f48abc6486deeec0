# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The samples of a camera are read as its user states, or as its images show."""

from __future__ import annotations

from dataclasses import replace

from core.camera_formats import encode, join
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.core.samples import MAX_MEASUREMENTS, SampleProperties, WindowMaximum
from fcos_ros.core.yuv_range import AUTO

SIZE = Size(64, 48)
LEVELS = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
SCENE = np.stack([LEVELS] * 3, -1)
DARK = SCENE // 16


def frame_of(bgr, encoding='mono16', **options):
    return Frame.wrap(join(encoding, encode(bgr, encoding, **options)), SIZE, encoding)


def receive(properties, frame, bit_depth=0, yuv_range=AUTO):
    """Return the pixels of a frame after it has passed through the node."""
    completed = properties.complete(frame, bit_depth, yuv_range)
    properties.learn(completed.measure()[1])
    return completed.bgr()


@pytest.mark.parametrize('bit_depth', [10, 12, 14, 16])
@pytest.mark.parametrize('stated', [True, False], ids=['stated', 'measured'])
def test_images_of_any_bit_depth_have_their_full_contrast(bit_depth, stated):
    properties = SampleProperties()
    for image in (SCENE, DARK, SCENE):
        pixels = receive(properties, frame_of(image, bit_depth=bit_depth),
                         bit_depth if stated else 0)
        np.testing.assert_allclose(pixels, image, atol=1)
    assert properties.describe() == {'measured bit_depth': f'{bit_depth}'}


def test_one_wrong_image_does_not_darken_all_later_ones():
    properties = SampleProperties()
    receive(properties, frame_of(SCENE, bit_depth=16))
    for _ in range(MAX_MEASUREMENTS):
        receive(properties, frame_of(SCENE, bit_depth=10))
    assert properties.describe() == {'measured bit_depth': '10'}
    pixels = receive(properties, frame_of(SCENE, bit_depth=10))
    np.testing.assert_allclose(pixels, SCENE, atol=1)


@pytest.mark.parametrize('encoding', ['nv12', 'yuyv', 'i420', 'nv24'])
@pytest.mark.parametrize('yuv_range', ['full', 'limited'])
@pytest.mark.parametrize('stated', [True, False], ids=['stated', 'measured'])
def test_yuv_of_any_range_has_its_colours(encoding, yuv_range, stated):
    properties = SampleProperties()
    for image in (SCENE, DARK + 60, SCENE):
        pixels = receive(properties, frame_of(image, encoding, yuv_range=yuv_range),
                         yuv_range=yuv_range if stated else AUTO)
        np.testing.assert_allclose(pixels, image, atol=4)
    assert properties.describe() == ({} if stated else {'measured nv12_range': yuv_range})


@pytest.mark.parametrize('full_images', [1, 2])
def test_full_range_is_settled_by_two_images(full_images):
    """A dull scene has no samples by which the ranges differ."""
    properties = SampleProperties()
    dull = DARK + 60
    for image in [SCENE] * full_images + [dull] * MAX_MEASUREMENTS:
        receive(properties, frame_of(image, 'nv12', yuv_range='full'))
    changes = [properties.learn(frame.measure()[1]) for frame in (
        properties.complete(frame_of(dull, 'nv12', yuv_range='full'), 0, AUTO),)]
    settled = full_images > 1
    assert changes == [False]
    assert properties.describe() == {'measured nv12_range': 'full' if settled else 'limited'}
    pixels = receive(properties, frame_of(dull, 'nv12', yuv_range='full'))
    assert (np.abs(pixels.astype(int) - dull).max() <= 4) == settled


def test_a_change_of_what_is_measured_is_reported_once():
    properties = SampleProperties()
    dark, bright = (frame_of(SCENE, bit_depth=bit_depth).measure()[1] for bit_depth in (10, 12))
    assert [properties.learn(image) for image in (dark, dark, bright, dark, bright)] == [
        True, False, True, False, False]


def test_nothing_is_measured_in_images_of_8_bits():
    properties = SampleProperties()
    assert not properties.learn(frame_of(SCENE, 'bgr8').measure()[1])
    assert properties.describe() == {}


def test_images_in_a_longer_buffer_are_counted():
    properties, frame = SampleProperties(), frame_of(SCENE, 'nv12')
    for extra in (0, 30, 30):
        properties.complete(replace(frame, trailing_bytes=extra), 0, AUTO)
    assert properties.describe() == {'images with bytes after them': '2'}


@given(st.lists(st.integers(-3, 3)), st.integers(1, 5))
def test_the_maximum_of_a_window_is_that_of_its_last_values(values, size):
    window = WindowMaximum(size)
    assert [window.add(value) for value in values] == [
        max(values[max(0, end - size):end]) for end in range(1, len(values) + 1)]
