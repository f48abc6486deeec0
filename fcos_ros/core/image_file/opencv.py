# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode an image file whose header has been read, and check the result."""

from __future__ import annotations

import cv2
import numpy as np

from fcos_ros.core.arrays import Array, Bytes
from fcos_ros.core.errors import FrameError
from fcos_ros.core.resize import Size


def decode(file: Bytes, flags: int, kind: str, expected: Size) -> Array:
    """
    Decode a file to (H, W, 3) in BGR order, or (H, W) in grey. The orientation tag is ignored.

    :param flags: of `cv2.imdecode`; with IMREAD_ANYDEPTH, samples of 16 bits become uint16.
    :param kind: name of the format, for errors.
    :param expected: size of the result.
    :raises FrameError: OpenCV cannot decode it, or to another size.
    """
    stated = f'{kind} file of {file.size} bytes'
    try:
        pixels = cv2.imdecode(file, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameError(f'{stated} cannot be decoded: {error}') from error
    if pixels is None:
        raise FrameError(f'{stated} cannot be decoded: it is damaged, or this OpenCV does not '
                         f'support its kind; accepted: files that OpenCV {cv2.__version__} reads')
    decoded = Size(*pixels.shape[1::-1])
    if decoded != expected:
        raise FrameError(f'{stated} is decoded to {decoded}; expected from its header: {expected}')
    return np.asarray(pixels)
