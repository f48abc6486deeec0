# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a single frame: labels in the form of YOLO, and the objects cut out."""

from __future__ import annotations

from collections.abc import Iterator
import re

import cv2
import numpy as np

from fcos_ros.core.arrays import Pixels
from fcos_ros.core.detections import Detections
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size

JPEG_QUALITY = 95
"""Quality of the cut-out objects, which may be used for training."""


def yolo_labels(found: Detections, size: Size, with_scores: bool) -> str:
    """Return a line for each object: class, centre and size as fractions, perhaps the score."""
    corners = found.boxes / np.array([*size, *size], np.float64)
    centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    rows = np.hstack([centres, sides, found.scores[:, None]])[:, :5 if with_scores else 4]
    return ''.join(f'{class_id} {" ".join(f"{value:.6f}" for value in row)}\n'
                   for class_id, row in zip(found.class_ids.tolist(), rows))


def crops(bgr: Pixels, found: Detections, labels: Labels) -> Iterator[tuple[str, bytes]]:
    """
    Yield each object as a JPEG file, with the name of its class as the name of a folder.

    :param bgr: the whole frame, (H, W, 3).
    """
    height, width = bgr.shape[:2]
    for box, class_id in zip(found.boxes, found.class_ids.tolist()):
        left, top = np.floor(np.clip(box[:2], 0, [width - 1, height - 1])).astype(int)
        right, bottom = np.ceil(np.clip(box[2:], [left + 1, top + 1], [width, height])).astype(int)
        _, file = cv2.imencode('.jpg', bgr[top:bottom, left:right],
                               [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        yield folder_name(labels.name(class_id)), file.tobytes()


def folder_name(name: str) -> str:
    """Return a name for a folder: without separators and leading dots."""
    return re.sub(r'[/\\\0]', '_', name).lstrip('.') or '_'
