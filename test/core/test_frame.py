# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are views of the sender's bytes; data that does not fit is refused."""

from __future__ import annotations

from array import array
from dataclasses import replace

from core.camera_formats import (
    BAYER,
    FORMATS,
    GREY,
    WIDE,
    YUV,
    decode,
    encode,
    join,
    packed_step,
    random_blocks,
    wide_samples,
)
import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.encodings import ALIASES, ENCODINGS
from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.measurement import BIT_DEPTHS
from fcos_ros.core.resize import Size
from fcos_ros.core.yuv_range import RANGES

NAMES = tuple(FORMATS)
# The smallest Bayer image with inner pixels, whose colours are exact, has sides of 3.
SIZES = st.builds(lambda w, h: Size(2 * w, 2 * h), st.integers(2, 40), st.integers(2, 40))
ODD_SIZES = [Size(3, 3), Size(5, 4), Size(4, 5), Size(7, 3)]


PLANAR = ('i420', 'yv12', 'yuv420', 'yuv420p')
"""Encodings with rows of half the step, which must therefore be even."""


def samples(blocks, encoding, big_endian):
    """Return the samples that a frame views."""
    return wide_samples(blocks, big_endian) if encoding in WIDE else blocks


def padded_step(encoding, size, padding):
    """Return a step with this padding, or one more byte where an encoding needs even steps."""
    return packed_step(encoding, size) + (padding + padding % 2 if encoding in PLANAR else padding)


@pytest.mark.parametrize('encoding', [*ENCODINGS, *ALIASES])
def test_every_encoding_has_an_entry_in_camera_formats(encoding):
    assert encoding in FORMATS, f'add {encoding!r} to FORMATS in test/core/camera_formats.py'


def test_every_entry_of_camera_formats_is_an_encoding():
    assert set(FORMATS) <= {*ENCODINGS, *ALIASES}


@pytest.mark.parametrize('name', ALIASES)
def test_an_alias_becomes_its_encoding(name):
    frame = Frame.wrap(join(name, random_blocks(name, Size(8, 6))), Size(8, 6), name)
    assert frame.encoding == ALIASES[name].encoding
    assert frame.encoding in ENCODINGS


@given(st.sampled_from(NAMES), SIZES, st.sampled_from([0, 1, 7, 64]), st.booleans())
def test_planes_have_every_sample_without_padding(encoding, size, padding, big_endian):
    step = padded_step(encoding, size, padding)
    blocks = random_blocks(encoding, size)
    frame = Frame.wrap(join(encoding, blocks, step), size, encoding, step, big_endian)
    assert frame.size == size
    for plane, block in zip(frame.planes, samples(blocks, encoding, big_endian)):
        assert plane.dtype == block.dtype
        np.testing.assert_array_equal(plane.reshape(len(block), -1), block)


@given(st.sampled_from(NAMES), SIZES, st.sampled_from([0, 2, 64]))
def test_planes_are_views(encoding, size, padding):
    step = packed_step(encoding, size) + padding
    data = np.frombuffer(join(encoding, random_blocks(encoding, size), step), np.uint8)
    frame = Frame.wrap(data, size, encoding, step)
    assert all(np.shares_memory(plane, data) for plane in frame.planes)


@given(st.sampled_from(NAMES), SIZES, st.sampled_from([1, 7, 64]))
def test_padding_is_ignored_and_may_be_missing_in_the_last_row(encoding, size, padding):
    step = padded_step(encoding, size, padding)
    blocks = random_blocks(encoding, size)
    expected = Frame.wrap(join(encoding, blocks), size, encoding).bgr()
    whole = join(encoding, blocks, step)
    last = int((step - packed_step(encoding, size)) * FORMATS[encoding].blocks[-1].row_factor)
    for data in (whole, whole[:-last]):
        np.testing.assert_array_equal(Frame.wrap(data, size, encoding, step).bgr(), expected)


@pytest.mark.parametrize('encoding', PLANAR)
def test_a_step_that_cannot_be_halved_is_refused(encoding):
    with pytest.raises(FrameError, match='has a step of 9 bytes; accepted: even steps'):
        Frame.wrap(bytes(1000), Size(8, 6), encoding, 9)


@given(st.sampled_from(NAMES), SIZES)
def test_a_step_of_zero_means_packed_rows(encoding, size):
    data = join(encoding, random_blocks(encoding, size))
    explicit = Frame.wrap(data, size, encoding, step=packed_step(encoding, size))
    for plane, same in zip(Frame.wrap(data, size, encoding).planes, explicit.planes):
        np.testing.assert_array_equal(plane, same)


@given(st.sampled_from(NAMES), SIZES, st.integers(0, 9), st.booleans())
def test_bgr_follows_the_definition_of_the_encoding(encoding, size, seed, big_endian):
    blocks = random_blocks(encoding, size, seed)
    frame = Frame.wrap(join(encoding, blocks), size, encoding, big_endian=big_endian)
    bgr = replace(frame, bit_depth=16).bgr()
    assert (bgr.shape, bgr.dtype) == ((size.height, size.width, 3), np.uint8)
    expected = decode(blocks, encoding, size, big_endian)
    inner = (slice(1, -1), slice(1, -1)) if encoding in BAYER else ()
    np.testing.assert_allclose(bgr[inner], expected[inner], atol=1.5)


@pytest.mark.parametrize('encoding', NAMES)
@pytest.mark.parametrize('bgr', [
    (0, 0, 0), (255, 255, 255), (40, 40, 40), (250, 0, 0), (0, 250, 0), (0, 0, 250), (200, 60, 30),
], ids=['black', 'white', 'grey', 'blue', 'green', 'red', 'light blue'])
@pytest.mark.parametrize('big_endian', [False, True], ids=['little endian', 'big endian'])
def test_a_uniform_colour_is_kept_up_to_the_border(encoding, bgr, big_endian):
    if encoding in GREY:
        bgr = (bgr[1],) * 3
    pixels = np.full((6, 8, 3), bgr, np.uint8)
    data = join(encoding, encode(pixels, encoding, big_endian))
    frame = Frame.wrap(data, Size(8, 6), encoding, big_endian=big_endian)
    np.testing.assert_allclose(replace(frame, bit_depth=16).bgr(), pixels, atol=3)


@given(st.sampled_from(WIDE), SIZES, st.integers(8, 16), st.booleans())
def test_samples_of_16_bits_use_as_many_bits_as_stated(encoding, size, bit_depth, big_endian):
    """Higher samples, such as those of broken pixels, are white."""
    blocks = random_blocks(encoding, size)
    frame = Frame.wrap(join(encoding, blocks), size, encoding, big_endian=big_endian)
    bgr = replace(frame, bit_depth=bit_depth).bgr()
    expected = decode(blocks, encoding, size, big_endian, bit_depth=bit_depth)
    inner = (slice(1, -1), slice(1, -1)) if encoding in BAYER else ()
    np.testing.assert_allclose(bgr[inner], expected[inner], atol=1.5)


@pytest.mark.parametrize('encoding', WIDE)
@pytest.mark.parametrize('bit_depth', BIT_DEPTHS)
@pytest.mark.parametrize('big_endian', [False, True], ids=['little endian', 'big endian'])
def test_the_bit_depth_is_measured_if_it_is_not_stated(encoding, bit_depth, big_endian):
    pixels = np.full((6, 8, 3), 200, np.uint8)
    data = join(encoding, encode(pixels, encoding, big_endian, bit_depth=bit_depth))
    frame = Frame.wrap(data, Size(8, 6), encoding, big_endian=big_endian)
    np.testing.assert_allclose(frame.bgr(), pixels, atol=2)


@given(st.sampled_from(YUV), SIZES, st.sampled_from(RANGES), st.integers(0, 9))
def test_bgr_follows_the_range_of_yuv(encoding, size, yuv_range, seed):
    blocks = random_blocks(encoding, size, seed, yuv_range)
    frame = Frame.wrap(join(encoding, blocks), size, encoding)
    bgr = replace(frame, yuv_range=yuv_range).bgr()
    expected = decode(blocks, encoding, size, yuv_range=yuv_range)
    np.testing.assert_allclose(bgr, expected, atol=1.5 if yuv_range == 'limited' else 2.5)


@pytest.mark.parametrize(('encoding', 'size'), [
    pytest.param(encoding, size, id=f'{encoding} {size}')
    for encoding in NAMES for size in ODD_SIZES if FORMATS[encoding].fits(size)])
def test_odd_sizes_are_accepted_where_the_encoding_allows_them(encoding, size):
    pixels = np.full((size.height, size.width, 3), 90, np.uint8)
    step = padded_step(encoding, size, 3)
    frame = Frame.wrap(join(encoding, encode(pixels, encoding), step), size, encoding, step)
    np.testing.assert_allclose(replace(frame, bit_depth=16).bgr(), pixels, atol=3)


@pytest.mark.parametrize(('encoding', 'size'), [
    pytest.param(encoding, size, id=f'{encoding} {size}')
    for encoding in NAMES for size in ODD_SIZES if not FORMATS[encoding].fits(size)])
def test_odd_sizes_are_refused_where_pixels_share_chroma(encoding, size):
    with pytest.raises(FrameError, match=f'{encoding} image is {size}; accepted: even widths'):
        Frame.wrap(bytes(1000), size, encoding)


@pytest.mark.parametrize('encoding', [name for name in NAMES if name not in WIDE])
def test_big_endian_is_ignored_for_samples_of_8_bits(encoding):
    data = join(encoding, random_blocks(encoding, Size(8, 6)))
    big_endian = Frame.wrap(data, Size(8, 6), encoding, big_endian=True)
    np.testing.assert_array_equal(big_endian.bgr(), Frame.wrap(data, Size(8, 6), encoding).bgr())


@given(st.sampled_from(NAMES), SIZES, st.sampled_from([0, 5]), st.booleans())
def test_a_frame_can_be_rebuilt_from_packed_copies_of_its_planes(
    encoding, size, padding, big_endian,
):
    """Frames cross to another process in this form."""
    step = padded_step(encoding, size, padding)
    data = join(encoding, random_blocks(encoding, size), step)
    frame = Frame.wrap(data, size, encoding, step, big_endian)
    rebuilt = replace(frame, planes=tuple(
        np.frombuffer(plane.tobytes(), plane.dtype).reshape(plane.shape)
        for plane in frame.planes))
    np.testing.assert_array_equal(rebuilt.bgr(), frame.bgr())


@pytest.mark.parametrize('kind', [
    bytes, bytearray, memoryview, lambda data: array('B', data),
    lambda data: np.frombuffer(data, np.uint8),
], ids=['bytes', 'bytearray', 'memoryview', 'array', 'numpy'])
def test_any_contiguous_buffer_is_accepted(kind):
    data = bytes(range(24))
    frame = Frame.wrap(kind(data), Size(4, 2), 'bgr8')
    assert frame.planes[0].tobytes() == data


class ArrayOffer:
    """An object that converts itself to an array, and is no buffer."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return self._values


class VendorBuffer:
    """
    A buffer in other memory, such as `rosidl_buffer.Buffer` of ROS 2 Lyrical.

    It is no buffer to Python, and no array to numpy.
    """

    def __init__(self, content):
        self._content = content

    def __len__(self):
        return len(self._content)

    def to_bytes(self):
        if self._content is None:
            raise RuntimeError('the device is busy')
        return bytes(self._content)


class ListLike(VendorBuffer):
    """An object with the methods of `array.array`, and a conversion to an array that fails."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError('not on this device')

    def tobytes(self):
        return self.to_bytes()


@pytest.mark.parametrize('kind', [
    VendorBuffer, ListLike, lambda data: ArrayOffer(np.frombuffer(data, np.uint8)),
    lambda data: ArrayOffer(np.frombuffer(data, np.uint8).repeat(2)[::2]),
], ids=['vendor buffer', 'list-like', 'array', 'array with strides'])
def test_any_object_that_offers_bytes_is_accepted(kind):
    data = bytes(range(24))
    assert Frame.wrap(kind(data), Size(4, 2), 'bgr8').planes[0].tobytes() == data
    png = cv2.imencode('.png', np.full((4, 6, 3), 90, np.uint8))[1].tobytes()
    assert (Frame.compressed(kind(png)).bgr() == 90).all()


@pytest.mark.parametrize(('data', 'reason'), [
    (VendorBuffer(None), 'the device is busy'),
    (ArrayOffer(np.zeros(12, np.float32)), 'its array is float32'),
    (object(), 'bytes-like object is required'),
    ('text', 'bytes-like object is required'),
], ids=['failing buffer', 'array of floats', 'object', 'text'])
def test_an_object_without_bytes_is_refused_with_the_remedy(data, reason):
    with pytest.raises(FrameError, match=f'{reason}.*; accepted: .*to_bytes.* CPU memory'):
        Frame.wrap(data, Size(2, 2), 'bgr8')


@pytest.mark.parametrize('encoding', NAMES)
@pytest.mark.parametrize('change', [str.upper, str.lower, str.title])
def test_names_may_be_in_upper_and_lower_case(encoding, change):
    data = join(encoding, random_blocks(encoding, Size(8, 6)))
    frame = Frame.wrap(data, Size(8, 6), change(encoding))
    np.testing.assert_array_equal(frame.bgr(), Frame.wrap(data, Size(8, 6), encoding).bgr())


def test_a_frame_shows_later_changes_of_a_writable_buffer():
    data = bytearray(12)
    frame = Frame.wrap(data, Size(2, 2), 'bgr8')
    data[5] = 200
    assert frame.planes[0][0, 1, 2] == 200


def test_bgr_of_bgr8_is_a_view():
    frame = Frame.wrap(bytes(12), Size(2, 2), 'bgr8')
    assert frame.bgr() is frame.planes[0]


@pytest.mark.parametrize(('encoding', 'excess'), [
    (encoding, excess) for encoding in NAMES for excess in (-1, 1)
    if (encoding, excess) != ('nv12', 1)])
def test_data_of_a_wrong_length_is_refused_with_both_lengths(encoding, excess):
    size = Size(6, 4)
    length = len(join(encoding, random_blocks(encoding, size)))
    with pytest.raises(FrameError, match=f'has {length + excess} bytes .*accepted: {length}'):
        Frame.wrap(bytes(length + excess), size, encoding)


@pytest.mark.parametrize('excess', [0, 1, 8, 36])
@pytest.mark.parametrize('step', [0, 6])
def test_nv12_with_packed_rows_may_have_bytes_after_the_image(excess, step):
    """The decoder of RDK X5 hands over its whole buffer."""
    data = join('nv12', random_blocks('nv12', Size(6, 4)))
    frame = Frame.wrap(data + bytes(excess), Size(6, 4), 'nv12', step)
    assert frame.trailing_bytes == excess
    np.testing.assert_array_equal(frame.bgr(), Frame.wrap(data, Size(6, 4), 'nv12').bgr())


@pytest.mark.parametrize(('length', 'step'), [(73, 0), (35, 0), (49, 8), (60, 8)])
def test_nv12_of_another_size_or_with_padded_rows_has_no_bytes_after_the_image(length, step):
    with pytest.raises(FrameError, match=f'has {length} bytes of data; accepted: '):
        Frame.wrap(bytes(length), Size(6, 4), 'nv12', step)


@pytest.mark.parametrize('length', [25, 26, 28, 30])
def test_padding_of_the_last_row_is_complete_or_missing(length):
    with pytest.raises(FrameError, match=r'accepted: 29 .* or 24 without padding in the last'):
        Frame.wrap(bytes(length), Size(24, 1), 'mono8', step=29)


@pytest.mark.parametrize(('data', 'size', 'encoding', 'step', 'complaint'), [
    (bytes(12), Size(2, 2), '8UC5', 0, "'8UC5'; accepted: bgr8, rgb8, bgra8, rgba8, mono8,"),
    (bytes(12), Size(2, 2), '', 0, "unknown encoding ''"),
    (bytes(12), Size(2, 2), 'jpeg', 0, "unknown encoding 'jpeg'"),
    (b'', Size(0, 2), 'bgr8', 0, 'is 0x2; accepted: both sides at least 1 pixel'),
    (b'', Size(2, -1), 'bgr8', 0, 'is 2x-1'),
    (b'', Size(2, 2), 'bgr8', 0, 'has 0 bytes of data; accepted: 12'),
    (b'', Size(2**32 - 1, 2**32 - 1), 'bgr8', 2**32 - 1, 'has a step of 4294967295 bytes'),
    (b'', Size(2**32 - 2, 2**32 - 2), 'nv12', 2**32 - 1, 'has 0 bytes of data; accepted: 2767011'),
    (bytes(12), Size(2, 2), 'bgr8', 5, 'step of 5 bytes; accepted: at least 6, or 0'),
    (bytes(12), Size(2, 2), 'bgr8', -6, 'step of -6 bytes'),
    (bytes(8), Size(2, 2), 'mono16', 2, 'step of 2 bytes; accepted: at least 4'),
    (bytes(13), Size(3, 3), 'nv12', 0, 'nv12 image is 3x3; accepted: even widths and heights'),
    (bytes(12), Size(3, 2), 'yuv422', 0, 'yuv422 image is 3x2; accepted: even widths'),
    (bytes(4), Size(2, 2), 'bayer_rggb8', 0, 'is 2x2; accepted: both sides at least 3 pixels'),
    ([0] * 12, Size(2, 2), 'bgr8', 0, r'image data \(list\) cannot be read'),
    (None, Size(2, 2), 'bgr8', 0, r'image data \(NoneType\) cannot be read'),
    (np.zeros((4, 12), np.uint8)[:, ::2], Size(2, 4), 'bgr8', 0, 'contiguous'),
], ids=['unknown encoding', 'no encoding', 'file format', 'width 0',
        'negative height', 'no data', 'huge size', 'huge size and step', 'short step',
        'negative step', 'step of 8-bit samples', 'odd nv12', 'odd yuv422', 'small bayer',
        'list', 'None', 'not contiguous'])
def test_invalid_images_are_refused_with_the_accepted_values(
    data, size, encoding, step, complaint,
):
    with pytest.raises(FrameError, match=complaint):
        Frame.wrap(data, size, encoding, step)


def test_from_bgr_views_an_array_of_opencv():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    frame = Frame.from_bgr(image)
    assert (frame.size, frame.encoding) == (Size(8, 6), 'bgr8')
    assert np.shares_memory(frame.planes[0], image)
    np.testing.assert_array_equal(frame.bgr(), image)


def test_from_bgr_views_a_grey_array():
    image = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
    frame = Frame.from_bgr(image)
    assert (frame.size, frame.encoding) == (Size(7, 5), 'mono8')
    assert np.shares_memory(frame.planes[0], image)
    np.testing.assert_array_equal(frame.bgr(), np.stack([image] * 3, -1))


@pytest.mark.parametrize('select', [
    lambda image: image[1:5, 2:6], lambda image: image[:, ::-1], lambda image: image[..., ::-1],
    lambda image: image[..., 1], np.asfortranarray,
], ids=['crop', 'mirrored', 'rgb to bgr', 'one channel', 'Fortran order'])
def test_from_bgr_copies_an_array_that_is_not_contiguous(select):
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    selected = select(image)
    assert not selected.flags.c_contiguous
    frame = Frame.from_bgr(selected)
    assert not np.shares_memory(frame.planes[0], image)
    assert frame.size == Size(*selected.shape[1::-1])
    np.testing.assert_array_equal(frame.planes[0], selected)


@pytest.mark.parametrize(('image', 'given'), [
    (np.zeros((4, 4, 3), np.float32), r'float32\[4, 4, 3\]'),
    (np.zeros((4, 4), np.uint16), r'uint16\[4, 4\]'),
    (np.zeros((4, 4, 3), bool), r'bool\[4, 4, 3\]'),
    (np.zeros((4, 4, 4), np.uint8), r'uint8\[4, 4, 4\]'),
    (np.zeros((4, 4, 1), np.uint8), r'uint8\[4, 4, 1\]'),
    (np.zeros(12, np.uint8), r'uint8\[12\]'),
    (np.zeros((1, 4, 4, 3), np.uint8), r'uint8\[1, 4, 4, 3\]'),
    (None, 'NoneType'),
    ([[0, 0], [0, 0]], 'list'),
], ids=['float', '16 bits', 'bool', '4 channels', '1 channel', 'flat', 'batch',
        'file that OpenCV did not find', 'list'])
def test_from_bgr_refuses_other_types_and_shapes(image, given):
    with pytest.raises(FrameError, match=rf'image is {given}; accepted: uint8 \[H, W, 3\] in BGR'):
        Frame.from_bgr(image)


@pytest.mark.parametrize('shape', [(0, 4, 3), (4, 0, 3), (0, 0)])
def test_from_bgr_refuses_an_empty_array(shape):
    with pytest.raises(FrameError, match='accepted: both sides at least 1 pixel'):
        Frame.from_bgr(np.zeros(shape, np.uint8))
