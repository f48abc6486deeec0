# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `Frame` promises: the sender's bytes as pixels, not copied, and never guessed at."""

from __future__ import annotations

from array import array

from camera_formats import BAYER, BLOCKS, GREY, WIDE, YUV, decode, encode, join, random_blocks
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.frame import ENCODINGS, Frame, FrameError
from fcos_ros.core.resize import Size

# Of Bayer images, the pixels at the border have too few neighbours to be foretold.
SIZES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(2, 40), st.integers(2, 40))
ODD_SIZES = [Size(3, 3), Size(5, 4), Size(4, 5), Size(7, 3)]


def packed_step(encoding, size):
    return size.width * BLOCKS[encoding][0].bytes


def fits(encoding, size):
    """Return whether such an image exists."""
    across = 1 if encoding not in YUV or encoding == 'nv24' else 2
    down = 2 if encoding in ('nv12', 'nv21') else 1
    return size.width % across == 0 and size.height % down == 0


def seen(blocks, encoding, big_endian):
    """Keep the bytes that count."""
    if encoding in WIDE:
        return [block[:, 0 if big_endian else 1::2] for block in blocks]
    return blocks


def test_every_encoding_is_tested():
    assert set(ENCODINGS) == set(BLOCKS)


@given(st.sampled_from(ENCODINGS), SIZES, st.sampled_from([0, 1, 7, 64]), st.booleans())
def test_planes_are_views_of_every_pixel_and_no_padding(encoding, size, padding, big_endian):
    step = packed_step(encoding, size) + padding
    blocks = random_blocks(encoding, size)
    data = np.frombuffer(join(encoding, blocks, step), np.uint8)
    frame = Frame.wrap(data, size, encoding, step, big_endian)
    assert frame.size == size
    assert all(np.shares_memory(plane, data) for plane in frame.planes)
    assert all(plane.dtype == np.uint8 for plane in frame.planes)
    for plane, block in zip(frame.planes, seen(blocks, encoding, big_endian)):
        np.testing.assert_array_equal(plane.reshape(len(block), -1), block)


@given(st.sampled_from(ENCODINGS), SIZES, st.sampled_from([1, 7, 64]))
def test_padding_is_invisible_and_may_be_missing_at_the_end(encoding, size, padding):
    step = packed_step(encoding, size) + padding
    blocks = random_blocks(encoding, size)
    expected = Frame.wrap(join(encoding, blocks), size, encoding).bgr()
    whole = join(encoding, blocks, step)
    shorter = whole[:len(whole) - padding * BLOCKS[encoding][-1].steps]
    for data in (whole, shorter):
        np.testing.assert_array_equal(Frame.wrap(data, size, encoding, step).bgr(), expected)


@given(st.sampled_from(ENCODINGS), SIZES)
def test_a_step_of_zero_means_packed(encoding, size):
    data = join(encoding, random_blocks(encoding, size))
    told = Frame.wrap(data, size, encoding, step=packed_step(encoding, size))
    for plane, same in zip(Frame.wrap(data, size, encoding).planes, told.planes):
        np.testing.assert_array_equal(plane, same)


@given(st.sampled_from(ENCODINGS), SIZES, st.integers(0, 9), st.booleans())
def test_bgr_is_what_the_definition_of_the_encoding_says(encoding, size, seed, big_endian):
    blocks = random_blocks(encoding, size, seed)
    bgr = Frame.wrap(join(encoding, blocks), size, encoding, big_endian=big_endian).bgr()
    assert (bgr.shape, bgr.dtype) == ((size.height, size.width, 3), np.uint8)
    expected = decode(blocks, encoding, size, big_endian)
    inner = (slice(1, -1), slice(1, -1)) if encoding in BAYER else ()
    np.testing.assert_allclose(bgr[inner], expected[inner], atol=1.5)


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('bgr', [
    (0, 0, 0), (255, 255, 255), (40, 40, 40), (250, 0, 0), (0, 250, 0), (0, 0, 250), (200, 60, 30),
], ids=['black', 'white', 'grey', 'blue', 'green', 'red', 'sea'])
@pytest.mark.parametrize('big_endian', [False, True], ids=['little', 'big'])
def test_a_flat_colour_is_that_colour_up_to_the_border(encoding, bgr, big_endian):
    if encoding in GREY:
        bgr = (bgr[1],) * 3
    pixels = np.full((6, 8, 3), bgr, np.uint8)
    data = join(encoding, encode(pixels, encoding, big_endian))
    found = Frame.wrap(data, Size(8, 6), encoding, big_endian=big_endian).bgr()
    np.testing.assert_allclose(found, pixels, atol=3)


@pytest.mark.parametrize(('encoding', 'size'), [
    pytest.param(encoding, size, id=f'{encoding} {size}')
    for encoding in ENCODINGS for size in ODD_SIZES if fits(encoding, size)])
def test_odd_sizes_are_images_where_the_encoding_allows_them(encoding, size):
    pixels = np.full((size.height, size.width, 3), 90, np.uint8)
    step = packed_step(encoding, size) + 3
    frame = Frame.wrap(join(encoding, encode(pixels, encoding), step), size, encoding, step)
    np.testing.assert_allclose(frame.bgr(), pixels, atol=3)


@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if name not in WIDE])
def test_big_endian_means_nothing_to_single_bytes(encoding):
    data = join(encoding, random_blocks(encoding, Size(8, 6)))
    told = Frame.wrap(data, Size(8, 6), encoding, big_endian=True)
    np.testing.assert_array_equal(told.bgr(), Frame.wrap(data, Size(8, 6), encoding).bgr())


@given(st.sampled_from(ENCODINGS), SIZES, st.sampled_from([0, 5]), st.booleans())
def test_packed_planes_with_the_same_encoding_are_the_same_frame(
        encoding, size, padding, big_endian):
    """Frames that cross to another process are rebuilt of these."""
    step = packed_step(encoding, size) + padding
    data = join(encoding, random_blocks(encoding, size), step)
    frame = Frame.wrap(data, size, encoding, step, big_endian)
    rebuilt = Frame(frame.size, frame.encoding, tuple(
        np.frombuffer(plane.tobytes(), np.uint8).reshape(plane.shape) for plane in frame.planes))
    np.testing.assert_array_equal(rebuilt.bgr(), frame.bgr())


@pytest.mark.parametrize('kind', [
    bytes, bytearray, memoryview, lambda data: array('B', data),
    lambda data: np.frombuffer(data, np.uint8),
], ids=['bytes', 'bytearray', 'memoryview', 'array', 'numpy'])
def test_any_buffer_will_do(kind):
    data = bytes(range(24))
    frame = Frame.wrap(kind(data), Size(4, 2), 'bgr8')
    assert frame.planes[0].tobytes() == data


def test_a_writable_buffer_shows_later_changes():
    data = bytearray(12)
    frame = Frame.wrap(data, Size(2, 2), 'bgr8')
    data[5] = 200
    assert frame.planes[0][0, 1, 2] == 200


def test_bgr_of_bgr8_is_a_view():
    frame = Frame.wrap(bytes(12), Size(2, 2), 'bgr8')
    assert frame.bgr() is frame.planes[0]


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('excess', [-1, 1])
def test_data_of_another_length_is_refused_with_the_numbers(encoding, excess):
    size = Size(6, 4)
    length = len(join(encoding, random_blocks(encoding, size)))
    with pytest.raises(FrameError, match=f'has {length + excess} bytes .*expected {length}'):
        Frame.wrap(bytes(length + excess), size, encoding)


@pytest.mark.parametrize('length', [25, 26, 28, 30])
def test_padding_is_there_or_not_but_never_in_part(length):
    with pytest.raises(FrameError, match=r'expected 29 .* or 24 without the padding'):
        Frame.wrap(bytes(length), Size(24, 1), 'mono8', step=29)


@pytest.mark.parametrize(('data', 'size', 'encoding', 'step', 'complaint'), [
    (bytes(12), Size(2, 2), '8UC5', 0, "'8UC5': accepted are bgr8, rgb8, bgra8, rgba8, mono8,"),
    (bytes(12), Size(2, 2), '', 0, "unknown encoding ''"),
    (bytes(12), Size(2, 2), 'BGR8', 0, "unknown encoding 'BGR8'"),
    (bytes(12), Size(2, 2), 'jpeg', 0, "unknown encoding 'jpeg'"),
    (b'', Size(0, 2), 'bgr8', 0, 'is 0x2: both sides must be at least 1 pixel'),
    (b'', Size(2, -1), 'bgr8', 0, 'is 2x-1'),
    (b'', Size(2, 2), 'bgr8', 0, 'has 0 bytes of data: expected 12'),
    (b'', Size(2**32 - 1, 2**32 - 1), 'bgr8', 2**32 - 1, 'has a step of 4294967295 bytes'),
    (b'', Size(2**32 - 2, 2**32 - 2), 'nv12', 2**32 - 1, 'has 0 bytes of data: expected 2767011'),
    (bytes(12), Size(2, 2), 'bgr8', 5, 'step of 5 bytes: expected at least 6, or 0'),
    (bytes(12), Size(2, 2), 'bgr8', -6, 'step of -6 bytes'),
    (bytes(8), Size(2, 2), 'mono16', 2, 'step of 2 bytes: expected at least 4'),
    (bytes(13), Size(3, 3), 'nv12', 0, 'nv12 image is 3x3: both sides must be even'),
    (bytes(12), Size(3, 2), 'yuv422', 0, 'yuv422 image is 3x2: the width must be even'),
    (bytes(4), Size(2, 2), 'bayer_rggb8', 0, 'is 2x2: both sides must be at least 3 pixels'),
    ([0] * 12, Size(2, 2), 'bgr8', 0, r'image data \(list\) cannot be read'),
    (None, Size(2, 2), 'bgr8', 0, r'image data \(NoneType\) cannot be read'),
    (np.zeros((4, 12), np.uint8)[:, ::2], Size(2, 4), 'bgr8', 0, 'contiguous'),
], ids=['unknown', 'no encoding', 'upper case', 'file', 'no width', 'negative height', 'no data',
        'huge', 'huge with step', 'short step', 'negative step', 'step of one byte a sample',
        'odd nv12', 'odd yuv422', 'tiny bayer', 'list', 'none', 'strided'])
def test_what_cannot_be_an_image_is_refused_by_name(data, size, encoding, step, complaint):
    with pytest.raises(FrameError, match=complaint):
        Frame.wrap(data, size, encoding, step)
