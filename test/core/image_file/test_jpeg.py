# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JPEG files are read as libjpeg does, and decoded only if their data are complete."""

from __future__ import annotations

import re
import struct

from core.image_file.files import (
    JPEG_END,
    encode_file,
    jpeg_data,
    jpeg_segments,
    noisy_image,
    segment,
    smooth_image,
    view,
)
import cv2
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.image_file import jpeg
from fcos_ros.core.resize import Size

QUALITY, PROGRESSIVE, RESTARTS, OPTIMIZED = (
    cv2.IMWRITE_JPEG_QUALITY, cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_RST_INTERVAL,
    cv2.IMWRITE_JPEG_OPTIMIZE)
SIZE = Size(320, 240)
IMAGE = noisy_image(SIZE)


def with_flat_part(pixels):
    """Own code tables then have the code for a block without a change of colour."""
    pixels = pixels.copy()
    pixels[:40] = 90
    return pixels


SINGLE = {
    'colour': encode_file(IMAGE, 'jpg'),
    'grey': encode_file(noisy_image(SIZE, 1), 'jpg'),
    'odd size': encode_file(noisy_image(Size(317, 235)), 'jpg'),
    'own code tables': encode_file(with_flat_part(IMAGE), 'jpg', OPTIMIZED, 1),
    'narrow': encode_file(noisy_image(Size(20, 900)), 'jpg'),
    'high quality': encode_file(IMAGE, 'jpg', QUALITY, 95),
    'low quality': encode_file(IMAGE, 'jpg', QUALITY, 20),
    'longer interval than image': encode_file(IMAGE, 'jpg', RESTARTS, 300),
}
"""Files with one scan and without restart markers."""

RESTARTING = {
    'a restart each row': encode_file(IMAGE, 'jpg', RESTARTS, 20),
    'a restart each row, odd size': encode_file(noisy_image(Size(317, 235)), 'jpg', RESTARTS, 20),
    'restarts inside rows': encode_file(IMAGE, 'jpg', RESTARTS, 7),
    'a restart in the middle': encode_file(IMAGE, 'jpg', RESTARTS, 150),
    'a restart after each MCU': encode_file(IMAGE, 'jpg', RESTARTS, 1),
    'more restarts than fit in a column': encode_file(
        noisy_image(Size(1040, 1056)), 'jpg', RESTARTS, 1),
    'a restart after more MCUs than fit in a row': encode_file(
        noisy_image(Size(1360, 1000)), 'jpg', RESTARTS, 4200),
}
FILES = {**SINGLE, **RESTARTING, 'progressive': encode_file(IMAGE, 'jpg', PROGRESSIVE, 1)}

SHARES = st.floats(0, 1, exclude_max=True)
ENDS = pytest.mark.parametrize('end', [JPEG_END, b'', b'\xff', b'\xff\xff\xff\xd9'], ids=[
    'end marker', 'no end marker', 'half an end marker', 'padding before the end marker'])

REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
           8: cv2.IMREAD_REDUCED_COLOR_8}


def decode(file, divisor=1):
    size, _ = jpeg.read_header(view(file))
    return jpeg.decode(view(file), size, divisor)


# Good files

@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('divisor', REDUCED)
def test_the_pixels_are_those_of_libjpeg_and_nothing_is_printed(kind, divisor, capfd):
    expected = cv2.imdecode(view(FILES[kind]), REDUCED[divisor])
    found = decode(FILES[kind], divisor)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:-1, :-1], expected[:-1, :-1])
    for place in ((-1, slice(None)), (slice(None), -1)):
        np.testing.assert_allclose(found[place].astype(int), expected[place], atol=8)
    assert capfd.readouterr().err == ''


def wall(level):
    return np.full((240, 320, 3), level, np.uint8)


def with_bars(level):
    pixels = IMAGE.copy()
    pixels[:40] = pixels[-48:] = level
    return pixels


@pytest.mark.parametrize('options', [
    (), (OPTIMIZED, 1), (RESTARTS, 20), (RESTARTS, 7), (RESTARTS, 40), (PROGRESSIVE, 1)],
    ids=['standard', 'own code tables', 'a restart each row', 'restarts', 'each second row',
         'progressive'])
@pytest.mark.parametrize('quality', [30, 75, 95, 100])
@pytest.mark.parametrize('pixels', [
    *(pytest.param(wall(level), id=f'{level}') for level in (0, 1, 127, 128, 129, 255)),
    pytest.param(wall((255, 0, 0)), id='blue'), pytest.param(wall((0, 0, 255)), id='red'),
    *(pytest.param(with_bars(level), id=f'bars of {level}') for level in (0, 128, 255)),
])
def test_a_wall_or_a_dark_room_is_no_damage(pixels, quality, options):
    file = encode_file(pixels, 'jpg', QUALITY, quality, *options)
    for divisor in REDUCED:
        assert decode(file, divisor).shape[0] == 240 // divisor


@given(st.builds(Size, st.integers(1, 70), st.integers(1, 70)), st.sampled_from([1, 3]),
       st.sampled_from([(), (RESTARTS, 1), (RESTARTS, 3), (OPTIMIZED, 1), (PROGRESSIVE, 1)]),
       st.integers(1, 100), st.sampled_from(sorted(REDUCED)), st.booleans())
def test_a_good_file_of_any_size_is_decoded(size, channels, options, quality, divisor, marked):
    file = encode_file(noisy_image(size, channels), 'jpg', QUALITY, quality, *options)
    pixels = decode(file if marked or PROGRESSIVE in options[:1] else file[:-2], divisor)
    assert pixels.shape == (-(-size.height // divisor), -(-size.width // divisor), 3)
    assert jpeg.read_header(view(file)) == (size, channels == 1)


@given(st.builds(Size, st.integers(1, 70), st.integers(1, 70)), st.integers(0, 99))
def test_noise_of_the_best_quality_is_no_damage(size, seed):
    """Its last block may end without the code for the end of a block."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size.height, size.width, 3), np.uint8)
    file = encode_file(pixels, 'jpg', QUALITY, 100)
    np.testing.assert_array_equal(decode(file)[:-1], cv2.imdecode(view(file), 1)[:-1])


@pytest.mark.parametrize('kind', [*SINGLE, *RESTARTING])
@ENDS
def test_a_file_whose_only_fault_is_its_end_marker_is_decoded(kind, end):
    np.testing.assert_array_equal(decode(FILES[kind][:-2] + end), decode(FILES[kind]))


@pytest.mark.parametrize('kind', FILES)
def test_a_second_image_after_the_end_is_ignored(kind):
    np.testing.assert_array_equal(decode(FILES[kind] + SINGLE['grey']), decode(FILES[kind]))


def test_a_jpeg_without_huffman_tables_as_of_webcams_is_decoded():
    file = SINGLE['colour']
    first, scan = file.find(b'\xff\xc4'), file.find(b'\xff\xda')
    assert scan - first == 432  # the four standard Huffman tables
    np.testing.assert_array_equal(decode(file[:first] + file[scan:]), decode(file))


def cmyk_jpeg():
    """Return a JPEG of four components, each of one grey block, with codes of one bit."""
    tables = b''.join(bytes([0xff, 0xc4, 0, 20, kind, 1, *[0] * 15, 0]) for kind in (0x00, 0x10))
    frame = bytes([8, 0, 8, 0, 8, 4]) + b''.join(bytes([n, 0x11, 0]) for n in range(1, 5))
    scan = bytes([4]) + b''.join(bytes([n, 0]) for n in range(1, 5)) + bytes([0, 63, 0])
    parts = [(0xdb, bytes([0, *[1] * 64])), (0xc0, frame)]
    head = b''.join(segment(marker, content) for marker, content in parts)
    return b'\xff\xd8' + head + tables + segment(0xda, scan) + b'\x00\xff\xd9'


def test_a_cmyk_jpeg_is_decoded_to_bgr():
    bgr = decode(cmyk_jpeg())
    assert bgr.shape == (8, 8, 3)
    assert np.ptp(bgr) == 0
    assert 40 < bgr[0, 0, 0] < 90


def test_the_orientation_tag_is_ignored():
    """Boxes are in pixels of the image as it was sent."""
    rotated = b'II*\0\x08\0\0\0\x01\0' + struct.pack('<HHIII', 0x112, 3, 1, 6, 0)
    tag = segment(0xe1, b'Exif\0\0' + rotated)
    plain = encode_file(smooth_image(Size(32, 16)), 'jpg')
    frame = Frame.compressed(plain[:2] + tag + plain[2:])
    assert frame.size == Size(32, 16)
    np.testing.assert_array_equal(frame.bgr(), Frame.compressed(plain).bgr())


def test_the_end_marker_of_a_thumbnail_is_not_the_end_of_the_file():
    tag = segment(0xe1, b'Exif\0\0' + encode_file(smooth_image(Size(8, 8)), 'jpg'))
    plain = encode_file(smooth_image(Size(64, 64)), 'jpg')
    file = plain[:2] + tag + plain[2:]
    np.testing.assert_array_equal(decode(file), decode(plain))
    with pytest.raises(FrameError, match='data are missing'):
        decode(file[:-200])


# Damaged data

def is_refused(file, divisor=1):
    try:
        decode(file, divisor)
    except FrameError:
        return True
    return False


@pytest.mark.parametrize('kind', [*SINGLE, *RESTARTING])
@ENDS
@given(share=SHARES, divisor=st.sampled_from(sorted(REDUCED)))
@settings(max_examples=30)
def test_a_file_that_lost_its_tail_is_refused(kind, end, share, divisor):
    start, stop = jpeg_data(FILES[kind])
    cut = start + int(share * (stop - 100 - start))  # a loss in the last MCU may be unnoticed
    assert is_refused(FILES[kind][:cut] + end, divisor)


@pytest.mark.parametrize('kind', [*SINGLE, *RESTARTING])
@pytest.mark.parametrize('damage', [
    lambda file, start, stop: file[:start] + file[stop:],
    lambda file, start, stop: file[:stop] + file[start:],
], ids=['lost', 'twice'])
@given(share=SHARES)
@settings(max_examples=30)
def test_a_file_with_lost_or_repeated_data_is_refused(kind, damage, share):
    start, stop = jpeg_data(FILES[kind])
    length = min(3000, (stop - start) // 2)
    begin = start + int(share * (stop - start - length))
    assert is_refused(damage(FILES[kind], begin, begin + length))


def test_overwritten_data_are_nearly_always_noticed():
    rng = np.random.default_rng(0)
    start, stop = jpeg_data(SINGLE['colour'])
    contents = (np.zeros(2000), rng.integers(0, 256, 2000), view(SINGLE['colour'])[start:])
    missed = 0
    for content in contents:
        for begin in rng.integers(start, stop - 2000, 30):
            file = view(SINGLE['colour']).copy()
            file[begin:begin + 2000] = content[:2000]
            missed += not is_refused(file.tobytes())
    assert missed <= 4  # by chance, they have the right number of MCUs


@pytest.mark.parametrize('kind', RESTARTING)
def test_a_restart_marker_that_is_lost_or_doubled_is_noticed(kind):
    file, (start, stop) = FILES[kind], jpeg_data(FILES[kind])
    markers = [start + found.start()
               for found in re.finditer(rb'\xff[\xd0-\xd7]', file[start:stop])]
    for at in markers[::7]:
        assert is_refused(file[:at] + file[at + 2:])
        assert is_refused(file[:at] + file[at:at + 2] + file[at:])


def test_a_file_without_data_is_refused():
    for kind in ('colour', 'a restart each row', 'progressive'):
        start = FILES[kind].find(b'\xff\xda')
        start += 2 + struct.unpack_from('>H', FILES[kind], start + 2)[0]
        for end in (b'', b'\xff', JPEG_END, bytes(1), 9 * b'\xff'):
            assert is_refused(FILES[kind][:start] + end)


# Progressive files

def with_scans(count, between=b''):
    """Repeat the last scan of a progressive JPEG, with other bytes before each repetition."""
    file = encode_file(smooth_image(Size(48, 36)), 'jpg', PROGRESSIVE, 1)
    last = file.rfind(b'\xff\xda')
    more = (count - file.count(b'\xff\xda')) * (between + file[last:-2])
    return file[:-2] + more + JPEG_END


def test_a_progressive_file_that_lost_scans_is_refused():
    file = FILES['progressive']
    last = file.rfind(b'\xff\xda')
    with pytest.raises(FrameError, match='1 of its components are not complete'):
        decode(file[:last] + JPEG_END)


@given(share=SHARES)
def test_a_progressive_file_without_its_end_is_refused(share):
    file = FILES['progressive']
    with pytest.raises(FrameError):
        decode(file[:int(share * (len(file) - 1))])


def test_a_jpeg_with_more_than_50_scans_is_refused():
    assert decode(with_scans(50)).shape == (36, 48, 3)
    with pytest.raises(FrameError, match='it has more than 50 scans'):
        decode(with_scans(51))


@pytest.mark.parametrize('between', [
    pytest.param(segment(0xfe, b'\xff\xd9'), id='end marker in a comment'),
    pytest.param(segment(0xfe, bytes(300) + b'\xff'), id='first byte of a marker in a comment'),
    pytest.param(b'\xff\x01' + b'\xff' * 9, id='empty marker and padding'),
])
def test_scans_after_other_segments_are_counted(between):
    with pytest.raises(FrameError, match='has more than 50 scans'):
        decode(with_scans(51, between))


def test_markers_inside_a_comment_or_after_the_end_are_ignored():
    comment = segment(0xfe, 100 * b'\xff\xda\xff\xd9')
    file = with_scans(12, comment)
    np.testing.assert_array_equal(decode(file + 100 * b'\xff\xda'), decode(with_scans(12)))


def test_a_progressive_jpeg_with_more_than_1000_segments_is_refused():
    with pytest.raises(FrameError, match='more than 1000 segments'):
        decode(with_scans(12, 500 * segment(0xfe, b'')))


# Headers

@given(st.data())
def test_other_bytes_between_segments_are_skipped_as_libjpeg_does(data):
    pieces, rest = jpeg_segments(SINGLE['colour'])
    junk = st.binary(max_size=3).filter(lambda junk: b'\xff' not in junk) | st.sampled_from(
        [b'\xff', b'\xff\xff', b'\xff\0', b'\xff\x01', b'\xff\xd3', b'\0\xff\0'])
    file = pieces[0] + b''.join(piece + data.draw(junk) for piece in pieces[1:]) + rest
    assert jpeg.read_header(view(file))[0] == SIZE
    np.testing.assert_array_equal(decode(file), decode(SINGLE['colour']))


def test_nothing_is_printed_for_other_bytes_between_segments(capfd):
    """A camera that sends them would fill the log."""
    pieces, rest = jpeg_segments(SINGLE['colour'])
    decode(pieces[0] + b'\0\0\0'.join(pieces[1:]) + rest)
    assert capfd.readouterr().err == ''


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=300)
def test_the_size_is_that_of_libjpeg_whatever_the_header(kind, data):
    """It is never another one than OpenCV decodes, and only `FrameError` is raised."""
    file = bytearray(FILES[kind])
    stop = FILES[kind].find(b'\xff\xda') + 14
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(3, stop - 1))
        length = data.draw(st.integers(0, 3))
        file[at:at + length] = data.draw(st.binary(max_size=4) | st.sampled_from(
            [b'\xff', b'\xff\xd8', b'\xff\xd9', b'\xff\xc0', b'\xff\xda', b'\xff\xfe', b'\0\0']))
    try:
        size = Frame.compressed(bytes(file)).size
    except FrameError:
        return
    small = size.width * size.height < 10**6
    is_refused(bytes(file)) if small else None
    pixels = cv2.imdecode(view(file), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    if pixels is not None:
        assert pixels.shape == (-(-size.height // 8), -(-size.width // 8))


def test_a_second_frame_header_is_refused():
    pieces, rest = jpeg_segments(SINGLE['colour'])
    frame = next(piece for piece in pieces if piece[1] == 0xC0)
    with pytest.raises(FrameError, match='2 headers state its size'):
        decode(b''.join(pieces) + frame + rest)
