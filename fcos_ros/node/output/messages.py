# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Convert detections and images to messages of ROS 2.

Every field gets a Python number or text. From numpy types, newer distributions silently publish
wrong values.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs import msg as vision_msgs

from fcos_ros.messages.detections import TYPES, DetectionConverter

Message = TypeVar('Message')


def to_image(bgr: NDArray[np.uint8], header: Header) -> Image:
    """Return (H, W, 3) BGR pixels as a packed bgr8 image."""
    height, width, channels = bgr.shape
    message = Image(header=header, height=height, width=width, encoding='bgr8', is_bigendian=0,
                    step=channels * width)
    # The setter of `data` would copy the pixels, or check each byte in Python.
    pixels: array[int] = message.data
    pixels.frombytes(np.ascontiguousarray(bgr).data.cast('B'))
    return message


def to_compressed_image(jpeg: NDArray[np.uint8], header: Header) -> CompressedImage:
    """Return a JPEG file, made of BGR pixels, as a message."""
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    content: array[int] = message.data
    content.frombytes(jpeg.data.cast('B'))
    return message


def _maker(kind: Callable[[], Message]) -> Callable[[], Message]:
    """
    Return a function that makes messages whose fields share the same default values.

    It replaces the constructor, which makes a default for each message field, even if the field
    is given. With constructors, the conversion takes five times as long. The shared values may be
    replaced but not changed.
    """
    example = kind()
    slots: Any = [vars(type(example))[name] for name in type(example).__slots__]  # type: ignore[attr-defined]
    defaults = [(slot.__set__, slot.__get__(example)) for slot in slots]

    def make() -> Message:
        message = example.__new__(type(example))
        for fill, value in defaults:
            fill(message, value)
        return message
    return make


to_detection_array = DetectionConverter(
    {name: _maker(getattr(vision_msgs, name)) for name in TYPES}).to_array
"""Converts detections to a Detection2DArray; see `DetectionConverter.to_array`."""
