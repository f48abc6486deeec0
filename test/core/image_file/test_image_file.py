# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files are measured before they are decoded; damaged files are refused."""

from __future__ import annotations

from dataclasses import replace

from core.camera_formats import BAYER, encode
from core.image_file.files import (
    PNG_SIGNATURE,
    encode_file,
    jpeg_header,
    noisy_image,
    png_header,
    smooth_image,
    tiff_file,
    view,
)
import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.image_file import MAX_PIXELS, decode
from fcos_ros.core.measurement import BIT_DEPTHS
from fcos_ros.core.resize import Size

SIZES = st.builds(Size, st.integers(1, 70), st.integers(1, 70))
IMAGE = smooth_image(Size(48, 36))
LOSSLESS = (cv2.IMWRITE_WEBP_QUALITY, 101)
FILES = {
    'jpeg': encode_file(IMAGE, 'jpg'),
    'progressive jpeg': encode_file(IMAGE, 'jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'jpeg with restarts': encode_file(IMAGE, 'jpg', cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    'png': encode_file(IMAGE, 'png'),
    'tiff': encode_file(IMAGE, 'tiff'),
    'uncompressed tiff': tiff_file(IMAGE[..., ::-1]),
    'webp': encode_file(IMAGE, 'webp', cv2.IMWRITE_WEBP_QUALITY, 80),
    'lossless webp': encode_file(IMAGE, 'webp', *LOSSLESS),
}
FORMATS = {'jpg': 'jpeg', 'png': 'png', 'tiff': 'tiff', 'webp': 'webp'}


@given(st.sampled_from(sorted(FORMATS)), SIZES)
def test_the_size_is_read_from_the_header_and_the_file_is_not_copied(name, size):
    file = view(encode_file(smooth_image(size), name))
    frame = Frame.compressed(file)
    assert frame.size == size
    assert frame.encoding == FORMATS[name]
    assert np.shares_memory(frame.planes[0], file)
    assert frame.bgr().shape == (size.height, size.width, 3)


@pytest.mark.parametrize(('name', 'options', 'error'), [
    ('png', (), 0), ('tiff', (), 0), ('webp', LOSSLESS, 0),
    ('webp', (cv2.IMWRITE_WEBP_QUALITY, 98), 12), ('jpg', (cv2.IMWRITE_JPEG_QUALITY, 98), 12)])
def test_pixels_are_exact_if_the_format_keeps_them(name, options, error):
    pixels = smooth_image(Size(64, 48))
    found = Frame.compressed(encode_file(pixels, name, *options)).bgr()
    np.testing.assert_allclose(found.astype(int), pixels, atol=error)


COLOUR, GREY, BGRA = (smooth_image(Size(9, 7), channels) for channels in (3, 1, 4))


@pytest.mark.parametrize(('pixels', 'name', 'expected'), [
    pytest.param(GREY, 'png', GREY, id='grey PNG'),
    pytest.param(GREY, 'jpg', GREY, id='grey JPEG'),
    pytest.param(GREY, 'tiff', GREY, id='grey TIFF'),
    pytest.param(GREY, 'webp', GREY, id='grey WebP'),
    pytest.param(BGRA, 'png', BGRA[..., :3], id='PNG with alpha'),
    pytest.param(256 * GREY.astype(np.uint16), 'png', GREY, id='grey PNG of 16 bits'),
    pytest.param(256 * COLOUR.astype(np.uint16), 'png', COLOUR, id='PNG of 16 bits'),
    pytest.param(256 * GREY.astype(np.uint16), 'tiff', GREY, id='grey TIFF of 16 bits'),
    pytest.param(256 * COLOUR.astype(np.uint16), 'tiff', COLOUR, id='TIFF of 16 bits'),
])
def test_files_with_other_pixels_are_decoded_to_bgr(pixels, name, expected):
    found = Frame.compressed(encode_file(pixels, name)).bgr()
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=8)


@pytest.mark.parametrize('name', ['png', 'tiff'])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('bit_depth', BIT_DEPTHS)
@pytest.mark.parametrize('stated', [True, False], ids=['stated', 'measured'])
def test_files_of_16_bits_use_as_many_bits_as_stated_or_measured(
        name, channels, bit_depth, stated):
    levels = smooth_image(Size(48, 36), channels)
    samples = np.round(levels * ((2.0**bit_depth - 1) / 255)).astype(np.uint16)
    frame = Frame.compressed(encode_file(samples, name))
    found = replace(frame, bit_depth=bit_depth if stated else 0).bgr()
    np.testing.assert_allclose(found, np.broadcast_to(levels, found.shape), atol=1)


@pytest.mark.parametrize('encoding', [name for name in BAYER if name.endswith('8')])
@pytest.mark.parametrize(('name', 'scale', 'options'), [
    ('png', 1, ()), ('png', 16, ()), ('tiff', 1, ()), ('tiff', 16, ()),
    ('jpg', 1, (cv2.IMWRITE_JPEG_QUALITY, 100))])
def test_a_grey_file_may_hold_a_bayer_mosaic(encoding, name, scale, options):
    bgr = np.full((64, 96, 3), (200, 60, 30), np.uint8)
    bgr[:, 48:] = (20, 180, 90)
    samples, = encode(bgr, encoding)
    samples = samples.astype(np.uint16 if scale > 1 else np.uint8) * scale
    frame = Frame.compressed(encode_file(samples, name, *options), encoding)
    found = replace(frame, bit_depth=12).bgr().astype(int)
    np.testing.assert_allclose(found[:, :44], bgr[:, :44], atol=6)
    np.testing.assert_allclose(found[:, 52:], bgr[:, 52:], atol=6)
    smaller = frame.decoded(Size(8, 8))
    assert smaller.size == Size(96, 64)  # scaling would mix the colours


def test_a_colour_file_is_no_mosaic():
    frame = Frame.compressed(FILES['png'], 'bayer_rggb8')
    np.testing.assert_array_equal(frame.bgr(), IMAGE)


def test_a_mosaic_without_neighbours_is_refused():
    with pytest.raises(FrameError, match='bayer_rggb8 image is 9x2; accepted: both sides'):
        Frame.compressed(encode_file(smooth_image(Size(9, 2), 1), 'png'), 'bayer_rggb8')


@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('padding', [bytes(1), bytes(500), b'\xff' * 9, b'\x12\x34' * 50],
                         ids=['one zero', 'zeros', 'ones', 'other bytes'])
def test_bytes_after_the_end_are_ignored(kind, padding):
    np.testing.assert_array_equal(Frame.compressed(FILES[kind] + padding).bgr(),
                                  Frame.compressed(FILES[kind]).bgr())


@pytest.mark.parametrize('kind', [kind for kind in FILES if 'jpeg' not in kind])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_truncated_at_any_byte_is_refused(kind, share):
    file = FILES[kind]
    with pytest.raises(FrameError):
        Frame.compressed(file[:int(share * len(file))]).bgr()


@pytest.mark.parametrize('kind', FILES)
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
                       min_size=1, max_size=8))
def test_a_file_with_wrong_bytes_is_decoded_to_its_stated_size_or_refused(kind, places):
    file = bytearray(FILES[kind])
    for share, value in places:
        file[int(share * len(file))] = value
    try:
        frame = Frame.compressed(bytes(file))
        # The size in the header may have changed; decoding a huge one needs too much memory.
        bgr = frame.bgr() if max(frame.size) < 1000 else None
    except FrameError:
        return
    assert bgr is None or bgr.shape == (frame.size.height, frame.size.width, 3)


@given(st.binary(max_size=200),
       st.sampled_from([b'', b'\xff\xd8\xff', b'\xff\xd8', PNG_SIGNATURE, b'II*\0', b'MM\0*',
                        b'RIFF\x0a\0\0\0WEBPVP8 ', b'RIFF\x0a\0\0\0WEBPVP8X']))
def test_random_bytes_are_refused(content, start):
    with pytest.raises(FrameError):
        Frame.compressed(start + content).bgr()


@pytest.mark.parametrize(('data', 'complaint'), [
    pytest.param(b'', 'of 0 bytes begins with nothing; accepted: jpeg, png, tiff, webp',
                 id='no bytes'),
    pytest.param(b'GIF89a1234', 'of 10 bytes begins with 47 49 46 38 39 61 31 32', id='GIF'),
    pytest.param(b'\xff\xd8\xff\xd9', 'jpeg file of 4 bytes is damaged: no header',
                 id='end after start'),
    pytest.param(b'\xff\xd8\xff' + b'\xff' * 10**6, 'is damaged: no header', id='endless padding'),
    pytest.param(b'\xff\xd8\xff' + b'\xff\xd0' * 10**6, 'is damaged: no header',
                 id='endless restarts'),
    pytest.param(b'\xff\xd8' + b'\xff\xfe\0\2' * 10**5, 'it has more than 1000 segments',
                 id='endless comments'),
    pytest.param(b'\xff\xd8\xff\xfe\0\0' * 9, 'is damaged: no header', id='segment of length 0'),
    pytest.param(jpeg_header(Size(8, 8), *[(0xfe, b'')] * 1000), 'more than 1000 segments',
                 id='too many comments'),
    pytest.param(jpeg_header(Size(8, 8)).replace(b'\xff\xc0', b'\xff\xc9'),
                 'is of the kind c9; accepted: c0, c1', id='arithmetic JPEG'),
    pytest.param(jpeg_header(Size(8, 8))[:-4], 'is damaged: no header', id='half a header'),
    pytest.param(jpeg_header(Size(8, 8)).replace(b'\1\x11', b'\1\x05'), 'wrong number of blocks',
                 id='no blocks'),
    pytest.param(PNG_SIGNATURE + bytes(30), 'png file of 38 bytes is damaged: no header',
                 id='no IHDR'),
    pytest.param(png_header(Size(8, 8))[:20], 'png file of 20 bytes is damaged',
                 id='truncated header'),
    pytest.param(jpeg_header(Size(60000, 60000)),
                 'jpeg image is 60000x60000; accepted: at most 33177600', id='huge JPEG'),
    pytest.param(png_header(Size(60000, 60000)),
                 'png image is 60000x60000; accepted: at most 33177600', id='huge PNG'),
    pytest.param(png_header(Size(2**32 - 1, 2**32 - 1)), 'png image is 4294967295x4294967295',
                 id='largest PNG'),
    pytest.param(jpeg_header(Size(8, 0)), 'jpeg image is 8x0; accepted: both sides',
                 id='height 0'),
    pytest.param(png_header(Size(0, 8)), 'png image is 0x8; accepted: both sides', id='width 0'),
    pytest.param([1, 2], r'image data \(list\) cannot be read', id='list'),
])
def test_an_invalid_header_is_refused_before_decoding(data, complaint):
    with pytest.raises(FrameError, match=complaint):
        Frame.compressed(data)


def test_images_of_8k_are_accepted_in_both_orientations():
    for size in (Size(7680, 4320), Size(4320, 7680)):
        assert size.width * size.height == MAX_PIXELS
        assert Frame.compressed(jpeg_header(size)).size == size


def test_the_size_is_found_after_other_segments():
    segments = [(0xe0, b'JFIF\0' + bytes(9)), (0xe2, b'\xff\xc0' + bytes(60000)),
                (0xdb, bytes(65)), *[(0xfe, b'')] * 900]
    assert Frame.compressed(jpeg_header(Size(640, 480), *segments)).size == Size(640, 480)


@pytest.mark.parametrize('kind', FILES)
def test_a_decoded_image_of_another_size_than_stated_is_refused(kind):
    frame = Frame.compressed(FILES[kind])
    with pytest.raises(FrameError, match=r'48x36; expected.*: 40x30'):
        Frame(Size(40, 30), frame.encoding, frame.planes).bgr()


@pytest.mark.parametrize(('needed', 'decoded'), [
    pytest.param(Size(640, 480), Size(640, 480), id='full size'),
    pytest.param(Size(321, 100), Size(640, 480), id='more than half'),
    pytest.param(Size(320, 240), Size(320, 240), id='half'),
    pytest.param(Size(160, 200), Size(320, 240), id='half because of the height'),
    pytest.param(Size(160, 120), Size(160, 120), id='quarter'),
    pytest.param(Size(2, 2), Size(80, 60), id='at least an eighth'),
    pytest.param(Size(1280, 960), Size(640, 480), id='more than the file has'),
])
def test_a_jpeg_is_decoded_at_the_smallest_sufficient_size(needed, decoded):
    frame = Frame.compressed(encode_file(smooth_image(Size(640, 480)), 'jpg'))
    pixels = decode(frame.planes[0], 'jpeg', frame.size, needed)
    assert Size(*pixels.shape[1::-1]) == decoded
    expected = cv2.resize(smooth_image(Size(640, 480)), decoded, interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(pixels, expected, atol=12)


def test_only_jpeg_files_are_decoded_at_a_reduced_size():
    for name in ('png', 'tiff', 'webp'):
        frame = Frame.compressed(encode_file(noisy_image(Size(64, 48)), name))
        assert frame.decoded(Size(8, 6)).size == Size(64, 48)
