# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The table of the demo's scenes, seen from straight above: its material and the flat things on it.

Pictures are uint8 BGR of shape (N, N, 3); one pixel is `EXTENT / N` of the world's unit wide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]  # uint8; the types of what OpenCV returns do not say so
Random = np.random.Generator
Point = tuple[float, float]
Points = NDArray[np.float64]
Map = NDArray[Any]  # float32
Colour = Sequence[float]
T = TypeVar('T')

EXTENT = 4.0
"""Width and depth of the table."""

TEXELS = 1024
"""Pixels along a side of its picture."""

SHADOW = (255,)


def table(rng: Random) -> Picture:
    """Make the bare material."""
    material = MATERIALS[rng.choice(list(MATERIALS), p=[0.46, 0.18, 0.16, 0.2])]
    return material(rng)


def wood(rng: Random) -> Picture:
    """Boards with the grain along one axis, each a little different from its neighbours."""
    coarse = _noise(rng, int(rng.integers(2, 5)), int(rng.integers(20, 60)))
    fine = _noise(rng, int(rng.integers(6, 14)), 400)
    waves = np.sin(coarse * rng.uniform(6, 16), dtype=np.float32)
    grain = 0.42 * fine + 0.3 * coarse + 0.16 * waves
    if rng.random() < 0.7:
        grain = _boards(rng, grain)
    picture = _colours(grain, *_tones(WOODS, rng))
    return picture if rng.random() < 0.5 else np.ascontiguousarray(picture.transpose(1, 0, 2))


def cloth(rng: Random) -> Picture:
    """A weave, with wide checks on some."""
    period = int(rng.integers(3, 7))
    thread = np.sin(np.arange(TEXELS, dtype=np.float32) * np.float32(2 * np.pi / period))
    weave = 0.25 * thread[:, None] * thread[None] + 0.35 * _noise(rng, 300, 300)
    weave += 0.5 * _noise(rng, 4, 4)
    if rng.random() < 0.5:
        width = int(rng.integers(30, 110))
        stripe = ((np.arange(TEXELS) // width) % 2).astype(np.float32)
        weave = 0.5 * weave + np.float32(rng.uniform(0.4, 1.1)) * (stripe[:, None] + stripe[None])
        weave -= weave.mean()
    return _colours(weave, *_tones(CLOTHS, rng))


def stone(rng: Random) -> Picture:
    """Cloudy, with veins and grains."""
    clouds = _noise(rng, 6, 6) + 0.5 * _noise(rng, 30, 30)
    veins = -np.exp(-np.abs(_noise(rng, 9, 7) + 0.4 * _noise(rng, 40, 40)) * 18)
    grains = rng.uniform(0.1, 0.6) * _noise(rng, 512, 512)
    return _colours(0.4 * clouds + rng.uniform(0, 1.2) * veins + grains, *_tones(STONES, rng))


def plain(rng: Random) -> Picture:
    """A laminate or a sheet of paper, almost of one colour."""
    return _colours(0.25 * _noise(rng, 5, 5) + 0.2 * _noise(rng, 512, 512), *_tones(PLAINS, rng))


MATERIALS: Mapping[str, Callable[[Random], Picture]] = {
    'wood': wood, 'cloth': cloth, 'stone': stone, 'plain': plain}

# Dark and light tone of each material, sRGB as BGR.
WOODS = [((38, 66, 104), (112, 160, 200)), ((24, 42, 70), (62, 98, 142)),
         ((92, 138, 176), (160, 200, 224)), ((52, 74, 92), (128, 150, 166)),
         ((20, 30, 44), (54, 72, 96)), ((60, 96, 150), (120, 170, 214))]
CLOTHS = [((120, 90, 60), (176, 150, 118)), ((70, 66, 60), (120, 116, 110)),
          ((150, 165, 175), (215, 225, 232)), ((50, 50, 120), (110, 120, 190)),
          ((60, 90, 60), (120, 150, 118)), ((80, 40, 40), (140, 96, 86))]
STONES = [((150, 150, 150), (226, 228, 230)), ((50, 50, 52), (110, 112, 116)),
          ((130, 150, 165), (200, 214, 224)), ((60, 70, 66), (130, 142, 140))]
PLAINS = [((205, 210, 214), (240, 242, 244)), ((90, 92, 96), (120, 124, 128)),
          ((150, 130, 96), (184, 166, 134)), ((96, 130, 110), (130, 164, 144)),
          ((40, 38, 36), (64, 62, 60)), ((120, 160, 196), (156, 192, 222))]


def strew(rng: Random, picture: Picture, shade: Picture, light: tuple[float, float]) -> None:
    """
    Put flat things on the table, in place.

    :param shade: uint8 of shape (N, N), what lies in their shadow becomes 255.
    :param light: where shadows go, in pixels for each pixel of height.
    """
    for _ in range(int(rng.integers(0, 9))):
        put = CLUTTER[int(rng.integers(len(CLUTTER)))]
        # Near the middle, where the camera looks.
        x, y = (TEXELS / 2 + rng.normal(0, TEXELS * 0.15, 2)).tolist()
        put(rng, picture, shade, (x, y), light)


Put = Callable[[Random, Picture, Picture, Point, Point], None]


def paper(rng: Random, picture: Picture, shade: Picture, at: Point, light: Point) -> None:
    """Draw a sheet with lines of writing, or a small bright note."""
    note = rng.random() < 0.4
    half = rng.uniform(12, 24, 2) if note else np.array([52, 74]) * rng.uniform(0.6, 1.1)
    colour = _pick(NOTES, rng) if note else (228 + rng.integers(0, 24, 3)).tolist()
    angle = rng.uniform(0, 2 * np.pi)
    _fill(shade, _rectangle(_moved(at, light, 1.5), half, angle), SHADOW)
    _fill(picture, _rectangle(at, half, angle), colour)
    ink = (rng.uniform(0.2, 0.75) * np.array(colour)).tolist()
    for row in np.arange(-0.8, 0.8, 6 / half[1]):
        reach = rng.uniform(0.1, 0.85)
        ends = np.array([[-0.85, row], [reach - 0.1, row]]) * half
        _line(picture, _turned(at, ends, angle), ink, 1)


def pen(rng: Random, picture: Picture, shade: Picture, at: Point, light: Point) -> None:
    """Draw a pencil or a pen: thin, long, with a highlight and a tip."""
    length, width = rng.uniform(26, 44), int(rng.integers(4, 7))
    angle = rng.uniform(0, 2 * np.pi)
    colour = _pick(PAINTS, rng)
    shaft = np.array([[-length, 0], [length, 0]])
    _line(shade, _turned(_moved(at, light, width * 0.8), shaft, angle), SHADOW, width)
    _line(picture, _turned(at, shaft, angle), colour, width)
    bright = [min(255, int(c * 1.2 + 50)) for c in colour]
    _line(picture, _turned(at, shaft - np.array([0, width / 4]), angle), bright, 1)
    tip = np.array([[length, 0], [length + width, 0]])
    _line(picture, _turned(at, tip, angle), _pick(TIPS, rng), max(width - 2, 2))


def coin(rng: Random, picture: Picture, shade: Picture, at: Point, light: Point) -> None:
    """Draw a few coins with a rim."""
    for _ in range(int(rng.integers(1, 4))):
        radius = rng.uniform(5, 9)
        x, y = rng.uniform(-24, 24, 2).tolist()
        spot = at[0] + x, at[1] + y
        colour = np.array(_pick(METALS, rng)) * rng.uniform(0.7, 1.1)
        _disc(shade, _moved(spot, light, 2), radius, SHADOW)
        _disc(picture, spot, radius, (colour * 0.75).tolist())
        _disc(picture, spot, radius - 1.2, colour.tolist())
        _disc(picture, _moved(spot, light, -0.8), radius * 0.45, (colour * 1.12).tolist())


def cable(rng: Random, picture: Picture, shade: Picture, at: Point, light: Point) -> None:
    """Draw a curved wire, dark or white."""
    turns = np.cumsum(rng.normal(0, 0.3, 40)) + rng.uniform(0, 6)
    path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * 9, axis=0) + at
    width = int(rng.integers(2, 5))
    colour = _pick(WIRES, rng)
    _line(shade, path + np.array(light) * width, SHADOW, width)
    _line(picture, path, colour, width)
    _line(picture, path - 0.5, [min(255, int(c * 1.3 + 30)) for c in colour], 1)


def stain(rng: Random, picture: Picture, shade: Picture, at: Point, light: Point) -> None:
    """Darken the ring that a wet cup left; barely visible."""
    del shade, light  # A stain is flat.
    layer = picture.copy()
    centre, radius = _fixed(np.array(at)).tolist(), int(rng.uniform(18, 30) * 16)
    cv2.circle(layer, (centre[0], centre[1]), radius, (30, 50, 80), 3, cv2.LINE_AA, 4)
    cv2.addWeighted(layer, 0.2, picture, 0.8, 0, picture)


CLUTTER: tuple[Put, ...] = (paper, paper, pen, pen, coin, cable, cable, stain)

NOTES = [(120, 230, 250), (170, 220, 140), (200, 170, 245), (235, 205, 140)]
PAINTS = [(40, 40, 190), (180, 90, 30), (60, 140, 60), (40, 180, 230), (30, 30, 30),
          (220, 220, 220), (140, 60, 120), (60, 120, 220)]
TIPS = [(40, 40, 40), (190, 200, 205), (150, 190, 220)]
METALS = [(170, 178, 182), (90, 160, 196), (70, 110, 170)]
WIRES = [(30, 30, 32), (225, 225, 225), (50, 50, 150), (120, 110, 100)]


def _noise(rng: Random, rows: int, columns: int) -> Map:
    """Smooth noise of so many bumps along each side, float32 of shape (TEXELS, TEXELS)."""
    bumps = rng.standard_normal((rows, columns), dtype=np.float32)
    return cv2.resize(bumps, (TEXELS, TEXELS), interpolation=cv2.INTER_LINEAR)


def _boards(rng: Random, grain: Map) -> Map:
    """Shift the grain and the tone board by board, with a dark joint between two."""
    grain = grain.copy()
    left = 0
    while left < TEXELS:
        right = left + int(rng.integers(60, 170))
        board = np.roll(grain[:, left:right], int(rng.integers(TEXELS)), axis=0)
        grain[:, left:right] = board + np.float32(rng.normal(0, 0.45))
        grain[:, left:left + 2] -= 2
        left = right
    return grain


def _colours(tone: Map, dark: Colour, light: Colour) -> Picture:
    """Colour a map whose values are mostly from -1 to 1."""
    ramp = np.linspace(dark, light, 256).round().astype(np.uint8).reshape(256, 1, 3)
    level = cv2.convertScaleAbs(np.clip(tone + 1, 0, 2), alpha=127.5)
    picture: Picture = cv2.applyColorMap(level, ramp)
    return picture


def _tones(pairs: Sequence[tuple[Colour, Colour]], rng: Random) -> Any:
    pair = np.array(_pick(pairs, rng), np.float32)
    return np.clip(pair * rng.uniform(0.8, 1.15) + rng.normal(0, 7, 3), 0, 255)


def _pick(table: Sequence[T], rng: Random) -> T:
    return table[int(rng.integers(len(table)))]


def _moved(at: Point, by: Point, times: float) -> Point:
    return at[0] + by[0] * times, at[1] + by[1] * times


def _turned(at: Point, points: Points, angle: float) -> Points:
    cos, sin = np.cos(angle), np.sin(angle)
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]]) + at
    return turned


def _rectangle(at: Point, half: Points, angle: float) -> Points:
    return _turned(at, np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half, angle)


def _fixed(points: Points) -> NDArray[np.int32]:
    """Round to 1/16 pixel, as OpenCV's drawing takes with `shift=4`."""
    return np.round(points * 16).astype(np.int32)


def _fill(picture: Picture, points: Points, colour: Colour) -> None:
    cv2.fillConvexPoly(picture, _fixed(points), colour, cv2.LINE_AA, 4)


def _line(picture: Picture, points: Points, colour: Colour, width: int) -> None:
    cv2.polylines(picture, [_fixed(points)], False, colour, width, cv2.LINE_AA, 4)


def _disc(picture: Picture, at: Point, radius: float, colour: Colour) -> None:
    x, y = _fixed(np.array(at)).tolist()
    cv2.circle(picture, (x, y), int(radius * 16), colour, cv2.FILLED, cv2.LINE_AA, 4)
