# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serialised images are read as rclpy reads them; damaged ones are refused."""

import struct

from builtin_interfaces.msg import Time
from hypothesis import given, strategies as st
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fcos_ros.messages.headers import Stamp
from fcos_ros.messages.images import SOURCES, to_frame
from fcos_ros.messages.serialised_images import ImageReader
from fcos_ros.node.input.message_types import find_reader

UINT32 = st.integers(0, 2**32 - 1)

TEXTS = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'), max_size=9)

STAMPS = st.builds(lambda sec, nanosec: Time(sec=sec, nanosec=nanosec),
                   st.integers(-2**31, 2**31 - 1), UINT32)

IMAGES = st.builds(
    lambda stamp, frame_id, **fields: Image(
        header=Header(stamp=stamp, frame_id=frame_id), **fields),
    STAMPS, TEXTS, height=UINT32, width=UINT32, encoding=TEXTS, is_bigendian=st.integers(0, 255),
    step=UINT32, data=st.binary(max_size=20))


def fields(image):
    """Return all fields of a message, of either class."""
    return (Stamp.of(image.header.stamp), image.header.frame_id, image.height, image.width,
            image.encoding, image.is_bigendian, image.step, bytes(image.data))


def camera_image(number=0, size=(4, 2), frame_id='camera'):
    width, height = size
    pixels = bytes((number + place) % 256 for place in range(width * height * 3 // 2))
    return Image(header=Header(stamp=Time(sec=number), frame_id=frame_id), width=width,
                 height=height, encoding='nv12', step=width, data=pixels)


@given(st.lists(IMAGES, min_size=1, max_size=4))
def test_all_fields_are_those_that_rclpy_reads(images):
    reader = ImageReader()
    for image in images:
        serialised = serialize_message(image)
        assert fields(reader.read(serialised)) == fields(deserialize_message(serialised, Image))


def test_images_of_a_camera_keep_their_own_stamps_and_pixels_when_its_description_changes():
    reader = ImageReader()
    images = [camera_image(0), camera_image(1), camera_image(2, size=(8, 2)), camera_image(3),
              camera_image(4, frame_id='other'), camera_image(5, frame_id='other')]
    read = [reader.read(serialize_message(image)) for image in images]
    assert list(map(fields, read)) == list(map(fields, images))


def test_the_frame_of_a_serialised_image_views_its_bytes():
    serialised = serialize_message(camera_image())
    frame, expected = to_frame(ImageReader().read(serialised)), to_frame(camera_image())
    everything = np.frombuffer(serialised, np.uint8)
    assert all(np.shares_memory(plane, everything) for plane in frame.planes)
    for plane, other in zip(frame.planes, expected.planes, strict=True):
        np.testing.assert_array_equal(plane, other)


@pytest.mark.parametrize(('number', 'frame_id'), [(1, 'x'), (2, 'camera')])
def test_padding_may_have_any_content(number, frame_id):
    image = camera_image(number, frame_id=frame_id)
    serialised = bytearray(serialize_message(image))
    reader = ImageReader()
    # After the texts 'x' or 'camera', and the byte of the order.
    padding = {'x': [18, 19, 38, 39], 'camera': [23, 42, 43]}[frame_id]
    for content in 0, 1, 255, 7:
        for place in padding:
            serialised[place] = content
        assert fields(reader.read(bytes(serialised))) == fields(image)


@given(st.integers(0, 71), st.booleans())
def test_a_truncated_message_is_refused(length, after_a_whole_one):
    serialised = serialize_message(camera_image())
    reader = ImageReader()
    if after_a_whole_one:
        reader.read(serialised)
    with pytest.raises(ValueError, match=r'format|truncated|ends before|no zero'):
        reader.read(serialised[:min(length, len(serialised) - 4)])


@given(st.binary(max_size=8), st.integers(0, 60))
def test_random_bytes_are_read_as_by_rclpy_or_refused(noise, place):
    serialised = serialize_message(camera_image())
    damaged = serialised[:place] + noise + serialised[place + len(noise):]
    try:
        read = ImageReader().read(damaged)
    except ValueError:
        return
    assert fields(read) == fields(deserialize_message(damaged, Image))


def test_another_byte_order_is_refused_also_after_an_image_of_the_known_one():
    serialised = serialize_message(camera_image())
    reader = ImageReader()
    reader.read(serialised)
    with pytest.raises(ValueError, match='its format is'):
        reader.read(b'\0\0' + serialised[2:])


def test_an_image_of_a_big_endian_machine_is_read_by_rclpy():
    image = camera_image(5)
    serialised = struct.pack(
        '>HHiII7sxIII5sBxxII12s', 0, 0, 5, 0, 7, b'camera\0', image.height, image.width,
        5, b'nv12\0', 0, image.step, 12, bytes(image.data))
    read = find_reader(SOURCES['sensor_msgs/msg/Image'])
    assert read(serialised) == image


@pytest.mark.parametrize('name', [name for name in SOURCES if name != 'sensor_msgs/msg/Image'])
def test_messages_of_other_types_are_left_to_rclpy(name):
    assert find_reader(SOURCES[name]) is None
