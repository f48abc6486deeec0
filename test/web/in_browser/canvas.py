# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read what a canvas of the page shows, and find outlines of boxes in it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from fcos_ros.core.annotate import class_colour

MIN_POINTS = 6
"""Points of an edge that must be in sight."""


def read_canvas(view: Any, name: str) -> np.ndarray:
    """Return the pixels (H, W, 4), blue, green, red, alpha, of a canvas in a view of a camera."""
    return read_stamped_canvas(view, name)[1]


def read_stamped_canvas(view: Any, name: str) -> tuple[str, np.ndarray]:
    """Return the stamp of the image that a view shows, with the pixels of a canvas."""
    stamp, url = view.evaluate(
        '(view, name) => [view.dataset.stamp, view.querySelector(`canvas.${name}`).toDataURL()]',
        name)
    encoded = np.frombuffer(base64.b64decode(url.partition(',')[2]), np.uint8)
    return stamp, cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)


def outline_share(overlay: np.ndarray, box: Sequence[float], class_id: int) -> float | None:
    """
    Return which share of the outline of a box is a line of the colour of its class.

    A line is looked for up to 2 pixels beside each point of the outline. Points below a tag are
    left out. The result is that of the second-worst edge, as a line of another box may
    cover one. It is None if tags cover more.
    """
    colours = overlay[..., :3].astype(int)
    is_line = (np.abs(colours - class_colour(class_id)) < 24).all(axis=-1)
    is_line &= overlay[..., 3] > 200
    tags = _tags(overlay)
    left, top, right, bottom = box
    height, width = tags.shape
    rows = np.arange(max(top, 0) + 4, min(bottom, height) - 4).astype(int)
    columns = np.arange(max(left, 0) + 4, min(right, width) - 4).astype(int)
    shares = []
    for mask, covered, along, place in (
            (is_line, tags, rows, left), (is_line, tags, rows, right),
            (is_line.T, tags.T, columns, top), (is_line.T, tags.T, columns, bottom)):
        near = np.arange(int(np.floor(place)) - 2, int(np.ceil(place)) + 2)
        near = near.clip(0, mask.shape[1] - 1)
        shown = along[~covered[along][:, near].any(axis=1)]
        if len(shown) >= MIN_POINTS:
            shares.append(float(mask[shown][:, near].any(axis=1).mean()))
    return sorted(shares)[1] if len(shares) > 2 else None


def _tags(overlay: np.ndarray) -> np.ndarray:
    """Return where tags are: opaque areas that are larger than lines, and their surroundings."""
    opaque = (overlay[..., 3] > 200).astype(np.uint8)
    opened = cv2.morphologyEx(opaque, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    return cv2.dilate(opened, np.ones((5, 5), np.uint8)).astype(bool)
