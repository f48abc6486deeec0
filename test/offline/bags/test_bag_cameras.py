# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of a bag become frames of its cameras, in every encoding that the node accepts."""

from __future__ import annotations

from dataclasses import replace

from core.camera_formats import GREY, encode, join, packed_step
import cv2
import numpy as np
from offline.bags.bag_files import (
    PERIOD,
    START,
    STORE_1,
    compressed,
    hbm,
    image,
    text,
    write,
    write_ros1,
)
import pytest

from fcos_ros.core.encodings import NAMES
from fcos_ros.core.errors import FrameError
from fcos_ros.core.resize import Size
from fcos_ros.offline.bags.cameras import BagSource, camera_names, choose_cameras
from fcos_ros.offline.bags.reader import Bag
from fcos_ros.offline.frames import SourceError

WIDTH, HEIGHT = 8, 6
BLUE = (200, 60, 30)
PICTURE = np.full((HEIGHT, WIDTH, 3), BLUE, np.uint8)
JPEG, PNG = (cv2.imencode(suffix, PICTURE)[1].tobytes() for suffix in ('.jpg', '.png'))


def raw(encoding, padding=0, store=None, stamp=START):
    """Return an image message of one colour, and the pixels that it has."""
    colour = (BLUE[1],) * 3 if encoding in GREY else BLUE
    pixels = np.full((HEIGHT, WIDTH, 3), colour, np.uint8)
    step = packed_step(encoding, Size(WIDTH, HEIGHT)) + padding
    data = np.frombuffer(join(encoding, encode(pixels, encoding), step), np.uint8)
    known = {} if store is None else {'store': store}
    return image(pixels, stamp, encoding, step=step, data=data, **known), pixels


def only_frame(path):
    frame, = BagSource(path).frames()
    if isinstance(frame.image, FrameError):
        raise frame.image
    return frame


@pytest.mark.parametrize('encoding', NAMES)
@pytest.mark.parametrize('padding', [0, 4])
def test_every_encoding_of_the_node_is_read(tmp_path, encoding, padding):
    message, pixels = raw(encoding, padding)
    frame = only_frame(write(tmp_path / 'bag', [('/image', START, message)]))
    np.testing.assert_allclose(replace(frame.image, bit_depth=16).bgr(), pixels, atol=3)


@pytest.mark.parametrize('encoding', ['bgr8', 'mono16', 'yuv422'])
def test_images_of_ros_1_are_read(tmp_path, encoding):
    message, pixels = raw(encoding, store=STORE_1)
    frame = only_frame(write_ros1(tmp_path / 'old.bag', [('/image', START, message)]))
    np.testing.assert_allclose(replace(frame.image, bit_depth=16).bgr(), pixels, atol=3)


@pytest.mark.parametrize(('data', 'image_format'), [
    (JPEG, 'jpeg'), (PNG, 'png'), (JPEG, 'bgr8; jpeg compressed bgr8')])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_compressed_images_are_read(tmp_path, data, image_format, storage):
    rows = [('/image/compressed', START, compressed(data, START, image_format))]
    frame = only_frame(write(tmp_path / 'bag', rows, storage))
    np.testing.assert_allclose(frame.image.bgr(), PICTURE, atol=3)


@pytest.mark.parametrize('name', ['HbmMsg480P', 'HbmMsg540P', 'HbmMsg1080P'])
@pytest.mark.parametrize('definitions', [True, False])
def test_shared_memory_images_are_read(tmp_path, name, definitions):
    data = join('nv12', encode(PICTURE, 'nv12'))
    rows = [('/hbmem_img', START, hbm(data, (WIDTH, HEIGHT), START - 9, name=name, index=5))]
    frame = only_frame(write(tmp_path / 'bag', rows, 'sqlite3', definitions))
    np.testing.assert_allclose(frame.image.bgr(), PICTURE, atol=3)
    assert (frame.stamp, frame.context.frame_id) == (START - 9, '5')


def test_a_frame_has_the_header_of_its_image(tmp_path):
    path = write(tmp_path / 'bag', [
        ('/image', START + 10, raw('bgr8', stamp=START + 5)[0]),
        ('/image', START + 20, raw('bgr8', stamp=0)[0])])
    first, second = BagSource(path).frames()
    assert (first.name, first.stamp, first.camera) == ('/image:0', START + 5, '')
    assert first.context == (START + 10, START // 10**9, START % 10**9 + 5, 'camera')
    # Without a stamp, tracking uses the time of recording; the header stays as it is.
    assert (second.stamp, second.context.seconds, second.context.nanoseconds) == (START + 20, 0, 0)


def test_damaged_images_are_errors_and_the_others_are_read(tmp_path):
    good = raw('bgr8')[0]
    path = write(tmp_path / 'bag', [
        ('/image', START, good),
        ('/image', START + 1, image(PICTURE, START, data=np.zeros(9, np.uint8))),
        ('/image', START + 2, image(PICTURE, START, encoding='32FC9')),
        ('/image', START + 3, ('sensor_msgs/msg/Image', b'\0\1\0\0\1\2')),
        ('/image', START + 4, raw('bgr8', stamp=START)[0])])
    found = list(BagSource(path).frames())
    assert [isinstance(frame.image, FrameError) for frame in found] == [False, True, True, True,
                                                                       False]
    assert 'bgr8 image 8x6' in str(found[1].image)
    assert 'unknown encoding' in str(found[2].image)
    assert 'a message is no sensor_msgs/msg/Image' in str(found[3].image)
    assert [frame.stamp for frame in found] == [START, START, START, START + 3, START]


# The choice of cameras

def bag_with(tmp_path, *topics):
    """Write a bag with two images on each topic, and with another topic."""
    rows = [('/chat', START, text('hello'))]
    for number in range(2):
        for topic in topics:
            time = START + number * PERIOD
            is_file = topic.endswith('compressed')
            rows.append((topic, time, compressed(JPEG, time) if is_file else
                         raw('bgr8', stamp=time)[0]))
    return write(tmp_path / 'bag', rows)


def cameras(path, *wanted, names=()):
    with Bag(path) as bag:
        return {name: topic.name for name, topic in choose_cameras(bag, wanted, names).items()}


@pytest.mark.parametrize(('topics', 'expected'), [
    (['/image'], {'': '/image'}),
    (['/cam/image_raw', '/cam/image_raw/compressed'], {'': '/cam/image_raw'}),
    (['/cam/image_raw/compressed'], {'': '/cam/image_raw/compressed'}),
    (['/front/image_raw', '/rear/image_raw/compressed'],
     {'front': '/front/image_raw', 'rear': '/rear/image_raw/compressed'}),
    (['/cam/color/image_raw', '/cam/depth/image_rect_raw', '/fcos/annotated_image'],
     {'': '/cam/color/image_raw'}),
    (['/depth/image'], {'': '/depth/image'}),
    (['/a/image', '/a/image_raw'], {'a_image': '/a/image', 'a_image_raw': '/a/image_raw'}),
])
def test_the_cameras_are_found(tmp_path, topics, expected):
    path = bag_with(tmp_path, *topics)
    assert cameras(path) == expected
    found = list(BagSource(path).frames())
    assert len(found) == BagSource(path).count == 2 * len(expected)
    assert {frame.camera for frame in found} == set(expected)


def test_the_user_chooses_topics_and_names(tmp_path):
    path = bag_with(tmp_path, '/front/image', '/rear/image', '/depth/image')
    assert cameras(path, '/rear/image') == {'': '/rear/image'}
    assert cameras(path, '/depth/image', 'back:=/rear/image') == {
        'depth': '/depth/image', 'back': '/rear/image'}


def test_the_settings_name_the_cameras(tmp_path):
    path = bag_with(tmp_path, '/robot/front/image', '/robot/rear/image')
    assert cameras(path, names=('rear', 'front')) == {
        'rear': '/robot/rear/image', 'front': '/robot/front/image'}
    with pytest.raises(SourceError, match='0 topics of images for the camera side'):
        cameras(path, names=('side',))


@pytest.mark.parametrize(('wanted', 'complaint'), [
    (('/absent',), 'has no images on /absent; accepted: /front/image, /rear/image'),
    (('/chat',), 'has no images on /chat'),
    (('a:=/front/image', 'a:=/rear/image'), 'two cameras have the same name: a, a'),
    (('1:=/front/image', 'a:=/rear/image'), "the name of a camera is '1'"),
])
def test_a_wrong_choice_is_refused(tmp_path, wanted, complaint):
    path = bag_with(tmp_path, '/front/image', '/rear/image')
    with pytest.raises(SourceError, match=complaint):
        cameras(path, *wanted)


def test_a_bag_without_images_is_refused(tmp_path):
    path = bag_with(tmp_path)
    with pytest.raises(SourceError, match='its topics are /chat'):
        list(BagSource(path).frames())


def test_the_names_of_cameras_are_parts_of_topics():
    assert camera_names(['/1/image', '/a-b/c/image_raw/compressed']) == ['camera_1', 'a_b_c']
