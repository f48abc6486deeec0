# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Frame` promises: the sender's bytes as pixels, not copied, and never guessed at."""

from __future__ import annotations

from array import array

import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.frame import ENCODINGS, Frame, FrameError
from fcos_ros.core.resize import Size

# OpenCV 4.5 converts no colour image, and no chroma plane, of a single sample.
SIZES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(2, 40), st.integers(1, 40))
SIDES = {'bgr8': 3, 'rgb8': 3, 'mono8': 1, 'nv12': 1}
"""Bytes per pixel in the rows of each encoding."""


def rows_of(encoding, size):
    return size.height * 3 // 2 if encoding == 'nv12' else size.height


def image(encoding, size, padding=0, seed=0):
    """Make random rows (rows, step); `padding` bytes at the end of each."""
    step = size.width * SIDES[encoding] + padding
    return np.random.default_rng(seed).integers(
        0, 256, (rows_of(encoding, size), step), np.uint8)


def test_the_encodings_to_begin_with():
    assert set(ENCODINGS) == set(SIDES)


@given(st.sampled_from(ENCODINGS), SIZES, st.sampled_from([0, 1, 7, 64]))
def test_planes_are_views_of_every_pixel_and_no_padding(encoding, size, padding):
    rows = image(encoding, size, padding)
    frame = Frame.wrap(rows.reshape(-1), size, encoding, step=rows.shape[1])
    assert all(np.shares_memory(plane, rows) for plane in frame.planes)
    assert all(plane.dtype == np.uint8 for plane in frame.planes)
    pixels = rows[:, :size.width * SIDES[encoding]]
    if encoding == 'nv12':
        luma, chroma = frame.planes
        np.testing.assert_array_equal(luma, pixels[:size.height])
        np.testing.assert_array_equal(
            chroma, pixels[size.height:].reshape(size.height // 2, size.width // 2, 2))
    else:
        np.testing.assert_array_equal(
            frame.planes[0].reshape(size.height, -1), pixels)


@given(st.sampled_from(ENCODINGS), SIZES, st.sampled_from([1, 7, 64]))
def test_padding_is_invisible(encoding, size, padding):
    rows = image(encoding, size, padding)
    packed = rows[:, :-padding].tobytes()
    padded = Frame.wrap(rows.tobytes(), size, encoding, step=rows.shape[1])
    np.testing.assert_array_equal(padded.bgr(), Frame.wrap(packed, size, encoding).bgr())


@given(st.sampled_from(ENCODINGS), SIZES)
def test_a_step_of_zero_means_packed(encoding, size):
    data = image(encoding, size).tobytes()
    told = Frame.wrap(data, size, encoding, step=size.width * SIDES[encoding])
    for plane, same in zip(Frame.wrap(data, size, encoding).planes, told.planes):
        np.testing.assert_array_equal(plane, same)


@pytest.mark.parametrize('kind', [
    bytes, bytearray, memoryview, lambda data: array('B', data),
    lambda data: np.frombuffer(data, np.uint8),
], ids=['bytes', 'bytearray', 'memoryview', 'array', 'numpy'])
def test_any_buffer_will_do(kind):
    rows = image('bgr8', Size(4, 2))
    frame = Frame.wrap(kind(rows.tobytes()), Size(4, 2), 'bgr8')
    np.testing.assert_array_equal(frame.planes[0], rows.reshape(2, 4, 3))


def test_a_writable_buffer_shows_later_changes():
    data = bytearray(12)
    frame = Frame.wrap(data, Size(2, 2), 'bgr8')
    data[5] = 200
    assert frame.planes[0][0, 1, 2] == 200


def test_bgr_of_bgr8_is_a_view():
    frame = Frame.wrap(bytes(12), Size(2, 2), 'bgr8')
    assert frame.bgr() is frame.planes[0]


def test_bgr_of_rgb8_and_mono8():
    rgb = Frame.wrap(bytes([1, 2, 3, 4, 5, 6]), Size(2, 1), 'rgb8')
    mono = Frame.wrap(bytes([8, 9]), Size(2, 1), 'mono8')
    assert rgb.bgr().tolist() == [[[3, 2, 1], [6, 5, 4]]]
    assert mono.bgr().tolist() == [[[8, 8, 8], [9, 9, 9]]]


@given(SIZES)
def test_bgr_of_nv12_is_that_of_the_stacked_planes(size):
    rows = image('nv12', size)
    expected = cv2.cvtColor(rows, cv2.COLOR_YUV2BGR_NV12)
    np.testing.assert_array_equal(Frame.wrap(rows, size, 'nv12').bgr(), expected)


@pytest.mark.parametrize(('yuv', 'bgr'), [
    ((16, 128, 128), (0, 0, 0)), ((235, 128, 128), (255, 255, 255)), ((82, 90, 240), (0, 0, 255)),
], ids=['black', 'white', 'red'])
def test_nv12_is_bt_601_of_limited_range(yuv, bgr):
    luma, blue, red = yuv
    data = bytes([luma] * 4 + [blue, red])
    pixels = Frame.wrap(data, Size(2, 2), 'nv12').bgr()
    np.testing.assert_allclose(pixels, np.broadcast_to(bgr, (2, 2, 3)), atol=2)


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('excess', [-1, 1])
def test_data_of_another_length_is_refused_with_the_numbers(encoding, excess):
    size = Size(6, 4)
    length = rows_of(encoding, size) * size.width * SIDES[encoding]
    with pytest.raises(FrameError, match=f'has {length + excess} bytes .*expected {length}'):
        Frame.wrap(bytes(length + excess), size, encoding)


@pytest.mark.parametrize(('data', 'size', 'encoding', 'step', 'complaint'), [
    (bytes(12), Size(2, 2), 'bayer_rggb8', 0, "'bayer_rggb8': accepted are bgr8, rgb8, mono8, nv"),
    (bytes(12), Size(2, 2), '', 0, "unknown encoding ''"),
    (b'', Size(0, 2), 'bgr8', 0, 'is 0x2: both sides must be at least 1'),
    (b'', Size(2, -1), 'bgr8', 0, 'is 2x-1'),
    (b'', Size(2, 2), 'bgr8', 0, 'has 0 bytes of data: expected 12'),
    (bytes(12), Size(2, 2), 'bgr8', 5, 'step of 5 bytes: expected at least 6, or 0'),
    (bytes(12), Size(2, 2), 'bgr8', -6, 'step of -6 bytes'),
    (bytes(13), Size(3, 3), 'nv12', 0, 'nv12 image is 3x3: both sides must be even'),
    ([0] * 12, Size(2, 2), 'bgr8', 0, r'image data \(list\) cannot be read'),
    (None, Size(2, 2), 'bgr8', 0, r'image data \(NoneType\) cannot be read'),
    (np.zeros((4, 12), np.uint8)[:, ::2], Size(2, 4), 'bgr8', 0, 'contiguous'),
], ids=['bayer', 'no encoding', 'no width', 'negative height', 'no data', 'short step',
        'negative step', 'odd nv12', 'list', 'none', 'strided'])
def test_what_cannot_be_an_image_is_refused_by_name(data, size, encoding, step, complaint):
    with pytest.raises(FrameError, match=complaint):
        Frame.wrap(data, size, encoding, step)
