# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Keep smaller copies of large images, as most of the training would be spent on decoding them.

The copies are as large as the largest scale of a training image needs. They are interpolated as
the detector scales its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
import hashlib
import math
import os
from pathlib import Path

import cv2
import numpy as np

from fcos_ros.core.resize import Size
from fcos_ros.evaluation.datasets import LabelledImage
from training.augment import SCALES
from training.files import write

MIN_FACTOR = 1.5
"""Images that are larger than needed by less than this are used as they are."""

JPEG_QUALITY = 95


def shrink(
    images: Sequence[LabelledImage], canvas: Size, folder: Path,
    advance: Callable[[], object] = lambda: None,
) -> list[LabelledImage]:
    """
    Return the images, the large ones replaced by smaller copies in a folder.

    :param advance: called after each image.
    :raises FrameError: an image cannot be read.
    :raises OSError: a copy cannot be written.
    """
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for image in threads.map(partial(_shrunk, canvas=canvas, folder=folder), images):
            results.append(image)
            advance()
    return results


def _shrunk(image: LabelledImage, canvas: Size, folder: Path) -> LabelledImage:
    pixels = image.read()
    height, width = pixels.shape[:2]
    scale = min(canvas.width / width, canvas.height / height) * math.exp(SCALES[1])
    if scale * MIN_FACTOR > 1:
        return image
    size = Size(round(width * scale), round(height * scale))
    path = folder / f'{hashlib.sha256(pixels.tobytes()).hexdigest()[:32]}_{size}.jpg'
    if not path.exists():
        copy = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
        folder.mkdir(exist_ok=True)
        _, content = cv2.imencode('.jpg', copy, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        write(path, content.tobytes())
    factors = np.array([size.width / width, size.height / height] * 2, np.float32)
    return replace(image, path=path, boxes=image.boxes * factors, size=None)
