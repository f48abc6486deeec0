# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A frame with one object for the models of `onnx_models`, and a damaged frame."""

from __future__ import annotations

import cv2
import numpy as np
from onnx_models import white_square

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size


def square_frame(column: int = 5, size: int = 128, encoding: str = 'bgr8') -> Frame:
    """
    Make a black frame with one white square.

    :param column: place of the square, in cells of stride 8.
    :param size: width and height in pixels.
    :param encoding: `bgr8` or `nv12`.
    """
    image = white_square(size, column, 3)
    data = image.ravel()
    if encoding == 'nv12':
        chroma = np.full(size * size // 2, 128, np.uint8)
        data = np.concatenate([image[:, :, 0].ravel(), chroma])
    return Frame.wrap(data.tobytes(), Size(size, size), encoding)


def truncated_jpeg() -> Frame:
    """Make a frame of a JPEG file without its end."""
    file = cv2.imencode('.jpg', white_square(128, 5, 3))[1].tobytes()
    return Frame.compressed(file[:-9])
