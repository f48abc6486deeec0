# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error for images that cannot be used, and the kinds of it that are counted."""

from __future__ import annotations

from typing import Literal

FrameErrorKind = Literal[
    'data', 'size', 'step', 'length', 'encoding', 'format', 'truncated', 'damaged', 'limit',
    'frame_id']
"""
The faults of an image:

- data: the buffer or array cannot be read as bytes or pixels.
- size: a side is 0, odd where it must be even, or the image is above the maximum.
- step: the rows are shorter than their pixels.
- length: the data is longer or shorter than size and step state.
- encoding: the name of the encoding is unknown, or the pixels cannot be converted.
- format: the data is no image file of an accepted format.
- truncated: an image file ends too early.
- damaged: an image file cannot be decoded, or contradicts its header.
- limit: an image file has more parts than its pixels need.
- frame_id: the name of the coordinate frame is too long.
"""


class FrameError(ValueError):
    """
    The data is not a valid image of the stated format and size.

    :ivar kind: by which failed frames are counted.
    """

    def __init__(self, message: str, kind: FrameErrorKind = 'damaged') -> None:
        super().__init__(message)
        self.kind = kind
