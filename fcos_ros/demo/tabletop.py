# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The texture of the table in the demo's scenes: its surface and the flat things on it, from above.

Images are uint8 BGR of shape (N, N, 3). One pixel is `TABLE_SIDE / N` wide, in the unit of
`scenes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

BgrImage = NDArray[Any]
"""Of uint8, which the types of OpenCV's results do not state."""

ShadowMask = NDArray[Any]
"""Of uint8, shape (N, N); 255 in shadows."""

GreyImage = NDArray[Any]
"""Of float32, shape (TEXELS, TEXELS)."""

Random = np.random.Generator
Point = tuple[float, float]
Points = NDArray[np.float64]
Colour = Sequence[float]
T = TypeVar('T')

TABLE_SIDE = 4.0
"""Width and depth of the table."""

TEXELS = 1024
"""Pixels along a side of the table's texture."""

SHADOW = (255,)
"""The value of a shadow in a shadow mask."""


def draw_surface(rng: Random) -> BgrImage:
    """Draw the empty table, of a random material."""
    draw = SURFACES[rng.choice(list(SURFACES), p=[0.46, 0.18, 0.16, 0.2])]
    return draw(rng)


def draw_wood(rng: Random) -> BgrImage:
    """Draw wood with its grain along one axis, often as boards that differ slightly."""
    coarse = _noise(rng, int(rng.integers(2, 5)), int(rng.integers(20, 60)))
    fine = _noise(rng, int(rng.integers(6, 14)), 400)
    waves = np.sin(coarse * rng.uniform(6, 16), dtype=np.float32)
    grain = 0.42 * fine + 0.3 * coarse + 0.16 * waves
    if rng.random() < 0.7:
        grain = _boards(rng, grain)
    image = _colour(grain, *_tones(WOOD_TONES, rng))
    return image if rng.random() < 0.5 else np.ascontiguousarray(image.transpose(1, 0, 2))


def draw_cloth(rng: Random) -> BgrImage:
    """Draw a weave, sometimes with wide checks."""
    period = int(rng.integers(3, 7))
    thread = np.sin(np.arange(TEXELS, dtype=np.float32) * np.float32(2 * np.pi / period))
    weave = 0.25 * thread[:, None] * thread[None] + 0.35 * _noise(rng, 300, 300)
    weave += 0.5 * _noise(rng, 4, 4)
    if rng.random() < 0.5:
        width = int(rng.integers(30, 110))
        stripe = ((np.arange(TEXELS) // width) % 2).astype(np.float32)
        weave = 0.5 * weave + np.float32(rng.uniform(0.4, 1.1)) * (stripe[:, None] + stripe[None])
        weave -= weave.mean()
    return _colour(weave, *_tones(CLOTH_TONES, rng))


def draw_stone(rng: Random) -> BgrImage:
    """Draw stone with clouds, veins and grains."""
    clouds = _noise(rng, 6, 6) + 0.5 * _noise(rng, 30, 30)
    veins = -np.exp(-np.abs(_noise(rng, 9, 7) + 0.4 * _noise(rng, 40, 40)) * 18)
    grains = rng.uniform(0.1, 0.6) * _noise(rng, 512, 512)
    return _colour(0.4 * clouds + rng.uniform(0, 1.2) * veins + grains,
                   *_tones(STONE_TONES, rng))


def draw_plain(rng: Random) -> BgrImage:
    """Draw a surface of almost one colour, such as laminate or paper."""
    return _colour(0.25 * _noise(rng, 5, 5) + 0.2 * _noise(rng, 512, 512),
                   *_tones(PLAIN_TONES, rng))


SURFACES: Mapping[str, Callable[[Random], BgrImage]] = {
    'wood': draw_wood, 'cloth': draw_cloth, 'stone': draw_stone, 'plain': draw_plain}

# Pairs of a dark and a light tone, sRGB in BGR order.
WOOD_TONES = [((38, 66, 104), (112, 160, 200)), ((24, 42, 70), (62, 98, 142)),
              ((92, 138, 176), (160, 200, 224)), ((52, 74, 92), (128, 150, 166)),
              ((20, 30, 44), (54, 72, 96)), ((60, 96, 150), (120, 170, 214))]
CLOTH_TONES = [((120, 90, 60), (176, 150, 118)), ((70, 66, 60), (120, 116, 110)),
               ((150, 165, 175), (215, 225, 232)), ((50, 50, 120), (110, 120, 190)),
               ((60, 90, 60), (120, 150, 118)), ((80, 40, 40), (140, 96, 86))]
STONE_TONES = [((150, 150, 150), (226, 228, 230)), ((50, 50, 52), (110, 112, 116)),
               ((130, 150, 165), (200, 214, 224)), ((60, 70, 66), (130, 142, 140))]
PLAIN_TONES = [((205, 210, 214), (240, 242, 244)), ((90, 92, 96), (120, 124, 128)),
               ((150, 130, 96), (184, 166, 134)), ((96, 130, 110), (130, 164, 144)),
               ((40, 38, 36), (64, 62, 60)), ((120, 160, 196), (156, 192, 222))]


def scatter_things(rng: Random, image: BgrImage, mask: ShadowMask, shadow: Point) -> None:
    """
    Draw flat things on the table, in place.

    :param mask: their shadows are drawn here.
    :param shadow: the offset of a shadow, in pixels for each pixel of height.
    """
    for _ in range(int(rng.integers(0, 9))):
        draw = THINGS[int(rng.integers(len(THINGS)))]
        # Near the middle, where the camera looks.
        x, y = (TEXELS / 2 + rng.normal(0, TEXELS * 0.15, 2)).tolist()
        draw(rng, image, mask, (x, y), shadow)


Draw = Callable[[Random, BgrImage, ShadowMask, Point, Point], None]
"""Draws a thing at a point; its other arguments are those of `scatter_things`."""


def draw_paper(rng: Random, image: BgrImage, mask: ShadowMask, at: Point, shadow: Point) -> None:
    """Draw a sheet with lines of writing, or a small bright note."""
    note = rng.random() < 0.4
    half = rng.uniform(12, 24, 2) if note else np.array([52, 74]) * rng.uniform(0.6, 1.1)
    colour = _choose(NOTE_COLOURS, rng) if note else (228 + rng.integers(0, 24, 3)).tolist()
    angle = rng.uniform(0, 2 * np.pi)
    _fill(mask, _rectangle(_moved(at, shadow, 1.5), half, angle), SHADOW)
    _fill(image, _rectangle(at, half, angle), colour)
    ink = (rng.uniform(0.2, 0.75) * np.array(colour)).tolist()
    for row in np.arange(-0.8, 0.8, 6 / half[1]):
        length = rng.uniform(0.1, 0.85)
        ends = np.array([[-0.85, row], [length - 0.1, row]]) * half
        _line(image, _rotated(at, ends, angle), ink, 1)


def draw_pen(rng: Random, image: BgrImage, mask: ShadowMask, at: Point, shadow: Point) -> None:
    """Draw a pencil or a pen: thin and long, with a highlight and a tip."""
    length, width = rng.uniform(26, 44), int(rng.integers(4, 7))
    angle = rng.uniform(0, 2 * np.pi)
    colour = _choose(PEN_COLOURS, rng)
    shaft = np.array([[-length, 0], [length, 0]])
    _line(mask, _rotated(_moved(at, shadow, width * 0.8), shaft, angle), SHADOW, width)
    _line(image, _rotated(at, shaft, angle), colour, width)
    bright = [min(255, int(c * 1.2 + 50)) for c in colour]
    _line(image, _rotated(at, shaft - np.array([0, width / 4]), angle), bright, 1)
    tip = np.array([[length, 0], [length + width, 0]])
    _line(image, _rotated(at, tip, angle), _choose(TIP_COLOURS, rng), max(width - 2, 2))


def draw_coins(rng: Random, image: BgrImage, mask: ShadowMask, at: Point, shadow: Point) -> None:
    """Draw one to three coins with a rim."""
    for _ in range(int(rng.integers(1, 4))):
        radius = rng.uniform(5, 9)
        x, y = rng.uniform(-24, 24, 2).tolist()
        centre = at[0] + x, at[1] + y
        colour = np.array(_choose(METAL_COLOURS, rng)) * rng.uniform(0.7, 1.1)
        _disc(mask, _moved(centre, shadow, 2), radius, SHADOW)
        _disc(image, centre, radius, (colour * 0.75).tolist())
        _disc(image, centre, radius - 1.2, colour.tolist())
        _disc(image, _moved(centre, shadow, -0.8), radius * 0.45, (colour * 1.12).tolist())


def draw_cable(rng: Random, image: BgrImage, mask: ShadowMask, at: Point, shadow: Point) -> None:
    """Draw a curved cable."""
    angles = np.cumsum(rng.normal(0, 0.3, 40)) + rng.uniform(0, 6)
    path = np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1) * 9, axis=0) + at
    width = int(rng.integers(2, 5))
    colour = _choose(CABLE_COLOURS, rng)
    _line(mask, path + np.array(shadow) * width, SHADOW, width)
    _line(image, path, colour, width)
    _line(image, path - 0.5, [min(255, int(c * 1.3 + 30)) for c in colour], 1)


def draw_stain(rng: Random, image: BgrImage, mask: ShadowMask, at: Point, shadow: Point) -> None:
    """Draw the faint ring of a wet cup."""
    del mask, shadow  # A stain is flat.
    layer = image.copy()
    centre, radius = _fixed_point(np.array(at)).tolist(), int(rng.uniform(18, 30) * 16)
    cv2.circle(layer, (centre[0], centre[1]), radius, (30, 50, 80), 3, cv2.LINE_AA, 4)
    cv2.addWeighted(layer, 0.2, image, 0.8, 0, image)


THINGS: tuple[Draw, ...] = (draw_paper, draw_paper, draw_pen, draw_pen, draw_coins, draw_cable,
                            draw_cable, draw_stain)
"""Chosen with equal probability: a thing that is listed twice is drawn twice as often."""

# sRGB in BGR order.
NOTE_COLOURS = [(120, 230, 250), (170, 220, 140), (200, 170, 245), (235, 205, 140)]
PEN_COLOURS = [(40, 40, 190), (180, 90, 30), (60, 140, 60), (40, 180, 230), (30, 30, 30),
               (220, 220, 220), (140, 60, 120), (60, 120, 220)]
TIP_COLOURS = [(40, 40, 40), (190, 200, 205), (150, 190, 220)]
METAL_COLOURS = [(170, 178, 182), (90, 160, 196), (70, 110, 170)]
CABLE_COLOURS = [(30, 30, 32), (225, 225, 225), (50, 50, 150), (120, 110, 100)]


def _noise(rng: Random, rows: int, columns: int) -> GreyImage:
    """Return smooth noise with this number of bumps along each side."""
    bumps = rng.standard_normal((rows, columns), dtype=np.float32)
    return cv2.resize(bumps, (TEXELS, TEXELS), interpolation=cv2.INTER_LINEAR)


def _boards(rng: Random, grain: GreyImage) -> GreyImage:
    """Divide the wood into boards: shift the grain and tone of each, and darken the joints."""
    grain = grain.copy()
    left = 0
    while left < TEXELS:
        right = left + int(rng.integers(60, 170))
        board = np.roll(grain[:, left:right], int(rng.integers(TEXELS)), axis=0)
        grain[:, left:right] = board + np.float32(rng.normal(0, 0.45))
        grain[:, left:left + 2] -= 2
        left = right
    return grain


def _colour(grey: GreyImage, dark: Colour, light: Colour) -> BgrImage:
    """Colour an image whose values are mostly from -1 (dark) to 1 (light)."""
    ramp = np.linspace(dark, light, 256).round().astype(np.uint8).reshape(256, 1, 3)
    level = cv2.convertScaleAbs(np.clip(grey + 1, 0, 2), alpha=127.5)
    image: BgrImage = cv2.applyColorMap(level, ramp)
    return image


def _tones(pairs: Sequence[tuple[Colour, Colour]], rng: Random) -> Any:
    """Choose a dark and a light tone, and vary both."""
    pair = np.array(_choose(pairs, rng), np.float32)
    return np.clip(pair * rng.uniform(0.8, 1.15) + rng.normal(0, 7, 3), 0, 255)


def _choose(choices: Sequence[T], rng: Random) -> T:
    return choices[int(rng.integers(len(choices)))]


def _moved(at: Point, offset: Point, times: float) -> Point:
    return at[0] + offset[0] * times, at[1] + offset[1] * times


def _rotated(at: Point, points: Points, angle: float) -> Points:
    """Rotate points around the origin, then move the origin to `at`."""
    cos, sin = np.cos(angle), np.sin(angle)
    rotated: Points = points @ np.array([[cos, sin], [-sin, cos]]) + at
    return rotated


def _rectangle(at: Point, half: Points, angle: float) -> Points:
    return _rotated(at, np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half, angle)


def _fixed_point(points: Points) -> NDArray[np.int32]:
    """Convert pixels to 1/16 pixels, as OpenCV's drawing with `shift=4` takes them."""
    return np.round(points * 16).astype(np.int32)


def _fill(image: BgrImage, points: Points, colour: Colour) -> None:
    cv2.fillConvexPoly(image, _fixed_point(points), colour, cv2.LINE_AA, 4)


def _line(image: BgrImage, points: Points, colour: Colour, width: int) -> None:
    cv2.polylines(image, [_fixed_point(points)], False, colour, width, cv2.LINE_AA, 4)


def _disc(image: BgrImage, at: Point, radius: float, colour: Colour) -> None:
    x, y = _fixed_point(np.array(at)).tolist()
    cv2.circle(image, (x, y), int(radius * 16), colour, cv2.FILLED, cv2.LINE_AA, 4)
