# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections drawn on an image, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
import colorsys
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame, Pixels
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.zones import EVERYWHERE, Zones

Colour = tuple[int, int, int]
"""Blue, green, red, from 0 to 255."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(
    frame: Frame, detections: Detections, labels: Labels, width: int = 0,
    zones: Zones = EVERYWHERE,
) -> Pixels:
    """
    Make a picture of a frame with what was found in it.

    The image is scaled before anything is drawn, so that words stay readable and cost less.

    :param detections: boxes in pixels of the frame.
    :param width: the greatest of the picture, which keeps the aspect, to the even pixel, two at
        least; 0 and whatever is no less than the frame's stand for the frame's own size.
    :param zones: outlined, regions in white and what is ignored in grey.
    :returns: (H, W, 3) uint8 in BGR order, the caller's own.
    :raises FrameError: when the frame is a compressed picture that is broken.
    """
    if 0 < width < frame.size.width:
        canvas, resize = _scaled(frame, width)
        detections = detections.with_boxes(resize.to_canvas(detections.boxes))
    else:
        canvas = _own(frame.bgr(), frame)
    _outline(canvas, zones)
    annotate(canvas, detections, labels)
    return canvas


def annotate(bgr: Pixels, detections: Detections, labels: Labels) -> None:
    """
    Draw boxes, and tags with names and scores, into the image, the best detection on top.

    OpenCV has letters for ASCII only: of a name, all else is drawn as question marks.

    :param bgr: (H, W, 3) uint8, writable; changed in place.
    :param detections: boxes in pixels of this image.
    """
    height, width = bgr.shape[:2]
    line = line_width(Size(width, height))
    corners = np.clip(detections.boxes, 0, [width - 1, height - 1] * 2).round().astype(int)
    colours = [colour(class_id) for class_id in detections.class_ids.tolist()]
    tags = [_Tag.of(caption(detections, index, labels), line)
            for index in range(len(detections))]
    places = _places(corners, [tag.size for tag in tags], Size(width, height))
    for (x1, y1, x2, y2), paint in zip(corners[::-1].tolist(), colours[::-1]):
        cv2.rectangle(bgr, (x1, y1), (x2, y2), paint, line)
    for tag, place, paint in zip(tags[::-1], places[::-1], colours[::-1]):
        tag.draw(bgr, place, paint)


def caption(detections: Detections, index: int, labels: Labels) -> list[str]:
    """Say in lines what a detection is, and how surely, by its track, and what else it may be."""
    class_ids, scores = [int(detections.class_ids[index])], [float(detections.scores[index])]
    if detections.alternatives is not None:
        class_ids += detections.alternatives.class_ids[index].tolist()
        scores += detections.alternatives.scores[index].tolist()
    lines = [f'{labels.name(class_id)} {score:.2f}'
             for class_id, score in zip(class_ids, scores) if class_id >= 0]
    if detections.track_ids is not None and detections.track_ids[index]:
        lines[0] += f' #{detections.track_ids[index]}'
    return lines


def colour(class_id: int) -> Colour:
    """Colour of a class, always the same; neighbouring classes are far apart in hue."""
    # Steps of the golden angle never meet an earlier hue again.
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.6180339887498949 % 1, 0.8, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def contrast(background: Colour) -> Colour:
    """Black on light colours, white on dark ones (luma weights of BT.601)."""
    blue, green, red = background
    luma = 0.114 * blue + 0.587 * green + 0.299 * red
    return (0, 0, 0) if luma > 128 else (255, 255, 255)


def line_width(image: Size) -> int:
    """Width of lines, in pixels, that is well seen on an image of this size."""
    return max(1, round(min(image) / 240))


def _scaled(frame: Frame, width: int) -> tuple[Pixels, Resize]:
    width = max(2, width // 2 * 2)
    height = frame.size.height * width / frame.size.width
    size = Size(width, max(2, 2 * round(height / 2)))
    tensor, resize = Preprocessor(InputSpec('picture', size, 'bgr'), 'stretch')(frame)
    return tensor[0], resize


def _own(bgr: Pixels, frame: Frame) -> Pixels:
    """Copy what still belongs to the frame."""
    borrowed = any(np.may_share_memory(bgr, plane) for plane in frame.planes)
    return np.array(bgr, order='C', copy=True) if borrowed else np.ascontiguousarray(bgr)


def _outline(bgr: Pixels, zones: Zones) -> None:
    """Draw polygons with thin lines, on black ones that set them off from a bright image."""
    last = np.array(bgr.shape[1::-1]) - 1
    for polygons, grey in ((zones.regions, 255), (zones.ignored, 160)):
        for polygon in polygons:
            corners = (np.array(polygon) * last).round().astype(np.int32)
            for paint, thickness in ((0, 3), (grey, 1)):
                cv2.polylines(bgr, [corners], True, (paint,) * 3, thickness)


class _Tag(NamedTuple):
    """Lines of text on a filled rectangle of `size` pixels."""

    lines: list[str]
    size: Size
    scale: float
    stroke: int
    margin: int
    pitch: int
    """Pixels from one line's top to the next."""
    baseline: int
    """Pixels of each line below the foot of its letters."""

    @classmethod
    def of(cls, lines: Sequence[str], line_width: int) -> _Tag:
        words = [_ascii(text) for text in lines]
        scale, margin, stroke = max(0.4, 0.3 * line_width), line_width + 1, max(1, line_width // 2)
        sizes = [cv2.getTextSize(text, _FONT, scale, stroke) for text in words]
        pitch = max(height + baseline for (_, height), baseline in sizes)
        size = Size(max(width for (width, _), _ in sizes) + 2 * margin,
                    pitch * len(words) + 2 * margin)
        return cls(words, size, scale, stroke, margin, pitch, sizes[0][1])

    def draw(self, bgr: Pixels, corner: tuple[int, int], background: Colour) -> None:
        """Draw with the top left corner there."""
        left, top = corner
        cv2.rectangle(bgr, corner, (left + self.size.width - 1, top + self.size.height - 1),
                      background, cv2.FILLED)
        for number, text in enumerate(self.lines, start=1):
            foot = top + self.margin + number * self.pitch - self.baseline
            cv2.putText(bgr, text, (left + self.margin, foot), _FONT, self.scale,
                        contrast(background), self.stroke, cv2.LINE_AA)


def _places(
    boxes: NDArray[np.int_], tags: Sequence[Size], image: Size,
) -> list[tuple[int, int]]:
    """Find the top left corner of each tag, in turn, where it hides least of those before."""
    if not tags:
        return []
    candidates = _candidates(boxes, np.array(tags), image)
    taken = np.empty((len(tags), 4), int)
    for number, places in enumerate(candidates):
        hidden = _overlaps(places, taken[:number])
        taken[number] = places[hidden.argmin()]
    return [(left, top) for left, top in taken[:, :2].tolist()]


def _candidates(
    boxes: NDArray[np.int_], tags: NDArray[np.int_], image: Size,
) -> NDArray[np.int_]:
    """Return where each tag may be, (N, K, 4), best first: on its box, in it, or below it."""
    x1, y1, x2, y2 = boxes.T
    width, height = tags.T
    above, right = y1 - height, x2 - width + 1
    corners = np.array([(x1, above), (right, above), (x1, y1), (right, y1), (x1, y2 + 1)])
    last = np.maximum(0, np.array(image) - tags)[:, None]
    corners = np.clip(corners.transpose(2, 0, 1), 0, last)
    return np.concatenate([corners, corners + tags[:, None]], axis=2)


def _overlaps(rectangles: NDArray[np.int_], others: NDArray[np.int_]) -> NDArray[np.int_]:
    """Pixels of each rectangle, (K, 4), that the others, (M, 4), cover; each of them counts."""
    low = np.maximum(rectangles[:, None, :2], others[:, :2])
    high = np.minimum(rectangles[:, None, 2:], others[:, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2).sum(axis=1))


def _ascii(text: str) -> str:
    """Say a text in the letters that OpenCV has."""
    return text.encode('ascii', 'replace').decode()
