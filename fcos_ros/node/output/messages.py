# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert images to messages of ROS 2, and check the layout of detections.

Every field gets a Python number or text. From numpy types, newer distributions silently publish
wrong values.
"""

from __future__ import annotations

from array import array

from builtin_interfaces.msg import Time
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from fcos_ros.core.detections import Detections
from fcos_ros.messages.detections import serialise_detections
from fcos_ros.messages.headers import ImageHeader

EXAMPLE = Detections(
    np.array([[1, 2, 5, 8]], np.float32), np.array([0.5], np.float32), np.array([7], np.int32),
    track_ids=np.array([8], np.int64))

UNKNOWN_LAYOUT = ('the installed vision_msgs is unknown; accepted: version 4; install the package '
                  'vision_msgs of your ROS 2 distribution')


def to_header(header: ImageHeader) -> Header:
    """Return the header of an image as a message."""
    stamp = header.stamp
    return Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec), frame_id=header.frame_id)


def to_image(bgr: NDArray[np.uint8], header: ImageHeader) -> Image:
    """Return (H, W, 3) BGR pixels as a packed bgr8 image."""
    height, width, channels = bgr.shape
    message = Image(header=to_header(header), height=height, width=width, encoding='bgr8',
                    is_bigendian=0, step=channels * width)
    # The setter of `data` would copy the pixels, or check each byte in Python.
    pixels: array[int] = message.data
    pixels.frombytes(np.ascontiguousarray(bgr).data.cast('B'))
    return message


def to_compressed_image(jpeg: NDArray[np.uint8], header: ImageHeader) -> CompressedImage:
    """Return a JPEG file, made of BGR pixels, as a message."""
    message = CompressedImage(header=to_header(header), format='bgr8; jpeg compressed bgr8')
    content: array[int] = message.data
    content.frombytes(jpeg.data.cast('B'))
    return message


def require_known_layout() -> None:
    """
    Check that the installed vision_msgs reads the detections that we serialise.

    :raises ValueError: its messages have other fields.
    """
    header = Header(frame_id='camera')
    try:
        found, = deserialize_message(
            serialise_detections(EXAMPLE, header), Detection2DArray).detections
        result, = found.results
        read = (found.header, found.bbox.center.position.x, found.bbox.center.position.y,
                found.bbox.size_x, found.bbox.size_y, found.id, result.hypothesis.class_id,
                result.hypothesis.score)
    except Exception as error:  # a failed deserialisation may raise anything
        raise ValueError(f'{UNKNOWN_LAYOUT} ({error})') from error
    if read != (header, 3.0, 5.0, 4.0, 6.0, '8', '7', 0.5):
        raise ValueError(UNKNOWN_LAYOUT)
