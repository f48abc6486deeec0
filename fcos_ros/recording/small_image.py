# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small JPEG files of frames, to see what happened."""

from __future__ import annotations

import cv2

from fcos_ros.core.annotate import draw
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.runtime.image_warnings import image_warnings

JPEG_QUALITY = 70
"""A third of the bytes of quality 95."""


def small_jpeg(image: Frame, width: int) -> bytes:
    """
    Return a JPEG file of a frame; empty if the frame is damaged.

    :param width: maximum width in pixels.
    """
    try:
        with image_warnings(image):  # they were reported when the frame was processed
            pixels = draw(image, Detections.empty(), Labels(()), width)
        encoded, jpeg = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except (cv2.error, ValueError):
        return b''
    return jpeg.tobytes() if encoded else b''
