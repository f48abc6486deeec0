# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A picture with marked boxes, as SVG that holds the picture.

The boxes are drawn by the browser: names of any script are shown, and the picture stays clean.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.frame import Frame
from fcos_ros.core.resize import Size
from fcos_ros.report.markup import text

RIGHT, WRONG, MISSED = 'right', 'wrong', 'missed'
"""The kinds of marks: a correct detection, a wrong one, an object that was not detected."""

MAX_SIDE = 640
"""Maximum width and height of a picture in a report, in pixels."""

JPEG_QUALITY = 80

PICTURE_STYLE = (
    'svg.picture rect{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}'
    'svg.picture text{font-family:system-ui,sans-serif;paint-order:stroke;stroke:#000;'
    'stroke-linejoin:round}'
    'svg.picture .right rect{stroke:#35d07f}svg.picture .right text{fill:#35d07f}'
    'svg.picture .wrong rect{stroke:#ff5a4d}svg.picture .wrong text{fill:#ff8a80}'
    'svg.picture .missed rect{stroke:#ffcc33;stroke-dasharray:6 4}'
    'svg.picture .missed text{fill:#ffcc33}')


@dataclass(frozen=True, eq=False)
class Mark:
    """
    A box in a picture.

    :ivar box: x1, y1, x2, y2 in pixels of the image.
    :ivar kind: `RIGHT`, `WRONG` or `MISSED`.
    """

    box: NDArray[np.float32]
    label: str
    kind: str


def small_jpeg(frame: Frame) -> bytes:
    """
    Return a frame as a JPEG file of at most `MAX_SIDE` pixels.

    :raises FrameError: the frame is a damaged image file.
    """
    bgr = frame.bgr()
    scale = MAX_SIDE / max(bgr.shape[:2])
    if scale < 1:
        bgr = np.asarray(cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
                         np.uint8)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def picture(jpeg: bytes, size: Size, marks: Sequence[Mark]) -> str:
    """
    Return a picture with marks.

    :param jpeg: of any size; empty for a picture that may not be shown.
    :param size: of the image, in whose pixels the marks are.
    """
    shown = (f'<image width="{size.width}" height="{size.height}" '
             f'href="data:image/jpeg;base64,{b64encode(jpeg).decode()}"/>' if jpeg else
             f'<rect width="{size.width}" height="{size.height}" stroke="#888"/>')
    letter = max(size) / 45
    return (f'<svg class="picture" role="img" viewBox="0 0 {size.width} {size.height}">{shown}'
            + ''.join(_mark(mark, letter) for mark in marks) + '</svg>')


def _mark(mark: Mark, letter: float) -> str:
    x1, y1, x2, y2 = (float(value) for value in mark.box)
    # An object that is missed may lie below a wrong detection, whose label is above.
    is_above = mark.kind != MISSED and y1 > 1.4 * letter
    baseline = y1 - letter / 3 if is_above else y2 - letter / 3
    return (f'<g class="{mark.kind}"><title>{text(f"{mark.kind}: {mark.label}")}</title>'
            f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"/>'
            f'<text x="{x1:.1f}" y="{baseline:.1f}" font-size="{letter:.1f}" '
            f'stroke-width="{letter / 8:.1f}">{text(mark.label)}</text></g>')
