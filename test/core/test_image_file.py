# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files are measured before they are decoded; damaged files are refused."""

from __future__ import annotations

import struct
import zlib

import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.image_file import MAX_PIXELS, decode
from fcos_ros.core.resize import Size

SIZES = st.builds(Size, st.integers(1, 70), st.integers(1, 70))
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'


def smooth_image(size, channels=3):
    y, x = np.mgrid[:size.height, :size.width]
    waves = [127 + 100 * np.sin((x + number * y) / 20) for number in range(channels)]
    return np.stack(waves, -1).astype(np.uint8)


def encode_file(pixels, name, *options):
    return cv2.imencode(f'.{name}', pixels, list(options))[1].tobytes()


def segment(marker, content):
    return bytes([0xff, marker]) + struct.pack('>H', len(content) + 2) + content


def jpeg_header(size, *before):
    """Return a JPEG up to its frame header: other segments (marker, content) come before."""
    frame_header = struct.pack('>BHHB', 8, size.height, size.width, 3) + bytes(9)
    segments = [*before, (0xC0, frame_header)]
    return b'\xff\xd8' + b''.join(segment(marker, content) for marker, content in segments)


def chunk(name, content=b'', length=None):
    stated_length = struct.pack('>I', len(content) if length is None else length)
    return stated_length + name + content + struct.pack('>I', zlib.crc32(name + content))


def png_header(size):
    return PNG_SIGNATURE + chunk(b'IHDR', struct.pack('>IIBBBBB', *size, 8, 2, 0, 0, 0))


IMAGE = smooth_image(Size(48, 36))
FILES = {
    'jpeg': encode_file(IMAGE, 'jpg'),
    'progressive jpeg': encode_file(IMAGE, 'jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'jpeg with restarts': encode_file(IMAGE, 'jpg', cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    'png': encode_file(IMAGE, 'png'),
}


@given(st.sampled_from(['jpg', 'png']), SIZES)
def test_the_size_is_read_from_the_header_and_the_file_is_not_copied(name, size):
    file = np.frombuffer(encode_file(smooth_image(size), name), np.uint8)
    frame = Frame.compressed(file)
    assert frame.size == size
    assert frame.encoding == {'jpg': 'jpeg', 'png': 'png'}[name]
    assert np.shares_memory(frame.planes[0], file)
    assert frame.bgr().shape == (size.height, size.width, 3)


def test_pixels_of_a_png_are_exact_and_those_of_a_jpeg_are_similar():
    pixels = smooth_image(Size(64, 48))
    np.testing.assert_array_equal(Frame.compressed(encode_file(pixels, 'png')).bgr(), pixels)
    jpeg = Frame.compressed(encode_file(pixels, 'jpg', cv2.IMWRITE_JPEG_QUALITY, 98))
    np.testing.assert_allclose(jpeg.bgr(), pixels, atol=12)


COLOUR, GREY, BGRA = (smooth_image(Size(9, 7), channels) for channels in (3, 1, 4))


@pytest.mark.parametrize(('pixels', 'name', 'expected'), [
    pytest.param(GREY, 'png', GREY, id='grey PNG'),
    pytest.param(GREY, 'jpg', GREY, id='grey JPEG'),
    pytest.param(BGRA, 'png', BGRA[..., :3], id='PNG with alpha'),
    pytest.param(256 * GREY.astype(np.uint16), 'png', GREY, id='grey PNG of 16 bits'),
    pytest.param(256 * COLOUR.astype(np.uint16), 'png', COLOUR, id='PNG of 16 bits'),
])
def test_files_with_other_pixels_are_decoded_to_bgr(pixels, name, expected):
    found = Frame.compressed(encode_file(pixels, name)).bgr()
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=8)


def cmyk_jpeg():
    """Return a JPEG of four components, each of one grey block, with codes of one bit."""
    tables = b''.join(bytes([0xff, 0xc4, 0, 20, kind, 1, *[0] * 15, 0]) for kind in (0x00, 0x10))
    frame = bytes([8, 0, 8, 0, 8, 4]) + b''.join(bytes([n, 0x11, 0]) for n in range(1, 5))
    scan = bytes([4]) + b''.join(bytes([n, 0]) for n in range(1, 5)) + bytes([0, 63, 0])
    parts = [(0xdb, bytes([0, *[1] * 64])), (0xc0, frame)]
    head = b''.join(segment(marker, content) for marker, content in parts)
    return b'\xff\xd8' + head + tables + segment(0xda, scan) + b'\x00\xff\xd9'


def test_a_cmyk_jpeg_is_decoded_to_bgr():
    bgr = Frame.compressed(cmyk_jpeg()).bgr()
    assert bgr.shape == (8, 8, 3)
    assert np.ptp(bgr) == 0
    assert 40 < bgr[0, 0, 0] < 90


def test_a_jpeg_without_huffman_tables_as_of_webcams_is_decoded():
    file = FILES['jpeg']
    first, scan = file.find(b'\xff\xc4'), file.find(b'\xff\xda')
    assert scan - first == 432  # the four standard Huffman tables
    without_tables = Frame.compressed(file[:first] + file[scan:])
    np.testing.assert_array_equal(without_tables.bgr(), Frame.compressed(file).bgr())


def test_the_orientation_tag_is_ignored():
    """Boxes are in pixels of the image as it was sent."""
    rotated = b'II*\0\x08\0\0\0\x01\0' + struct.pack('<HHIII', 0x112, 3, 1, 6, 0)
    tag = segment(0xe1, b'Exif\0\0' + rotated)
    plain = encode_file(smooth_image(Size(32, 16)), 'jpg')
    frame = Frame.compressed(plain[:2] + tag + plain[2:])
    assert frame.size == Size(32, 16)
    np.testing.assert_array_equal(frame.bgr(), Frame.compressed(plain).bgr())


@pytest.mark.parametrize('kind', FILES)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_truncated_at_any_byte_is_refused(kind, share):
    file = FILES[kind]
    with pytest.raises(FrameError):
        Frame.compressed(file[:int(share * len(file))]).bgr()


@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('padding', [bytes(1), bytes(500), b'\xff' * 9, b'\x12\x34' * 50],
                         ids=['one zero', 'zeros', 'ones', 'other bytes'])
def test_bytes_after_the_end_are_ignored(kind, padding):
    np.testing.assert_array_equal(Frame.compressed(FILES[kind] + padding).bgr(),
                                  Frame.compressed(FILES[kind]).bgr())


def test_the_end_marker_of_a_thumbnail_is_not_the_end_of_the_file():
    tag = segment(0xe1, b'Exif\0\0' + encode_file(smooth_image(Size(8, 8)), 'jpg'))
    plain = encode_file(smooth_image(Size(64, 64)), 'jpg')
    file = plain[:2] + tag + plain[2:]
    assert Frame.compressed(file).bgr().shape == (64, 64, 3)
    with pytest.raises(FrameError, match=r'file 64x64 of \d+ bytes is truncated: it has no end'):
        Frame.compressed(file[:-200]).bgr()


def with_scans(count, between=b''):
    """Repeat the last scan of a progressive JPEG, with other bytes before each repetition."""
    file = FILES['progressive jpeg']
    last = file.rfind(b'\xff\xda')
    more = (count - file.count(b'\xff\xda')) * (between + file[last:-2])
    return file[:-2] + more + b'\xff\xd9'


def test_a_jpeg_with_more_than_50_scans_is_refused():
    assert Frame.compressed(with_scans(50)).bgr().shape == (36, 48, 3)
    with pytest.raises(FrameError, match=r'file 48x36 of \d+ bytes has more than 50 scans'):
        Frame.compressed(with_scans(51)).bgr()


@pytest.mark.parametrize('between', [
    pytest.param(segment(0xfe, b'\xff\xd9'), id='end marker in a comment'),
    pytest.param(segment(0xfe, bytes(300) + b'\xff'), id='first byte of a marker in a comment'),
    pytest.param(b'\xff\xd3' + b'\xff' * 9, id='restart marker and padding'),
])
def test_scans_after_other_segments_are_counted(between):
    with pytest.raises(FrameError, match='has more than 50 scans'):
        Frame.compressed(with_scans(51, between)).bgr()


def test_markers_inside_a_comment_or_after_the_end_are_ignored():
    comment = segment(0xfe, 100 * b'\xff\xda\xff\xd9')
    file = with_scans(12, comment)
    np.testing.assert_array_equal(Frame.compressed(file + 100 * b'\xff\xda').bgr(),
                                  Frame.compressed(with_scans(12)).bgr())
    for cut in range(1, 3 * len(comment)):
        with pytest.raises(FrameError, match='is truncated: it has no end'):
            Frame.compressed(file[:-cut]).bgr()


def test_a_jpeg_with_more_than_1000_segments_after_its_first_scan_is_refused():
    endless = FILES['jpeg'][:-2] + 1001 * segment(0xfe, b'') + b'\xff\xd9'
    with pytest.raises(FrameError, match='more than 1000 segments after its first scan'):
        Frame.compressed(endless).bgr()


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
       st.sampled_from([b'', b'\xff\xd8\xff', b'\xff\xd8', PNG_SIGNATURE]))
def test_random_bytes_are_refused(content, start):
    with pytest.raises(FrameError):
        Frame.compressed(start + content).bgr()


@pytest.mark.parametrize(('data', 'complaint'), [
    pytest.param(b'', 'of 0 bytes begins with nothing; accepted: jpeg, png', id='no bytes'),
    pytest.param(b'GIF89a1234', 'of 10 bytes begins with 47 49 46 38 39 61 31 32', id='GIF'),
    pytest.param(b'\xff\xd8\xff\xd9', 'jpeg file of 4 bytes is damaged: no header',
                 id='end after start'),
    pytest.param(b'\xff\xd8\xff' + b'\xff' * 10**6, 'is damaged: no header', id='endless padding'),
    pytest.param(b'\xff\xd8' + b'\xff\xfe\0\2' * 10**5, 'is damaged: no header',
                 id='endless comments'),
    pytest.param(b'\xff\xd8\xff\xfe\0\0' * 9, 'is damaged: no header', id='segment of length 0'),
    pytest.param(b'\xff\xd8\xff\xd0\0\2' + jpeg_header(Size(8, 8))[2:], 'is damaged: no header',
                 id='restart before the header'),
    pytest.param(jpeg_header(Size(8, 8), *[(0xfe, b'')] * 1000), 'is damaged: no header',
                 id='too many comments'),
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


@pytest.mark.parametrize(('chunks', 'complaint'), [
    pytest.param(chunk(b'IDAT', bytes(9), length=2**31 - 1) + chunk(b'IEND'),
                 "is truncated: its chunk b'IDAT' at 33 states 2147483647 bytes", id='huge chunk'),
    pytest.param(chunk(b'IDAT', bytes(9))[:-1] + b'\x7f' + chunk(b'IEND'),
                 "is damaged: its chunk b'IDAT' at 33 has a wrong checksum", id='wrong checksum'),
    pytest.param(50_000 * chunk(b'tEXt'), 'is damaged: it has more than 50000 chunks',
                 id='too many chunks'),
    pytest.param(chunk(b'IDAT', bytes(9)) + bytes(9), 'is truncated: it has no IEND chunk',
                 id='no end'),
    pytest.param(chunk(b'IDAT', bytes(9)) + chunk(b'IEND'), 'cannot be decoded: it is damaged',
                 id='no pixels'),
])
def test_a_png_with_a_damaged_chunk_is_refused(chunks, complaint):
    frame = Frame.compressed(png_header(Size(8, 8)) + chunks)
    with pytest.raises(FrameError, match=f'png file 8x8 of .* {complaint}'):
        frame.bgr()


def with_chunks(*chunks):
    return FILES['png'][:33] + b''.join(chunks) + FILES['png'][33:]


def bytes_given_to_opencv(file, monkeypatch):
    """Decode a file, and return the data with which OpenCV was called."""
    calls = []
    imdecode = cv2.imdecode
    monkeypatch.setattr(
        cv2, 'imdecode', lambda *arguments: calls.append(arguments) or imdecode(*arguments))
    Frame.compressed(file).bgr()
    return calls[0][0]


@pytest.mark.parametrize(('name', 'start'), [
    (b'zTXt', b'key\0\0'), (b'iTXt', b'key\0\1\0\0\0'), (b'iCCP', b'key\0\0')])
def test_compressed_texts_of_a_png_are_removed_before_decoding(name, start, monkeypatch):
    text = chunk(name, start + zlib.compress(bytes(7_900_000)))
    data = bytes_given_to_opencv(with_chunks(*60 * [text]), monkeypatch)
    assert data.tobytes() == FILES['png']


def test_a_png_without_ancillary_chunks_is_decoded_without_a_copy(monkeypatch):
    file = np.frombuffer(FILES['png'], np.uint8)
    assert np.shares_memory(bytes_given_to_opencv(file, monkeypatch), file)


@pytest.mark.parametrize(('depth', 'kind', 'row', 'extra'), [
    pytest.param(8, 3, 4, [(b'tRNS', bytes(9)), (b'bKGD', b'\1')], id='palette'),
    pytest.param(8, 0, 4, [(b'sBIT', b'\4'), (b'tRNS', b'\0\x0b'), (b'bKGD', b'\0\1')], id='grey'),
    pytest.param(16, 0, 8, [(b'gAMA', b'\0\3\x5b\x60'), (b'tRNS', b'\0\x0b')], id='16 bits'),
    pytest.param(8, 6, 16, [(b'sRGB', b'\0'), (b'bKGD', bytes(6))], id='PNG with alpha'),
])
def test_removing_ancillary_chunks_does_not_change_the_pixels(depth, kind, row, extra):
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 2, depth, kind, 0, 0, 0))
    palette = chunk(b'PLTE', bytes(range(90))) if kind == 3 else b''
    rows = zlib.compress(2 * bytes([0, *range(10, 10 + row)]))
    pixels = palette, *(chunk(*one) for one in extra), chunk(b'IDAT', rows), chunk(b'IEND')
    file = PNG_SIGNATURE + header + b''.join(pixels)
    np.testing.assert_array_equal(
        Frame.compressed(file).bgr(),
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR))


def test_a_decoded_image_of_another_size_than_stated_is_refused():
    frame = Frame.compressed(FILES['png'])
    with pytest.raises(FrameError, match='is decoded to 48x36; expected from its header: 40x30'):
        Frame(Size(40, 30), 'png', frame.planes).bgr()


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
