# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PNG files are checked chunk by chunk before they are decoded."""

from __future__ import annotations

from dataclasses import replace
import struct
import zlib

from core.image_file.files import PNG_SIGNATURE, chunk, encode_file, png_header, smooth_image
import cv2
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size

FILE = encode_file(smooth_image(Size(48, 36)), 'png')


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
    with pytest.raises(FrameError, match=f'png file .*{complaint}'):
        frame.bgr()


def with_chunks(*chunks):
    return FILE[:33] + b''.join(chunks) + FILE[33:]


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
    assert data.tobytes() == FILE


def test_a_png_without_ancillary_chunks_is_decoded_without_a_copy(monkeypatch):
    file = np.frombuffer(FILE, np.uint8)
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
        replace(Frame.compressed(file), bit_depth=16).bgr(),
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR))
