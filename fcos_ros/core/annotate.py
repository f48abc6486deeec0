# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw detections on an image."""

from __future__ import annotations

from collections.abc import Sequence
import colorsys
from functools import lru_cache
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Pixels
from fcos_ros.core.detections import Detections
from fcos_ros.core.frame import Frame
from fcos_ros.core.labels import Labels
from fcos_ros.core.preprocess import InputSpec, Preprocessor
from fcos_ros.core.resize import Resize, Size
from fcos_ros.core.zones import EVERYWHERE, Zones

Colour = tuple[int, int, int]
"""Blue, green, red, from 0 to 255."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX

_CAPITAL = 21
"""Height of a capital letter of this font at scale 1, in pixels."""


class Font(Protocol):
    """A font with more characters than OpenCV's."""

    def render(self, line: str, height: int) -> Pixels:
        """
        Draw a line of text.

        :param height: of a capital letter, in pixels.
        :returns: a mask (H, W) from 0 to 255; all lines have the same height.
        """


def draw(
    frame: Frame, detections: Detections, labels: Labels, width: int = 0,
    zones: Zones = EVERYWHERE, font: Font | None = None,
) -> Pixels:
    """
    Return an image of the frame with its detections.

    The frame is scaled before drawing: this costs less, and text stays readable.

    :param detections: boxes in pixels of the frame.
    :param width: maximum width in pixels, rounded down to an even number of at least 2. The
        aspect ratio is kept. 0 or a width above that of the frame keeps the size of the frame.
    :param zones: outlined, include zones in white and exclude zones in grey.
    :param font: see `annotate`.
    :returns: (H, W, 3) uint8 in BGR order, never a view of the frame.
    :raises FrameError: the frame is a damaged image file.
    """
    if 0 < width < frame.size.width:
        bgr, resize = _scaled(frame, width)
        detections = detections.with_boxes(resize.to_canvas(detections.boxes))
    else:
        bgr = _writable(frame.bgr(), frame)
    _outline(bgr, zones)
    annotate(bgr, detections, labels, font)
    return bgr


def annotate(
    bgr: Pixels, detections: Detections, labels: Labels, font: Font | None = None,
) -> None:
    """
    Draw a box and a tag with name and score for each detection, the best one on top.

    :param bgr: (H, W, 3) uint8, writable; changed in place.
    :param detections: boxes in pixels of this image.
    :param font: for names that are not ASCII, which OpenCV draws from version 5 on. Without it, a
        character that cannot be drawn becomes a question mark.
    """
    height, width = bgr.shape[:2]
    line = line_width(Size(width, height))
    corners = np.clip(detections.boxes, 0, [width - 1, height - 1] * 2).round().astype(int)
    colours = [class_colour(class_id) for class_id in detections.class_ids.tolist()]
    tags = [_Tag.of(caption(detections, index, labels), line, font)
            for index in range(len(detections))]
    places = _places(corners, [tag.size for tag in tags], Size(width, height))
    for (x1, y1, x2, y2), colour in zip(corners[::-1].tolist(), colours[::-1]):
        cv2.rectangle(bgr, (x1, y1), (x2, y2), colour, line)
    for tag, place, colour in zip(tags[::-1], places[::-1], colours[::-1]):
        tag.draw(bgr, place, colour)


def caption(detections: Detections, index: int, labels: Labels) -> list[str]:
    """Return lines of text: class, score and track of a detection, then its alternatives."""
    class_ids, scores = [int(detections.class_ids[index])], [float(detections.scores[index])]
    if detections.alternatives is not None:
        class_ids += detections.alternatives.class_ids[index].tolist()
        scores += detections.alternatives.scores[index].tolist()
    lines = [f'{labels.name(class_id)} {score:.2f}'
             for class_id, score in zip(class_ids, scores) if class_id >= 0]
    if detections.track_ids is not None and detections.track_ids[index]:
        lines[0] += f' #{detections.track_ids[index]}'
    return lines


def class_colour(class_id: int) -> Colour:
    """Return the colour of a class: always the same, and far in hue from the next class."""
    # Steps of the golden angle never return to an earlier hue.
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.6180339887498949 % 1, 0.8, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def text_colour(background: Colour) -> Colour:
    """Return black for a light background, white for a dark one (luma weights of BT.601)."""
    blue, green, red = background
    luma = 0.114 * blue + 0.587 * green + 0.299 * red
    return (0, 0, 0) if luma > 128 else (255, 255, 255)


def line_width(image: Size) -> int:
    """Return the width of lines, in pixels, that suits an image of this size."""
    return max(1, round(min(image) / 240))


def _scaled(frame: Frame, width: int) -> tuple[Pixels, Resize]:
    width = max(2, width // 2 * 2)
    height = frame.size.height * width / frame.size.width
    size = Size(width, max(2, 2 * round(height / 2)))
    tensor, resize = Preprocessor(InputSpec('annotated', size, 'bgr'), 'stretch').prepare(frame)
    return tensor[0], resize


def _writable(bgr: Pixels, frame: Frame) -> Pixels:
    """Copy the pixels if they are a view of the frame."""
    is_view = any(np.may_share_memory(bgr, plane) for plane in frame.planes)
    return np.array(bgr, order='C', copy=True) if is_view else np.ascontiguousarray(bgr)


def _outline(bgr: Pixels, zones: Zones) -> None:
    """Draw polygons with thin lines, on wider black lines that stand out in a bright image."""
    last = np.array(bgr.shape[1::-1]) - 1
    for polygons, grey in ((zones.include, 255), (zones.exclude, 160)):
        for polygon in polygons:
            corners = (np.array(polygon) * last).round().astype(np.int32)
            for level, thickness in ((0, 3), (grey, 1)):
                cv2.polylines(bgr, [corners], True, (level,) * 3, thickness)


class _Tag(NamedTuple):
    """
    Lines of text on a filled rectangle.

    :ivar size: of the rectangle; all lengths are in pixels.
    :ivar scale: of the font, relative to its base size.
    :ivar thickness: of the strokes.
    :ivar line_height: from the top of one line to the top of the next.
    :ivar descent: from the baseline of a line to its bottom.
    :ivar masks: of the lines, if a `Font` has drawn them.
    """

    lines: list[str]
    size: Size
    scale: float
    thickness: int
    margin: int
    line_height: int
    descent: int
    masks: tuple[Pixels, ...] = ()

    @classmethod
    def of(cls, lines: Sequence[str], line_width: int, font: Font | None = None) -> _Tag:
        scale, margin = max(0.4, 0.3 * line_width), line_width + 1
        if font and not all(map(is_drawn_by_opencv, lines)):
            masks = tuple(font.render(line, round(_CAPITAL * scale)) for line in lines)
            line_height = max(len(mask) for mask in masks)
            size = Size(max(mask.shape[1] for mask in masks) + 2 * margin,
                        line_height * len(lines) + 2 * margin)
            return cls(list(lines), size, scale, 1, margin, line_height, 0, masks)
        lines = [line if is_drawn_by_opencv(line) else _ascii(line) for line in lines]
        thickness = max(1, line_width // 2)
        sizes = [cv2.getTextSize(line, _FONT, scale, thickness) for line in lines]
        line_height = max(height + descent for (_, height), descent in sizes)
        size = Size(max(width for (width, _), _ in sizes) + 2 * margin,
                    line_height * len(lines) + 2 * margin)
        return cls(lines, size, scale, thickness, margin, line_height, sizes[0][1])

    def draw(self, bgr: Pixels, corner: tuple[int, int], background: Colour) -> None:
        """Draw the tag with its top-left corner at `corner`."""
        left, top = corner
        cv2.rectangle(bgr, corner, (left + self.size.width - 1, top + self.size.height - 1),
                      background, cv2.FILLED)
        for number, mask in enumerate(self.masks):
            _blend(bgr, mask, (left + self.margin, top + self.margin + number * self.line_height),
                   text_colour(background))
        for number, line in enumerate([] if self.masks else self.lines, start=1):
            baseline = top + self.margin + number * self.line_height - self.descent
            cv2.putText(bgr, line, (left + self.margin, baseline), _FONT, self.scale,
                        text_colour(background), self.thickness, cv2.LINE_AA)


def _blend(bgr: Pixels, mask: Pixels, corner: tuple[int, int], colour: Colour) -> None:
    """Draw a mask in a colour, with its top-left corner at `corner`, as far as it fits."""
    left, top = corner
    target = bgr[top:top + mask.shape[0], left:left + mask.shape[1]]
    share = mask[:target.shape[0], :target.shape[1], None] / 255
    target[...] = np.round(target * (1 - share) + np.array(colour) * share)


def _places(
    boxes: NDArray[np.int_], tags: Sequence[Size], image: Size,
) -> list[tuple[int, int]]:
    """Return the top-left corner of each tag, where it covers earlier tags the least."""
    if not tags:
        return []
    candidates = _candidates(boxes, np.array(tags), image)
    taken = np.empty((len(tags), 4), int)
    for number, places in enumerate(candidates):
        covered = _covered(places, taken[:number])
        taken[number] = places[covered.argmin()]
    return [(left, top) for left, top in taken[:, :2].tolist()]


def _candidates(
    boxes: NDArray[np.int_], tags: NDArray[np.int_], image: Size,
) -> NDArray[np.int_]:
    """Return possible places of each tag, (N, K, 4), best first: on, inside or below its box."""
    x1, y1, x2, y2 = boxes.T
    width, height = tags.T
    above, right = y1 - height, x2 - width + 1
    corners = np.array([(x1, above), (right, above), (x1, y1), (right, y1), (x1, y2 + 1)])
    last = np.maximum(0, np.array(image) - tags)[:, None]
    corners = np.clip(corners.transpose(2, 0, 1), 0, last)
    return np.concatenate([corners, corners + tags[:, None]], axis=2)


def _covered(places: NDArray[np.int_], taken: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return the pixels that each of the places (K, 4) shares with taken ones (M, 4), added up."""
    low = np.maximum(places[:, None, :2], taken[:, :2])
    high = np.minimum(places[:, None, 2:], taken[:, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2).sum(axis=1))


def is_drawn_by_opencv(text: str) -> bool:
    """Return whether OpenCV can draw a text."""
    # OpenCV 5 has fonts for many languages.
    return text.isascii() or (hasattr(cv2, 'FontFace') and all(map(_has_glyph, text)))


@lru_cache(4096)
def _has_glyph(character: str) -> bool:
    """Return whether OpenCV 5 has a character; it draws a question mark for others."""
    drawn, mark = np.zeros((2, 64, 64), np.uint8)
    for image, text in ((drawn, character), (mark, '?')):
        cv2.putText(image, text, (8, 48), _FONT, 1.0, (255,))
    return character == '?' or not np.array_equal(drawn, mark)


def _ascii(text: str) -> str:
    """Replace each character that OpenCV cannot draw with a question mark."""
    return text.encode('ascii', 'replace').decode()
