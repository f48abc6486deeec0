# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of cameras become frames; wrong messages raise errors with the reason."""

from __future__ import annotations

from dataclasses import replace
import sys

from core.camera_formats import GREY, WIDE, encode, join, packed_step
import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from fcos_ros.core.encodings import NAMES
from fcos_ros.core.errors import FrameError
from fcos_ros.core.resize import Size
from fcos_ros.messages.headers import ImageHeader, Stamp
from fcos_ros.messages.images import SOURCES, compressed_to_frame, hbm_to_frame, to_frame
from fcos_ros.node.input.message_types import MessageTypeError, image_header, message_type

SIZE = Size(8, 6)
BLUE = (200, 60, 30)
JPEG = cv2.imencode('.jpg', np.full((6, 8, 3), BLUE, np.uint8))[1].tobytes()
PNG = cv2.imencode('.png', np.full((6, 8, 3), BLUE, np.uint8))[1].tobytes()
ACCEPTED = 'accepted: bgr8, rgb8, .*, nv12, .*, jpeg, mjpeg, jpg'


def flat(encoding):
    colour = (BLUE[1],) * 3 if encoding in GREY else BLUE
    return np.full((6, 8, 3), colour, np.uint8)


def of_16_bits(frame):
    """Return a frame whose samples of 16 bits use all of them."""
    return replace(frame, bit_depth=16)


def image(encoding, data, step=0, big_endian=0, size=SIZE):
    message = Image(width=size.width, height=size.height, encoding=encoding, step=step,
                    is_bigendian=big_endian)
    message.data.frombytes(data)
    return message


def compressed(data, image_format='jpeg'):
    message = CompressedImage(format=image_format)
    message.data.frombytes(data)
    return message


def hbm(data, encoding=b'nv12', size=SIZE, data_size=None, step=77, name='HbmMsg480P'):
    """Return a shared-memory message as the vendor's nodes send it: it reuses old memory."""
    message = getattr(pytest.importorskip('hbm_img_msgs.msg'), name)(
        width=size.width, height=size.height, step=step,
        data_size=len(data) if data_size is None else data_size)
    message.data[:] = 0xAB
    message.data[:len(data)] = np.frombuffer(data, np.uint8)
    message.encoding[:len(encoding)] = np.frombuffer(encoding, np.uint8)
    return message


# sensor_msgs/Image

@pytest.mark.parametrize('encoding', NAMES)
@pytest.mark.parametrize('padding', [None, 0, 4], ids=['no step', 'packed', 'padded'])
@pytest.mark.parametrize('big_endian', [0, 1], ids=['little', 'big'])
def test_a_frame_has_the_colours_of_the_image_in_every_encoding(encoding, padding, big_endian):
    step = 0 if padding is None else packed_step(encoding, SIZE) + padding
    # Publishers of 8-bit samples set is_bigendian to either value.
    blocks = encode(flat(encoding), encoding, bool(big_endian) and encoding in WIDE)
    frame = to_frame(image(encoding, join(encoding, blocks, step), step, big_endian))
    assert frame.size == SIZE
    np.testing.assert_allclose(of_16_bits(frame).bgr(), flat(encoding), atol=3)


@pytest.mark.parametrize(
    'encoding', ['BGR8', 'NV12', 'Mono8', 'YUV422_YUY2', 'Bayer_RGGB8', '8uc3'])
def test_the_name_of_an_encoding_may_be_in_upper_case(encoding):
    lower = next(name for name in NAMES if name.lower() == encoding.lower())
    data = join(lower, encode(flat(lower), lower))
    for frame in (to_frame(image(encoding, data)), hbm_to_frame(hbm(data, encoding.encode()))):
        np.testing.assert_allclose(frame.bgr(), flat(lower), atol=3)


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12', 'yuv422', 'mono16'])
def test_an_image_is_not_copied(encoding):
    message = image(encoding, join(encoding, encode(flat(encoding), encoding)))
    held = np.frombuffer(message.data, np.uint8)
    assert all(np.shares_memory(plane, held) for plane in to_frame(message).planes)


@pytest.mark.parametrize('encoding', ['jpeg', 'mjpeg', 'jpg', 'JPEG', 'MJPEG'])
def test_an_image_message_may_contain_an_image_file(encoding):
    frame = to_frame(image(encoding, JPEG, step=1, size=Size(1, 1)))
    assert frame.size == SIZE
    np.testing.assert_allclose(frame.bgr(), flat('bgr8'), atol=3)


@pytest.mark.parametrize(('message', 'complaint'), [
    pytest.param(image('bgr8', bytes(100)), 'bgr8 image 8x6 .* has 100 bytes', id='truncated'),
    pytest.param(image('bgr8', bytes(200)), 'has 200 bytes .* accepted: 144', id='too long'),
    pytest.param(image('bgr8', bytes(144), size=Size(2**32 - 1, 2**32 - 1)),
                 'image 4294967295x4294967295', id='huge'),
    pytest.param(image('bgr8', bytes(48), step=8), 'a step of 8 bytes',
                 id='step of one channel'),
    pytest.param(image('nv12', bytes(77), size=Size(7, 7)), 'nv12 image is 7x7', id='odd nv12'),
    pytest.param(image('nv12', bytes(145)), 'has 145 bytes .* accepted: 72',
                 id='more than twice the length'),
    pytest.param(image('nv12', bytes(130), step=12), 'has 130 bytes .* accepted: 108',
                 id='longer and with padded rows'),
    pytest.param(image('', b''), "unknown encoding ''", id='empty message'),
    pytest.param(image('jpeg', bytes(60)), 'begins with 00 00', id='no image file'),
    pytest.param(image('jpeg', b''), 'of 0 bytes begins with nothing', id='empty file'),
])
def test_a_wrong_image_message_is_refused_with_the_reason(message, complaint):
    with pytest.raises(FrameError, match=complaint):
        to_frame(message)


# sensor_msgs/CompressedImage

@pytest.mark.parametrize('data', [JPEG, PNG], ids=['JPEG', 'PNG'])
@pytest.mark.parametrize('image_format', [
    'jpeg', 'png', 'bgr8; jpeg compressed bgr8', 'rgb8; png compressed', 'mjpeg', 'jpg', '', '?'])
def test_the_content_of_a_file_decides_its_format(data, image_format):
    message = compressed(data, image_format)
    frame = compressed_to_frame(message)
    assert frame.size == SIZE
    assert np.shares_memory(frame.planes[0], np.frombuffer(message.data, np.uint8))
    np.testing.assert_allclose(frame.bgr(), flat('bgr8'), atol=3)


@pytest.mark.parametrize(('message', 'complaint'), [
    pytest.param(compressed(bytes(12) + PNG, '16UC1; compressedDepth png'),
                 "'16UC1; compressedDepth png' holds depths", id='depths'),
    pytest.param(compressed(b'GIF89a', 'gif'), "begins with 47 49 .* format 'gif'", id='GIF'),
    pytest.param(compressed(b'RIFF1234WEBP', 'webp'), "webp file .* no header .* format 'webp'",
                 id='damaged WebP'),
    pytest.param(compressed(b'', 'jpeg'), "begins with nothing.* format 'jpeg'", id='empty'),
    pytest.param(compressed(JPEG[:30]), 'damaged: no header .* format', id='no header'),
    pytest.param(compressed(PNG[:16] + b'\0\0\xea\x60\0\0\xea\x60' + PNG[24:]),
                 'png image is 60000x60000; accepted: at most 33177600 pixels', id='huge'),
])
def test_a_wrong_image_file_is_refused_before_it_is_decoded(message, complaint):
    with pytest.raises(FrameError, match=complaint):
        compressed_to_frame(message)


@pytest.mark.parametrize(('data', 'complaint'), [
    pytest.param(JPEG[:-9], 'jpeg file .* data are missing', id='JPEG'),
    pytest.param(JPEG[:-9] + JPEG[-2:], 'jpeg file .* data are missing', id='JPEG with its end'),
    pytest.param(PNG[:-9], 'png file .* is truncated', id='PNG'),
])
def test_a_truncated_image_file_is_refused_when_it_is_decoded(data, complaint):
    frame = compressed_to_frame(compressed(data))
    with pytest.raises(FrameError, match=complaint):
        frame.bgr()


@pytest.mark.parametrize('name', ['tiff', 'webp'])
def test_a_file_of_another_format_is_read(name):
    file = cv2.imencode(f'.{name}', flat('bgr8'), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    frame = compressed_to_frame(compressed(file, f'bgr8; {name} compressed bgr8'))
    np.testing.assert_allclose(frame.bgr(), flat('bgr8'), atol=3)


@pytest.mark.parametrize('image_format', [
    'bayer_grbg8; jpeg compressed bayer_grbg8', 'bayer_grbg8; png compressed ', 'bayer_grbg8',
    'BAYER_GRBG8; jpeg compressed', 'bayer_grbg16; png compressed bayer_grbg16'])
def test_a_grey_file_is_a_mosaic_if_its_format_says_so(image_format):
    samples, = encode(flat('bgr8'), 'bayer_grbg8')
    file = cv2.imencode('.png', samples)[1].tobytes()
    frame = compressed_to_frame(compressed(file, image_format))
    np.testing.assert_allclose(frame.bgr(), flat('bgr8'), atol=3)


@pytest.mark.parametrize(('image_format', 'file'), [
    ('bayer_grbg8; jpeg compressed mono8', cv2.imencode('.png', flat('mono8')[..., 0])[1]),
    ('bayer_grbg8; jpeg compressed bgr8', cv2.imencode('.png', flat('mono8'))[1]),
    ('bayer_grbg8; jpeg compressed bayer_grbg8', cv2.imencode('.png', flat('mono8'))[1]),
], ids=['converted to grey', 'converted to colour', 'file in colour'])
def test_a_file_that_was_converted_is_no_mosaic(image_format, file):
    frame = compressed_to_frame(compressed(file.tobytes(), image_format))
    assert frame.mosaic == ''
    np.testing.assert_allclose(frame.bgr(), flat('mono8'), atol=3)


@pytest.mark.parametrize(
    'image_format', [10**6 * 'x', 10**6 * '\n' + 'compressedDepth'], ids=['file', 'depths'])
def test_a_very_long_format_is_shortened_in_the_error(image_format):
    with pytest.raises(FrameError, match=r'format .*[xn]\.{3}') as caught:
        compressed_to_frame(compressed(b'', image_format))
    assert len(str(caught.value)) < 1000


# hbm_img_msgs

@pytest.mark.parametrize('encoding', NAMES)
@pytest.mark.parametrize('suffix', [b'', b'\0', b'\0g8xyz', b'nv12bgr', b'\xff\xfe'])
def test_bytes_after_the_data_and_the_encoding_of_shared_memory_are_ignored(encoding, suffix):
    data = join(encoding, encode(flat(encoding), encoding))
    message = hbm(data, (encoding.encode() + suffix)[:12])
    frame = hbm_to_frame(message)
    assert frame.size == SIZE
    assert all(np.shares_memory(plane, message.data) for plane in frame.planes)
    np.testing.assert_allclose(of_16_bits(frame).bgr(), flat(encoding), atol=3)


def test_nv12_may_be_followed_by_the_rest_of_the_buffer_of_its_decoder():
    data = join('nv12', encode(flat('nv12'), 'nv12'))
    longer = data + bytes(30)
    for frame in (to_frame(image('nv12', longer, step=8)), hbm_to_frame(hbm(longer))):
        assert frame.trailing_bytes == 30
        np.testing.assert_allclose(frame.bgr(), flat('nv12'), atol=3)
    assert to_frame(image('nv12', data)).trailing_bytes == 0


@pytest.mark.parametrize('name', ['HbmMsg480P', 'HbmMsg540P', 'HbmMsg1080P'])
@pytest.mark.parametrize('encoding', [b'jpeg\0', b'jpeg', b'mjpeg'])
def test_shared_memory_of_each_size_may_contain_an_image_file(name, encoding):
    frame = hbm_to_frame(hbm(JPEG, encoding, size=Size(640, 480), name=name))
    assert frame.size == SIZE
    np.testing.assert_allclose(frame.bgr(), flat('bgr8'), atol=3)


@pytest.mark.parametrize(('change', 'complaint'), [
    pytest.param({'data_size': 0}, 'data_size of 0; accepted: 1 to 921600', id='empty'),
    pytest.param({'data_size': 921601}, 'data_size of 921601', id='longer than the array'),
    pytest.param({'data_size': 2**32 - 1}, 'data_size of 4294967295', id='maximum data_size'),
    pytest.param({'data_size': 71}, 'has 71 bytes of data; accepted: 72', id='truncated'),
    pytest.param({'data_size': 145}, 'has 145 bytes of data; accepted: 72',
                 id='more than twice the length'),
    pytest.param({'size': Size(0, 0)}, 'is 0x0', id='no size'),
    pytest.param({'size': Size(2**32 - 2, 2**32 - 2)}, 'image 4294967294x', id='huge'),
    pytest.param({'encoding': b'h264'}, "unknown encoding 'h264'; accepted: bgr8, rgb8",
                 id='video'),
    pytest.param({'encoding': b'\xff\xfenv12'}, r'unknown encoding .*xff.*nv12',
                 id='random encoding'),
    pytest.param({'encoding': bytes(12)}, "unknown encoding ''", id='no encoding'),
    pytest.param({'encoding': b'jpeg'}, 'begins with', id='no image file'),
])
def test_a_wrong_shared_memory_message_is_refused_with_the_reason(change, complaint):
    data = join('nv12', encode(flat('nv12'), 'nv12'))
    with pytest.raises(FrameError, match=complaint):
        hbm_to_frame(hbm(data, **change))


# Headers and types

def test_the_header_of_a_shared_memory_message_is_made_of_its_stamp_and_index():
    message = hbm(bytes(72))
    message.time_stamp.sec, message.time_stamp.nanosec, message.index = 12, 345, -7
    header = image_header(SOURCES['hbm_img_msgs/msg/HbmMsg480P'], message)
    assert (header.stamp.sec, header.stamp.nanosec, header.frame_id) == (12, 345, '-7')


@pytest.mark.parametrize('name', SOURCES)
def test_each_source_reads_messages_of_its_type(name):
    source = SOURCES[name]
    assert source.type_name == name
    package = name.partition('/')[0]
    pytest.importorskip(package)
    message = message_type(name)()
    assert message.__class__.__name__ == name.rpartition('/')[2]
    assert image_header(source, message).stamp.sec == 0
    with pytest.raises(FrameError):
        source.read(message)


def test_the_header_of_an_image_message_is_its_own():
    message = image('bgr8', b'')
    message.header.frame_id = 'camera_optical'
    message.header.stamp.sec, message.header.stamp.nanosec = -3, 2**32 - 1
    header = image_header(SOURCES['sensor_msgs/msg/Image'], message)
    assert header == ImageHeader(Stamp(-3, 2**32 - 1), 'camera_optical')


def test_each_type_of_message_has_a_transport():
    assert {name: source.transport for name, source in SOURCES.items()} == {
        'sensor_msgs/msg/Image': 'raw',
        'sensor_msgs/msg/CompressedImage': 'compressed',
        'hbm_img_msgs/msg/HbmMsg1080P': 'hbmem',
        'hbm_img_msgs/msg/HbmMsg540P': 'hbmem',
        'hbm_img_msgs/msg/HbmMsg480P': 'hbmem',
    }


@pytest.mark.parametrize('name', ['absent_img_msgs/msg/Frame', 'sensor_msgs/msg/Frame'])
def test_the_error_for_a_missing_message_type_names_its_package(name):
    package = name.partition('/')[0]
    with pytest.raises(MessageTypeError, match=f'{name} cannot .* install the package {package}'):
        message_type(name)


# cv_bridge

FAKE_CV_BRIDGE = """
import numpy as np

class CvBridgeError(TypeError):
    pass

class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding='passthrough'):
        kinds = {'8U': ('u1', 1), '16U': ('<u2', 1), '32FC1': ('<f4', 1), '32FC3': ('<f4', 3),
                 '64FC4': ('<f8', 4), '8UC2': ('u1', 2), '32SC1': ('<i4', 1)}
        if message.encoding not in kinds:
            raise CvBridgeError('Unrecognized image encoding [' + message.encoding + ']')
        dtype, channels = kinds[message.encoding]
        shape = (message.height, message.width, channels)[:3 if channels > 1 else 2]
        if desired_encoding != 'passthrough':
            raise CvBridgeError('[' + message.encoding + '] is not a color format')
        return np.ndarray(shape, dtype, bytes(message.data))
"""
"""A module with the documented interface of cv_bridge."""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs source code as the module `cv_bridge`."""
    def write(source):
        (tmp_path / 'cv_bridge.py').write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
    yield write
    sys.modules.pop('cv_bridge', None)


@pytest.mark.parametrize(('encoding', 'samples', 'expected'), [
    pytest.param('8U', np.full((6, 8), 0x43, np.uint8), (0x43,) * 3, id='8 bits'),
    pytest.param('16U', np.full((6, 8), 0x4321, np.uint16), (0x43,) * 3, id='16 bits'),
    pytest.param('32FC3', np.full((6, 8, 3), [0.2, 0.4, 0.6], np.float32), (51, 102, 153),
                 id='three floats'),
    pytest.param('64FC4', np.full((6, 8, 4), [0.2, 0.4, 0.6, 9], np.float64), (51, 102, 153),
                 id='four floats'),
    pytest.param('32FC1', np.full((6, 8), 0.4, np.float32), (102,) * 3, id='floats'),
    pytest.param('32FC1', np.full((6, 8), 7.5, np.float32), (255,) * 3, id='too bright'),
    pytest.param('32FC1', np.full((6, 8), np.nan, np.float32), (0,) * 3, id='NaN'),
])
def test_cv_bridge_converts_other_encodings(install, encoding, samples, expected):
    install(FAKE_CV_BRIDGE)
    frame = to_frame(image(encoding, samples.tobytes(), step=samples[0].nbytes))
    assert frame.size == SIZE
    np.testing.assert_array_equal(frame.bgr(), np.broadcast_to(expected, (6, 8, 3)))


@pytest.mark.parametrize(('encoding', 'data', 'complaint'), [
    pytest.param('yuv9', bytes(48), r'\(8x6\): Unrecognized image encoding \[yuv9\]',
                 id='unknown'),
    pytest.param('8U', bytes(9), r'\(8x6\): buffer is too small', id='truncated'),
    pytest.param('32FC1', bytes(224), 'it has 224 bytes; accepted: 6 rows of 32', id='too long'),
    pytest.param('32FC1', bytes(6 * 34), 'rows of 34, each of whole pixels of 4',
                 id='part of a pixel'),
    pytest.param('8UC2', bytes(96), 'its pixels have 2 channels; accepted: 1, 3',
                 id='two channels'),
    pytest.param('32SC1', bytes(192), 'its samples are int32; accepted: uint8,', id='int32'),
])
def test_an_image_that_cv_bridge_cannot_convert_is_refused_with_the_reason(
        install, encoding, data, complaint):
    install(FAKE_CV_BRIDGE)
    step = 32 if len(data) == 224 else len(data) // 6
    with pytest.raises(FrameError, match=f"'{encoding}'; {ACCEPTED}; .* {complaint}"):
        to_frame(image(encoding, data, step=step))


@pytest.mark.parametrize('source', [FAKE_CV_BRIDGE, 'raise ImportError'],
                         ids=['with cv_bridge', 'without cv_bridge'])
def test_a_very_long_encoding_is_shortened_in_the_error(install, source):
    install(source)
    with pytest.raises(FrameError, match=rf"'x+\.{{3}}'; {ACCEPTED}; ") as caught:
        to_frame(image(10**6 * 'x', bytes(144)))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize('source', [
    'raise ImportError("No module named cv_bridge")',
    'raise AttributeError("_ARRAY_API not found")',
    'class CvBridge:\n    def __init__(self):\n        raise KeyError(16)',
], ids=['missing', 'built for another numpy', 'built for another OpenCV'])
def test_without_cv_bridge_the_error_names_the_accepted_encodings(install, source):
    install(source)
    with pytest.raises(FrameError, match=f"'32FC1'; {ACCEPTED}; cv_bridge would accept more, but"):
        to_frame(image('32FC1', bytes(192)))
    assert to_frame(image('bgr8', bytes(144))).size == SIZE
