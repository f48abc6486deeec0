# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections drawn on an image, for people to look at."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Pixels
from fcos_ros.core.labels import Labels

Colour = tuple[int, int, int]
"""Blue, green, red, from 0 to 255."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(bgr: Pixels, detections: Detections, labels: Labels) -> None:
    """
    Draw boxes, names and scores into the image, the best detection on top.

    :param bgr: (H, W, 3) uint8, writable; changed in place.
    :param detections: boxes in pixels of this image.
    """
    height, width = bgr.shape[:2]
    thickness = max(1, round(min(width, height) / 240))
    corners = np.clip(detections.boxes, 0, [width - 1, height - 1] * 2).round().astype(int)
    for index in reversed(range(len(detections))):
        class_id = int(detections.class_ids[index])
        x1, y1, x2, y2 = map(int, corners[index])
        cv2.rectangle(bgr, (x1, y1), (x2, y2), colour(class_id), thickness)
        text = f'{labels.name(class_id)} {detections.scores[index]:.2f}'
        _draw_tag(bgr, _ascii(text), (x1, y1), colour(class_id), thickness)


def colour(class_id: int) -> Colour:
    """Colour of a class, always the same; neighbouring classes are far apart in hue."""
    # Steps of the golden angle never meet an earlier hue again.
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.6180339887498949 % 1, 0.8, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def _draw_tag(
    bgr: Pixels, text: str, corner: tuple[int, int], background: Colour, thickness: int,
) -> None:
    """Write on a filled rectangle that stands on the corner, or hangs from the image's top."""
    scale, margin, stroke = max(0.4, 0.3 * thickness), thickness + 1, max(1, thickness // 2)
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    tag_width, tag_height = text_width + 2 * margin, text_height + baseline + 2 * margin
    left = max(0, min(corner[0], bgr.shape[1] - tag_width))
    top = max(0, corner[1] - tag_height)
    cv2.rectangle(
        bgr, (left, top), (left + tag_width - 1, top + tag_height - 1), background, cv2.FILLED)
    cv2.putText(
        bgr, text, (left + margin, top + margin + text_height), _FONT, scale,
        _contrast(background), stroke, cv2.LINE_AA)


def _contrast(background: Colour) -> Colour:
    """Black on light colours, white on dark ones (luma weights of BT.601)."""
    luma = np.dot(background, (0.114, 0.587, 0.299))
    return (0, 0, 0) if luma > 128 else (255, 255, 255)


def _ascii(text: str) -> str:
    """OpenCV's built-in letters are ASCII."""
    return text.encode('ascii', 'replace').decode()
