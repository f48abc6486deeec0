# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""WebP files are measured by each kind of header that they have."""

from __future__ import annotations

from core.image_file.files import encode_file, noisy_image
import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size

LOSSY, LOSSLESS = ((cv2.IMWRITE_WEBP_QUALITY, quality) for quality in (80, 101))
KINDS = {b'VP8 ': (3, LOSSY), b'VP8L': (3, LOSSLESS), b'VP8X': (4, LOSSY)}


@pytest.mark.parametrize('kind', KINDS)
@given(size=st.builds(Size, st.integers(1, 300), st.integers(1, 300)))
def test_the_size_is_that_of_the_decoded_image(kind, size):
    channels, options = KINDS[kind]
    file = encode_file(noisy_image(size, channels), 'webp', *options)
    assert file[12:16] == kind
    frame = Frame.compressed(file)
    assert frame.size == size
    assert frame.bgr().shape == (size.height, size.width, 3)


def header(kind, content):
    """Return a file with one chunk."""
    chunk = kind + len(content).to_bytes(4, 'little') + content
    return b'RIFF' + (4 + len(chunk)).to_bytes(4, 'little') + b'WEBP' + chunk


LARGEST = b'\xff' * 3 + b'\xff' * 3


@pytest.mark.parametrize(('file', 'complaint'), [
    pytest.param(header(b'VP8X', bytes(4) + LARGEST), 'webp image is 16777216x16777216; accepted',
                 id='largest'),
    pytest.param(header(b'VP8L', b'\x2f' + b'\xff' * 9), 'webp image is 16384x16384; accepted',
                 id='largest without losses'),
    pytest.param(header(b'VP8 ', b'\0\0\0\x9d\x01\x2a' + b'\xff' * 4), 'webp image is 16383x16383',
                 id='largest with losses'),
    pytest.param(header(b'VP8 ', b'\0\0\0\x9d\x01\x2a' + bytes(4)), 'webp image is 0x0',
                 id='no pixels'),
    pytest.param(header(b'VP8 ', bytes(10)), 'damaged: no header', id='no start code'),
    pytest.param(header(b'VP8L', bytes(10)), 'damaged: no header', id='no signature'),
    pytest.param(header(b'ALPH', bytes(10)), 'damaged: no header', id='another chunk'),
    pytest.param(header(b'VP8X', b'\x02' + bytes(9)), 'has several images; accepted: one',
                 id='animation'),
    pytest.param(header(b'VP8X', bytes(10))[:-1], 'damaged: no header', id='half a header'),
    pytest.param(b'RIFF\x24\0\0\0WAVEfmt ' + bytes(30), 'damaged: no header', id='sound'),
])
def test_an_invalid_header_is_refused_before_decoding(file, complaint):
    with pytest.raises(FrameError, match=complaint):
        Frame.compressed(file)


def test_a_frame_of_another_size_than_the_canvas_is_refused():
    """The canvas states a small image, but the image in it is large."""
    file = bytearray(encode_file(noisy_image(Size(64, 48), 4), 'webp', *LOSSY))
    file[24:30] = (7).to_bytes(3, 'little') + (7).to_bytes(3, 'little')
    frame = Frame.compressed(bytes(file))
    assert frame.size == Size(8, 8)
    with pytest.raises(FrameError, match=r'webp file of \d+ bytes (cannot be|is) decoded'):
        frame.bgr()


def test_the_grey_of_a_file_is_that_of_its_colours():
    pixels = noisy_image(Size(64, 48))
    pixels[:] = pixels[..., :1]
    frame = Frame.compressed(encode_file(pixels, 'webp', *LOSSLESS))
    np.testing.assert_array_equal(frame.bgr(), pixels)
