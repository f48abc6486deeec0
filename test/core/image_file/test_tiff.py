# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TIFF files that OpenCV reads as they are meant are accepted."""

from __future__ import annotations

import struct

from core.image_file.files import smooth_image, tiff_file
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size

RGB = smooth_image(Size(20, 12))
GREY = RGB[..., 0]


@pytest.mark.parametrize('order', ['<', '>'], ids=['little endian', 'big endian'])
@pytest.mark.parametrize('rows_per_strip', [0, 1, 5])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_both_byte_orders_and_any_strips_are_read(order, rows_per_strip, dtype):
    scale = np.iinfo(dtype).max // 255
    for pixels in (RGB, GREY):
        file = tiff_file(pixels.astype(dtype) * scale, order, rows_per_strip)
        frame = Frame.compressed(file)
        assert frame.size == Size(20, 12)
        expected = pixels[..., ::-1] if pixels.ndim == 3 else np.stack([pixels] * 3, -1)
        np.testing.assert_array_equal(frame.bgr(), expected)


@pytest.mark.parametrize(('changes', 'complaint'), [
    pytest.param({'t256': None}, 'damaged: no header states its size', id='no width'),
    pytest.param({'t256': 60000, 't257': 60000}, 'tiff image is 60000x60000', id='huge'),
    pytest.param({'t256': 0}, 'tiff image is 0x12; accepted: both sides', id='width 0'),
    pytest.param({'t258': [8, 8, 16]}, r'bits of a sample \[8, 16\]; accepted: 8, 16',
                 id='different samples'),
    pytest.param({'t258': 32, 't339': 3}, r'bits of a sample \[32\]', id='32 bits'),
    pytest.param({'t258': None}, r'bits of a sample \[1\]', id='one bit'),
    pytest.param({'t259': 7}, r'compression \[7\]; accepted: 1, 5, 8', id='JPEG inside'),
    pytest.param({'t262': 0}, r'photometric interpretation \[0\]', id='white is 0'),
    pytest.param({'t274': 6}, r'orientation \[6\]; accepted: 1', id='rotated'),
    pytest.param({'t277': 2}, r'samples of a pixel \[2\]; accepted: 1, 3, 4', id='two samples'),
    pytest.param({'t284': 2}, r'planar configuration \[2\]', id='planes'),
    pytest.param({'t322': 60000, 't323': 60000}, r'tile width \[60000\]', id='huge tiles'),
    pytest.param({'t339': 2}, r'sample format \[2\]', id='signed'),
])
def test_other_kinds_are_refused_by_their_header(changes, complaint):
    if changes.get('t258') == [8, 8, 16]:
        changes = {**changes, 't277': 3}
    with pytest.raises(FrameError, match=complaint):
        Frame.compressed(tiff_file(RGB, **changes))


def directory(count, entries=b''):
    return b'II*\0\x08\0\0\0' + struct.pack('<H', count) + entries


@pytest.mark.parametrize(('file', 'complaint'), [
    pytest.param(b'II*\0' + b'\xff' * 4, 'beyond the end of the file', id='directory outside'),
    pytest.param(tiff_file(RGB)[:-60], 'beyond the end of the file', id='cut off'),
    pytest.param(directory(65535), 'beyond the end of the file', id='too many tags'),
    pytest.param(directory(2, 2 * struct.pack('<HHII', 256, 4, 1, 8)), 'one of them twice',
                 id='tag twice'),
    pytest.param(directory(201, b''.join(struct.pack('<HHII', tag, 4, 1, 8)
                                         for tag in range(201))), 'too many tags', id='201 tags'),
    pytest.param(directory(1, struct.pack('<HHII', 258, 3, 2**31, 8)),
                 'beyond the end of the file', id='2 billion numbers'),
    pytest.param(directory(1, struct.pack('<HHII', 256, 5, 1, 8)),
                 'a tag has the type 5; accepted: 1, 3, 4', id='width as a fraction'),
])
def test_a_damaged_directory_is_refused(file, complaint):
    with pytest.raises(FrameError, match=f'tiff file .* damaged: .*{complaint}'):
        Frame.compressed(file)


def test_a_strip_beyond_the_end_is_refused():
    frame = Frame.compressed(tiff_file(RGB, t273=[1000]))
    with pytest.raises(FrameError, match='damaged: it is truncated'):
        frame.bgr()
