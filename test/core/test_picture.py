# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures: sized before they are decoded, and whole or refused."""

from __future__ import annotations

import struct
import zlib

import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.frame import Frame, FrameError
from fcos_ros.core.picture import MOST_PIXELS, decode
from fcos_ros.core.resize import Size

SIZES = st.builds(Size, st.integers(1, 70), st.integers(1, 70))
CHUNK = b'\x89PNG\r\n\x1a\n'


def painting(size, channels=3):
    y, x = np.mgrid[:size.height, :size.width]
    waves = [127 + 100 * np.sin((x + number * y) / 20) for number in range(channels)]
    return np.stack(waves, -1).astype(np.uint8)


def file_of(pixels, name, *options):
    return cv2.imencode(f'.{name}', pixels, list(options))[1].tobytes()


def jpeg_claiming(size, *before):
    """Make the head of a JPEG: some segments (marker, content), then that of a frame."""
    frame = struct.pack('>BHHB', 8, size.height, size.width, 3) + bytes(9)
    segments = [*before, (0xC0, frame)]
    return b'\xff\xd8' + b''.join(
        bytes([0xff, marker]) + struct.pack('>H', len(content) + 2) + content
        for marker, content in segments)


def png_claiming(size):
    head = b'IHDR' + struct.pack('>IIBBBBB', *size, 8, 2, 0, 0, 0)
    return CHUNK + struct.pack('>I', 13) + head + struct.pack('>I', zlib.crc32(head))


WHOLE = {
    'jpeg': file_of(painting(Size(48, 36)), 'jpg'),
    'progressive jpeg': file_of(painting(Size(48, 36)), 'jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'jpeg with restarts': file_of(painting(Size(48, 36)), 'jpg', cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    'png': file_of(painting(Size(48, 36)), 'png'),
}


@given(st.sampled_from(['jpg', 'png']), SIZES)
def test_the_size_is_that_of_the_pixels_and_the_file_is_not_copied(name, size):
    file = np.frombuffer(file_of(painting(size), name), np.uint8)
    frame = Frame.compressed(file)
    assert frame.size == size
    assert frame.encoding == {'jpg': 'jpeg', 'png': 'png'}[name]
    assert np.shares_memory(frame.planes[0], file)
    assert frame.bgr().shape == (size.height, size.width, 3)


def test_png_is_lossless_and_jpeg_nearly():
    pixels = painting(Size(64, 48))
    np.testing.assert_array_equal(Frame.compressed(file_of(pixels, 'png')).bgr(), pixels)
    jpeg = Frame.compressed(file_of(pixels, 'jpg', cv2.IMWRITE_JPEG_QUALITY, 98))
    np.testing.assert_allclose(jpeg.bgr(), pixels, atol=12)


@pytest.mark.parametrize(('pixels', 'name', 'expected'), [
    pytest.param(painting(Size(9, 7), 1), 'png', painting(Size(9, 7), 1), id='grey PNG'),
    pytest.param(painting(Size(9, 7), 1), 'jpg', painting(Size(9, 7), 1), id='grey JPEG'),
    pytest.param(painting(Size(9, 7), 4), 'png', painting(Size(9, 7), 4)[..., :3], id='alpha'),
    pytest.param(256 * painting(Size(9, 7), 1).astype(np.uint16), 'png', painting(Size(9, 7), 1),
                 id='grey PNG of 16 bits'),
    pytest.param(256 * painting(Size(9, 7)).astype(np.uint16), 'png', painting(Size(9, 7)),
                 id='PNG of 16 bits'),
])
def test_pixels_of_any_kind_become_bgr(pixels, name, expected):
    found = Frame.compressed(file_of(pixels, name)).bgr()
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=8)


def cmyk_jpeg():
    """Make a JPEG of four components: one block each, grey, with codes of one bit."""
    tables = b''.join(bytes([0xff, 0xc4, 0, 20, kind, 1, *[0] * 15, 0]) for kind in (0x00, 0x10))
    frame = bytes([8, 0, 8, 0, 8, 4]) + b''.join(bytes([n, 0x11, 0]) for n in range(1, 5))
    scan = bytes([4]) + b''.join(bytes([n, 0]) for n in range(1, 5)) + bytes([0, 63, 0])
    parts = [(0xdb, bytes([0, *[1] * 64])), (0xc0, frame)]
    head = b''.join(bytes([0xff, marker]) + struct.pack('>H', len(content) + 2) + content
                    for marker, content in parts)
    scan = b'\xff\xda' + struct.pack('>H', len(scan) + 2) + scan
    return b'\xff\xd8' + head + tables + scan + b'\x00\xff\xd9'


def test_the_inks_of_a_printer_become_bgr():
    bgr = Frame.compressed(cmyk_jpeg()).bgr()
    assert bgr.shape == (8, 8, 3)
    assert np.ptp(bgr) == 0
    assert 40 < bgr[0, 0, 0] < 90


def test_tables_that_all_cameras_share_may_be_left_out_as_webcams_do():
    whole = WHOLE['jpeg']
    first, scan = whole.find(b'\xff\xc4'), whole.find(b'\xff\xda')
    assert scan - first == 432  # the four standard tables
    short = whole[:first] + whole[scan:]
    np.testing.assert_array_equal(Frame.compressed(short).bgr(), Frame.compressed(whole).bgr())


def test_the_tag_that_says_how_the_camera_was_held_is_not_obeyed():
    """Boxes are in the pixels that were sent."""
    turned = b'II*\0\x08\0\0\0\x01\0' + struct.pack('<HHIII', 0x112, 3, 1, 6, 0)
    content = b'Exif\0\0' + turned
    tag = b'\xff\xe1' + struct.pack('>H', len(content) + 2) + content
    plain = file_of(painting(Size(32, 16)), 'jpg')
    frame = Frame.compressed(plain[:2] + tag + plain[2:])
    assert frame.size == Size(32, 16)
    np.testing.assert_array_equal(frame.bgr(), Frame.compressed(plain).bgr())


@pytest.mark.parametrize('kind', WHOLE)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_anywhere_is_refused(kind, share):
    whole = WHOLE[kind]
    with pytest.raises(FrameError):
        Frame.compressed(whole[:int(share * len(whole))]).bgr()


@pytest.mark.parametrize('kind', WHOLE)
@pytest.mark.parametrize('padding', [bytes(1), bytes(500), b'\xff' * 9, b'\x12\x34' * 50],
                         ids=['a zero', 'zeros', 'ones', 'anything'])
def test_padding_behind_the_end_is_harmless(kind, padding):
    np.testing.assert_array_equal(Frame.compressed(WHOLE[kind] + padding).bgr(),
                                  Frame.compressed(WHOLE[kind]).bgr())


def test_a_thumbnail_is_not_mistaken_for_the_end():
    thumbnail = b'Exif\0\0' + file_of(painting(Size(8, 8)), 'jpg')
    tag = b'\xff\xe1' + struct.pack('>H', len(thumbnail) + 2) + thumbnail
    plain = file_of(painting(Size(64, 64)), 'jpg')
    whole = plain[:2] + tag + plain[2:]
    assert Frame.compressed(whole).bgr().shape == (64, 64, 3)
    with pytest.raises(FrameError, match=r'picture 64x64 of \d+ bytes is cut off: it has no end'):
        Frame.compressed(whole[:-200]).bgr()


def segment(marker, content):
    return bytes([0xff, marker]) + struct.pack('>H', len(content) + 2) + content


def with_scans(count, between=b''):
    """Repeat the last scan of a progressive JPEG, with something before each repetition."""
    file = WHOLE['progressive jpeg']
    last = file.rfind(b'\xff\xda')
    more = (count - file.count(b'\xff\xda')) * (between + file[last:-2])
    return file[:-2] + more + b'\xff\xd9'


def test_a_jpeg_of_many_scans_is_refused_as_each_costs_time_for_all_pixels():
    assert Frame.compressed(with_scans(50)).bgr().shape == (36, 48, 3)
    with pytest.raises(FrameError, match=r'picture 48x36 of \d+ bytes has more than 50 scans'):
        Frame.compressed(with_scans(51)).bgr()


@pytest.mark.parametrize('between', [
    pytest.param(segment(0xfe, b'\xff\xd9'), id='the end in a comment'),
    pytest.param(segment(0xfe, bytes(300) + b'\xff'), id='half a marker in a comment'),
    pytest.param(b'\xff\xd3' + b'\xff' * 9, id='a restart and filling'),
])
def test_no_scan_is_hidden_by_what_stands_before_it(between):
    with pytest.raises(FrameError, match='has more than 50 scans'):
        Frame.compressed(with_scans(51, between)).bgr()


def test_what_only_looks_like_a_scan_or_an_end_is_neither():
    comment = segment(0xfe, 100 * b'\xff\xda\xff\xd9')
    whole = with_scans(12, comment)
    np.testing.assert_array_equal(Frame.compressed(whole + 100 * b'\xff\xda').bgr(),
                                  Frame.compressed(with_scans(12)).bgr())
    for cut in range(1, 3 * len(comment)):
        with pytest.raises(FrameError, match='is cut off: it has no end'):
            Frame.compressed(whole[:-cut]).bgr()


def test_segments_without_end_behind_the_first_scan_are_refused():
    endless = WHOLE['jpeg'][:-2] + 1001 * segment(0xfe, b'') + b'\xff\xd9'
    with pytest.raises(FrameError, match='more than 1000 segments behind its first scan'):
        Frame.compressed(endless).bgr()


@pytest.mark.parametrize('kind', WHOLE)
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
                       min_size=1, max_size=8))
def test_wrong_bytes_give_a_picture_of_the_size_or_an_error(kind, places):
    file = bytearray(WHOLE[kind])
    for share, value in places:
        file[int(share * len(file))] = value
    try:
        frame = Frame.compressed(bytes(file))
        # A changed size may be decoded in good faith: that needs memory, but is no error here.
        bgr = frame.bgr() if max(frame.size) < 1000 else None
    except FrameError:
        return
    assert bgr is None or bgr.shape == (frame.size.height, frame.size.width, 3)


@given(st.binary(max_size=200), st.sampled_from([b'', b'\xff\xd8\xff', b'\xff\xd8', CHUNK]))
def test_any_bytes_are_a_picture_or_an_error(content, head):
    with pytest.raises(FrameError):
        Frame.compressed(head + content).bgr()


@pytest.mark.parametrize(('data', 'complaint'), [
    pytest.param(b'', 'of 0 bytes begins with nothing: accepted are jpeg, png', id='nothing'),
    pytest.param(b'GIF89a1234', 'of 10 bytes begins with 47 49 46 38 39 61 31 32', id='GIF'),
    pytest.param(b'\xff\xd8\xff\xd9', 'jpeg picture of 4 bytes is broken: no header', id='empty'),
    pytest.param(b'\xff\xd8\xff' + b'\xff' * 10**6, 'is broken: no header', id='endless filling'),
    pytest.param(b'\xff\xd8' + b'\xff\xfe\0\2' * 10**5, 'is broken: no header',
                 id='endless comments'),
    pytest.param(b'\xff\xd8\xff\xfe\0\0' * 9, 'is broken: no header', id='no length'),
    pytest.param(b'\xff\xd8\xff\xd0\0\2' + jpeg_claiming(Size(8, 8))[2:], 'is broken: no header',
                 id='restart in the head'),
    pytest.param(jpeg_claiming(Size(8, 8), *[(0xfe, b'')] * 1000), 'is broken: no header',
                 id='too many comments'),
    pytest.param(CHUNK + bytes(30), 'png picture of 38 bytes is broken: no header', id='no IHDR'),
    pytest.param(png_claiming(Size(8, 8))[:20], 'png picture of 20 bytes is broken', id='cut'),
    pytest.param(jpeg_claiming(Size(60000, 60000)), 'jpeg picture is 60000x60000: at most 331',
                 id='JPEG bomb'),
    pytest.param(png_claiming(Size(60000, 60000)), 'png picture is 60000x60000: at most 33177600',
                 id='PNG bomb'),
    pytest.param(png_claiming(Size(2**32 - 1, 2**32 - 1)), 'png picture is 4294967295x4294967295',
                 id='largest PNG'),
    pytest.param(jpeg_claiming(Size(8, 0)), 'jpeg picture is 8x0: both sides', id='height later'),
    pytest.param(png_claiming(Size(0, 8)), 'png picture is 0x8: both sides', id='no width'),
    pytest.param([1, 2], r'image data \(list\) cannot be read', id='no buffer'),
])
def test_what_cannot_be_a_picture_is_refused_before_it_is_decoded(data, complaint):
    with pytest.raises(FrameError, match=complaint):
        Frame.compressed(data)


def test_the_largest_picture_has_the_pixels_of_8k_either_way():
    for size in (Size(7680, 4320), Size(4320, 7680)):
        assert size.width * size.height == MOST_PIXELS
        assert Frame.compressed(jpeg_claiming(size)).size == size


def test_the_size_stands_behind_whatever_cameras_tell_before():
    told = [(0xe0, b'JFIF\0' + bytes(9)), (0xe2, b'\xff\xc0' + bytes(60000)), (0xdb, bytes(65)),
            *[(0xfe, b'')] * 900]
    assert Frame.compressed(jpeg_claiming(Size(640, 480), *told)).size == Size(640, 480)


def chunk(name, content=b'', length=None):
    claimed = struct.pack('>I', len(content) if length is None else length)
    return claimed + name + content + struct.pack('>I', zlib.crc32(name + content))


@pytest.mark.parametrize(('chunks', 'complaint'), [
    pytest.param(chunk(b'IDAT', bytes(9), length=2**31 - 1) + chunk(b'IEND'),
                 "is cut off: its chunk b'IDAT' at 33 claims 2147483647 bytes", id='huge chunk'),
    pytest.param(chunk(b'IDAT', bytes(9))[:-1] + b'\x7f' + chunk(b'IEND'),
                 "is broken: its chunk b'IDAT' at 33 has another checksum", id='checksum'),
    pytest.param(50_000 * chunk(b'tEXt'), 'is broken: it has more than 50000 chunks', id='many'),
    pytest.param(chunk(b'IDAT', bytes(9)) + bytes(9), 'is cut off: it has no end', id='no end'),
    pytest.param(chunk(b'IDAT', bytes(9)) + chunk(b'IEND'), 'cannot be decoded: it is broken',
                 id='no pixels'),
])
def test_a_png_is_made_of_whole_chunks(chunks, complaint):
    frame = Frame.compressed(png_claiming(Size(8, 8)) + chunks)
    with pytest.raises(FrameError, match=f'png picture 8x8 of .* {complaint}'):
        frame.bgr()


def with_chunks(*chunks):
    return WHOLE['png'][:33] + b''.join(chunks) + WHOLE['png'][33:]


def as_the_decoder_gets_it(file, monkeypatch):
    seen = []
    real = cv2.imdecode
    monkeypatch.setattr(cv2, 'imdecode', lambda *given: seen.append(given[0]) or real(*given))
    Frame.compressed(file).bgr()
    return seen[0]


@pytest.mark.parametrize(('name', 'head'), [
    (b'zTXt', b'key\0\0'), (b'iTXt', b'key\0\1\0\0\0'), (b'iCCP', b'key\0\0')])
def test_texts_that_are_huge_once_unpacked_never_reach_the_decoder(name, head, monkeypatch):
    text = chunk(name, head + zlib.compress(bytes(7_900_000)))
    given = as_the_decoder_gets_it(with_chunks(*60 * [text]), monkeypatch)
    assert given.tobytes() == WHOLE['png']


def test_a_png_of_pixels_alone_is_decoded_where_it_lies(monkeypatch):
    file = np.frombuffer(WHOLE['png'], np.uint8)
    assert np.shares_memory(as_the_decoder_gets_it(file, monkeypatch), file)


@pytest.mark.parametrize(('depth', 'kind', 'row', 'extra'), [
    pytest.param(8, 3, 4, [(b'tRNS', bytes(9)), (b'bKGD', b'\1')], id='palette'),
    pytest.param(8, 0, 4, [(b'sBIT', b'\4'), (b'tRNS', b'\0\x0b'), (b'bKGD', b'\0\1')], id='grey'),
    pytest.param(16, 0, 8, [(b'gAMA', b'\0\3\x5b\x60'), (b'tRNS', b'\0\x0b')], id='16 bits'),
    pytest.param(8, 6, 16, [(b'sRGB', b'\0'), (b'bKGD', bytes(6))], id='alpha'),
])
def test_what_is_left_out_changes_no_pixel(depth, kind, row, extra):
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 2, depth, kind, 0, 0, 0))
    palette = chunk(b'PLTE', bytes(range(90))) if kind == 3 else b''
    rows = zlib.compress(2 * bytes([0, *range(10, 10 + row)]))
    pixels = palette, *(chunk(*one) for one in extra), chunk(b'IDAT', rows), chunk(b'IEND')
    file = CHUNK + head + b''.join(pixels)
    np.testing.assert_array_equal(
        Frame.compressed(file).bgr(),
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR))


def test_a_header_that_lies_is_found_out_when_the_picture_is_decoded():
    frame = Frame.compressed(WHOLE['png'])
    with pytest.raises(FrameError, match='png picture is 48x36: its header promised 40x30'):
        Frame(Size(40, 30), 'png', frame.planes).bgr()


@pytest.mark.parametrize(('least', 'found'), [
    pytest.param(Size(640, 480), Size(640, 480), id='all'),
    pytest.param(Size(321, 100), Size(640, 480), id='more than half'),
    pytest.param(Size(320, 240), Size(320, 240), id='half'),
    pytest.param(Size(160, 200), Size(320, 240), id='a half of the height'),
    pytest.param(Size(160, 120), Size(160, 120), id='a quarter'),
    pytest.param(Size(2, 2), Size(80, 60), id='no less than an eighth'),
    pytest.param(Size(1280, 960), Size(640, 480), id='never more'),
])
def test_a_jpeg_is_decoded_as_small_as_will_do(least, found):
    frame = Frame.compressed(file_of(painting(Size(640, 480)), 'jpg'))
    pixels = decode(frame.planes[0], 'jpeg', frame.size, least)
    assert Size(*pixels.shape[1::-1]) == found
    expected = cv2.resize(painting(Size(640, 480)), found, interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(pixels, expected, atol=12)
