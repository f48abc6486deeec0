# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A scene in which the network of the tests detects one object, in every type of message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
from node.graph import image_message
import numpy as np
from onnx_models import white_square
from sensor_msgs.msg import CompressedImage

SIZE = 128
SCENE = white_square(SIZE, 5, 3)
JPEG = cv2.imencode('.jpg', SCENE)[1].tobytes()


def compressed_message(data: bytes = JPEG, image_format: str = 'jpeg') -> CompressedImage:
    """Return a message with an image file."""
    message = CompressedImage(format=image_format)
    message.data.frombytes(data)
    return message


def hbm_message(name: str = 'HbmMsg480P', encoding: bytes = b'bgr8',
                length: int | None = None) -> Any:
    """Return the scene as cameras of a board publish it: in an array of fixed size."""
    from hbm_img_msgs import msg
    message = getattr(msg, name)(height=SIZE, width=SIZE, step=SIZE, index=7)
    pixels = SCENE.ravel()
    message.data[:len(pixels)] = pixels
    message.encoding[:len(encoding)] = np.frombuffer(encoding, np.uint8)
    message.data_size = len(pixels) if length is None else length
    return message


MESSAGES: Mapping[str, Callable[[], Any]] = {
    'raw': lambda: image_message(SCENE), 'compressed': compressed_message,
    'hbmem': hbm_message}
