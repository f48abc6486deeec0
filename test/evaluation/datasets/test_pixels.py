# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files are read upright, or refused."""

import struct

import cv2
import numpy as np
import pytest

from fcos_ros.core.errors import FrameError
from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets.pixels import read_pixels, read_size

GRADIENT = np.stack([
    np.tile(np.linspace(0, 255, 48), (32, 1)), np.tile(np.linspace(0, 255, 32), (48, 1)).T,
    np.full((32, 48), 80)], axis=2).astype(np.uint8)


def jpeg(orientation=None, order='<'):
    """Return a JPEG file, perhaps with an orientation in its EXIF data."""
    content = cv2.imencode('.jpg', GRADIENT)[1].tobytes()
    if orientation is None:
        return content
    mark = b'II' if order == '<' else b'MM'
    tiff = mark + struct.pack(f'{order}HIH', 42, 8, 2)
    tiff += struct.pack(f'{order}HHIHH', 0x0100, 3, 1, 48, 0)
    tiff += struct.pack(f'{order}HHIHHI', 0x0112, 3, 1, orientation, 0, 0)
    segment = b'Exif\0\0' + tiff
    return content[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + content[2:]


def assert_similar(found, expected):
    """The check of JPEG data changes the colours of the last row a little."""
    np.testing.assert_allclose(found.astype(int), expected, atol=4)


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_an_image_is_turned_as_opencv_turns_it(tmp_path, orientation, order):
    file = tmp_path / 'a.jpg'
    file.write_bytes(jpeg(orientation, order))
    expected = cv2.imread(str(file))
    assert_similar(read_pixels(file), expected)
    assert read_size(file) == expected.shape[1::-1]


def test_labels_that_state_the_stored_size_belong_to_the_stored_image(tmp_path):
    file = tmp_path / 'a.jpg'
    file.write_bytes(jpeg(6))
    stored = cv2.imread(str(file), cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_COLOR)
    assert_similar(read_pixels(file, Size(48, 32)), stored)
    assert read_size(file, Size(48, 32)) == (48, 32)
    for stated in (Size(32, 48), Size(9, 9), None):
        assert read_pixels(file, stated).shape == (48, 32, 3)
        assert read_size(file, stated) == (32, 48)


@pytest.mark.parametrize('orientation', [0, 9, 65535])
def test_an_unknown_orientation_is_ignored(tmp_path, orientation):
    file = tmp_path / 'a.jpg'
    file.write_bytes(jpeg(orientation))
    assert read_pixels(file).shape == GRADIENT.shape


def test_damaged_exif_data_are_ignored(tmp_path):
    file = tmp_path / 'a.jpg'
    whole = jpeg(6)
    for damaged in (whole.replace(b'II*\0', b'XX*\0'), whole.replace(b'\x08\0\0\0', b'\xff' * 4)):
        file.write_bytes(damaged)
        assert read_pixels(file).shape == GRADIENT.shape


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp', '.tiff'])
def test_the_usual_formats_are_read(tmp_path, suffix):
    file = tmp_path / f'a{suffix}'
    cv2.imwrite(str(file), GRADIENT)
    assert np.abs(read_pixels(file).astype(int) - GRADIENT).mean() < 5
    assert read_size(file) == (48, 32)


def test_grey_images_have_three_channels(tmp_path):
    file = tmp_path / 'a.png'
    cv2.imwrite(str(file), GRADIENT[..., 0])
    assert read_pixels(file).shape == GRADIENT.shape


@pytest.mark.parametrize('content', [
    b'', b'?', b'<html>', jpeg()[:200], b'BM', b'BM' + b'\xff' * 200, b'RIFF....WEBP', b'II*\0'])
@pytest.mark.parametrize('read', [read_pixels, read_size])
def test_other_files_are_refused_by_name(tmp_path, content, read):
    file = tmp_path / 'a.jpg'
    file.write_bytes(content)
    if read is read_size and content == jpeg()[:200]:
        return  # its header may be complete
    with pytest.raises(FrameError, match=r'a\.jpg'):
        read(file)


@pytest.mark.parametrize('name', ['missing.jpg', 'nul\0.jpg', 'n' * 300 + '.jpg', '.'])
def test_files_that_cannot_be_opened_are_refused(tmp_path, name):
    with pytest.raises(FrameError, match='cannot be read'):
        read_pixels(tmp_path / name)
