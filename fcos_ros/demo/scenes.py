# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Pictures of toys on a table, and exactly what is to be seen in each.

Everything follows from a seed: the table, the solids, the light, the camera and its noise. The
world's unit is about half a metre; x grows to the right, y away from the camera, z up, and the
table is z = 0. Boxes are in image pixels, (x1, y1, x2, y2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.resize import Boxes, Size
from fcos_ros.demo.solids import Ball, Frustum, Polyhedron, Ring, Shape, Vectors
from fcos_ros.demo.tabletop import EXTENT, TEXELS, strew, table

CLASS_NAMES = ('cube', 'ball', 'cylinder', 'cone', 'pyramid', 'ring')
"""What the index `class_ids` means."""

PERIOD = 30.0
"""Seconds in which the camera of a `Tour` goes to and fro once."""

SAMPLES = 2
"""Rays a pixel, along each axis."""

Random = np.random.Generator
Picture = NDArray[Any]  # uint8; the types of what OpenCV returns do not say so


@dataclass(frozen=True, eq=False)
class Scene:
    """
    One picture and its truth.

    An object's box is the extent of what is visible of it: not what is hidden or outside.

    :ivar image: uint8 BGR of shape (H, W, 3).
    :ivar boxes: float32 of shape (N, 4), inside the image.
    :ivar class_ids: int32 of shape (N,), indices into `CLASS_NAMES`.
    :ivar visible: float32 of shape (N,), the visible part of each object's outline, up to 1.
    :ivar owners: int16 of shape (SAMPLES * H, SAMPLES * W), the object that each ray met,
        -1 where it met none.
    """

    image: NDArray[np.uint8]
    boxes: Boxes
    class_ids: NDArray[np.int32]
    visible: NDArray[np.float32]
    owners: NDArray[np.int16]


def render(seed: int, size: Size = Size(640, 480)) -> Scene:
    """
    Make the picture of a seed.

    No object is shown less than `LEAST_VISIBLE` or smaller than `LEAST_SIDE` of the image's width.
    """
    return Tour(seed, size, phases=(0.0,)).look(0.0)


class Tour:
    """
    A scene seen by a camera that swings around it; at second 0 it is nearly `render`'s.

    :param phases: seconds at which all objects have to be well visible; others are taken away.
    """

    def __init__(
        self, seed: int, size: Size = Size(640, 480),
        phases: Sequence[float] = tuple(np.linspace(-PERIOD / 4, PERIOD / 4, 9).tolist()),
    ) -> None:
        self._seed, self._size = seed, size
        rng = np.random.default_rng(seed)
        self._path = _path(rng)
        self._light = _light(rng)
        self._lens = _lens(rng)
        self._backdrop = _backdrop(rng)
        flat = table(rng)
        solids = _arrange(rng)
        self._solids = self._well_visible(solids, phases)
        self._table = _lit_table(rng, flat, self._solids, self._light)

    def look(self, second: float) -> Scene:
        """Take the picture at a time of the tour."""
        camera = self._camera(second, SAMPLES)
        canvas = _background(camera, self._backdrop, self._table)
        hits = _cast(camera, self._solids)
        for hit in hits:
            _paint(canvas, hit, self._solids, self._light, camera)
        rng = np.random.default_rng([self._seed, int(np.float64(second).view(np.uint64))])
        image = _expose(rng, canvas, self._size, self._lens)
        return _scene(image, camera, self._solids, hits)

    def _camera(self, second: float, samples: float) -> Camera:
        return self._path.at(second, self._size, samples)

    def _well_visible(self, solids: list[Solid], phases: Sequence[float]) -> list[Solid]:
        """Keep what meets more than the promise at all of the times."""
        kept = np.ones(len(solids), bool)
        for second in phases:
            camera = self._camera(second, 0.5)
            boxes, visible, _ = _extents(camera, solids, _cast(camera, solids))
            sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
            kept &= (visible > 1.3 * LEAST_VISIBLE) & (sides > 1.2 * LEAST_SIDE * self._size.width)
        return [solid for solid, keep in zip(solids, kept) if keep or solid.class_id < 0]


LEAST_VISIBLE = 0.3
LEAST_SIDE = 0.022


@dataclass(frozen=True, eq=False)
class Material:
    """
    What a solid is made of; colours are linear BGR, float32 of shape (3,).

    :ivar pattern: a function of local points (3, N) that tells how much of `second` shows, (N,).
    :ivar gloss: strength of highlights.
    :ivar hardness: exponent of highlights.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    pattern: Callable[[Vectors], NDArray[np.float32]] | None
    gloss: float
    hardness: float


@dataclass(frozen=True, eq=False)
class Solid:
    """
    A shape at its place.

    :ivar centre: float32 of shape (3, 1), in the world.
    :ivar turn: float32 of shape (3, 3), from the shape's axes to the world's.
    :ivar class_id: index into `CLASS_NAMES`, -1 for clutter.
    """

    shape: Shape
    centre: Vectors
    turn: NDArray[np.float32]
    class_id: int
    material: Material

    def enter(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """Do `Shape.enter` in the world's axes."""
        return self.shape.enter(self.turn.T @ (origin - self.centre), self.turn.T @ direction)

    def corners(self) -> Vectors:
        """Corners of a box around it, float32 of shape (3, 8)."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), np.float32).reshape(3, 8)
        own = signs * np.array(self.shape.half, np.float32)[:, None]
        corners: Vectors = self.turn @ own + self.centre
        return corners

    @cached_property
    def reach(self) -> float:
        """Radius of a sphere around it."""
        return float(np.linalg.norm(self.shape.half))


@dataclass(frozen=True, eq=False)
class Camera:
    """
    A pinhole camera.

    :ivar position: float32 of shape (3, 1).
    :ivar axes: float32 of shape (3, 3), rows to the right, down and forward.
    :ivar focal: in samples.
    :ivar size: in samples.
    """

    position: Vectors
    axes: NDArray[np.float32]
    focal: float
    size: Size
    samples: float

    def project(self, points: Vectors) -> NDArray[np.float32]:
        """Pixels of points in front of the camera, float32 of shape (2, N)."""
        seen = self.axes @ (points - self.position)
        middle = np.array([[self.size.width / 2], [self.size.height / 2]], np.float32)
        pixels: NDArray[np.float32] = seen[:2] * np.float32(self.focal) / seen[2] + middle
        return pixels

    def rays(self, left: int, top: int, right: int, bottom: int) -> Vectors:
        """Directions through the pixels of a window, row by row."""
        x = (np.arange(left, right, dtype=np.float32) + 0.5 - self.size.width / 2) / self.focal
        y = (np.arange(top, bottom, dtype=np.float32) + 0.5 - self.size.height / 2) / self.focal
        across = np.broadcast_to(x, (len(y), len(x))).ravel()
        along = np.repeat(y, len(x))
        turned: Vectors = self.axes.T @ np.stack([across, along, np.ones_like(along)])
        return turned

    def of_table(self) -> NDArray[np.float64]:
        """Homography from the table's picture to the image, (3, 3), pixel centres at integers."""
        scale = EXTENT / TEXELS
        place = np.array([[scale, 0, (0.5 * scale - EXTENT / 2)],
                          [0, -scale, EXTENT / 2 - 0.5 * scale], [0, 0, 1]])
        pinhole = np.array([[self.focal, 0, self.size.width / 2 - 0.5],
                            [0, self.focal, self.size.height / 2 - 0.5], [0, 0, 1]])
        axes = self.axes.astype(np.float64)
        plane = np.column_stack([axes[:, 0], axes[:, 1], -axes @ self.position[:, 0]])
        homography: NDArray[np.float64] = pinhole @ plane @ place
        return homography


@dataclass(frozen=True)
class Path:
    """Where the camera is at what time; angles in radians."""

    distance: float
    elevation: float
    azimuth: float
    swing: float
    roll: float
    target: tuple[float, float]
    zoom: float

    def at(self, second: float, size: Size, samples: float) -> Camera:
        """Place the camera; `samples` are the rays a pixel along each axis."""
        phase = np.sin(2 * np.pi * second / PERIOD)
        azimuth = self.azimuth + self.swing * phase
        elevation = self.elevation + 0.12 * self.swing * (1 - np.cos(4 * np.pi * second / PERIOD))
        forward = np.array([np.sin(azimuth) * np.cos(elevation),
                            np.cos(azimuth) * np.cos(elevation), -np.sin(elevation)])
        right = np.array([np.cos(azimuth), -np.sin(azimuth), 0])
        down = np.cross(forward, right)
        tilted = np.cos(self.roll) * right + np.sin(self.roll) * down
        axes = np.stack([tilted, np.cross(forward, tilted), forward]).astype(np.float32)
        position = np.array([*self.target, 0.1]) - self.distance * forward
        samples_size = Size(*(round(side * samples) for side in size))
        focal = self.zoom * float(np.hypot(*samples_size)) * 0.8
        return Camera(position.astype(np.float32)[:, None], axes, focal, samples_size, samples)


@dataclass(frozen=True, eq=False)
class Light:
    """
    A lamp or a window, and what comes from all sides; colours are linear BGR (3, 1).

    :ivar towards: unit vector to the light, float32 of shape (3, 1).
    :ivar softness: blur of shadows in the world's unit.
    :ivar pool: where on the table it is brightest.
    """

    towards: Vectors
    direct: NDArray[np.float32]
    ambient: NDArray[np.float32]
    softness: float
    pool: tuple[float, float]


@dataclass(frozen=True)
class Lens:
    """What the camera does to the picture; blurs in pixels of a 640 pixels wide image."""

    blur: float
    motion: tuple[float, float]
    gain: tuple[float, float, float]
    vignette: float
    noise: float
    quality: int


@dataclass(frozen=True, eq=False)
class Hit:
    """
    Where an object is seen: `rows` and `columns` on the canvas, its `rays` and their `reach`.

    :ivar outline: how many rays meet it at all, hidden or outside the image as well.
    """

    index: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    rays: Vectors
    reach: NDArray[np.float32]
    outline: int


def _path(rng: Random) -> Path:
    return Path(
        distance=rng.uniform(1.5, 2.9), elevation=np.deg2rad(rng.uniform(17, 58)),
        azimuth=rng.uniform(-np.pi, np.pi), swing=np.deg2rad(rng.uniform(14, 24)),
        roll=np.deg2rad(rng.normal(0, 1.5)),
        target=(rng.normal(0, 0.1), rng.normal(0, 0.1)), zoom=rng.uniform(0.85, 1.25))


def _light(rng: Random) -> Light:
    height, around = np.deg2rad(rng.uniform(32, 72)), rng.uniform(-np.pi, np.pi)
    towards = np.array([np.cos(height) * np.cos(around), np.cos(height) * np.sin(around),
                        np.sin(height)], np.float32)
    warmth = rng.uniform(-0.12, 0.16)
    direct = np.array([1 - warmth, 1, 1 + warmth]) * rng.uniform(0.75, 1.15)
    cold = rng.uniform(-0.05, 0.1)
    ambient = np.array([1 + cold, 1, 1 - cold]) * rng.uniform(0.22, 0.5)
    return Light(towards[:, None], direct.astype(np.float32)[:, None],
                 ambient.astype(np.float32)[:, None], rng.uniform(0.004, 0.035),
                 tuple(rng.normal(0, 0.6, 2).tolist()))


def _lens(rng: Random) -> Lens:
    motion = rng.normal(0, 1.3, 2) if rng.random() < 0.2 else np.zeros(2)
    return Lens(
        blur=float(rng.choice([0.0, 0.5, rng.uniform(0.5, 1.2)])),
        motion=tuple(motion.tolist()), gain=tuple(rng.normal(1, 0.04, 3).tolist()),
        vignette=rng.uniform(0.05, 0.4), noise=rng.uniform(1.0, 6.0),
        quality=int(rng.integers(70, 96)))


def _backdrop(rng: Random) -> Picture:
    """The room behind the table, out of focus; uint8 BGR."""
    room = np.empty((90, 240, 3), np.float32)
    room[:] = rng.uniform(60, 190) + rng.normal(0, 14, 3)
    slope = np.linspace(rng.uniform(-30, 30), rng.uniform(-30, 30), 90, dtype=np.float32)
    room += slope[:, None, None]
    for _ in range(int(rng.integers(2, 12))):
        x, y, width, height = (rng.uniform(0, 1, 4) * [240, 90, 40, 60]).astype(int).tolist()
        cv2.rectangle(room, (x, y), (x + width, y + height), rng.uniform(20, 235, 3).tolist(),
                      cv2.FILLED)
    blurred = cv2.GaussianBlur(room, (0, 0), rng.uniform(2.5, 6))
    return np.clip(blurred, 0, 255).astype(np.uint8)


Paint = tuple[float, float, float]
PAINTS: tuple[Paint, ...] = (
    (45, 40, 200), (190, 95, 30), (70, 150, 60), (40, 190, 240), (40, 120, 235), (150, 60, 130),
    (200, 170, 60), (235, 235, 235), (180, 140, 240), (60, 60, 62), (120, 190, 150), (40, 60, 110))
TIMBERS: tuple[Paint, ...] = (
    (120, 170, 212), (90, 140, 190), (60, 98, 150), (150, 195, 225), (44, 70, 108))


def _arrange(rng: Random) -> list[Solid]:
    """Stand solids on the table so that none touches another."""
    solids: list[Solid] = []
    places: list[tuple[float, float, float]] = []
    spread = rng.uniform(0.22, 0.5)
    books = int(rng.random() < 0.3)
    for number in range(int(rng.integers(4, 13)) + books):
        class_id = -1 if number < books else int(rng.integers(len(CLASS_NAMES)))
        shape, turn, height = _make(rng, class_id)
        reach = float(np.hypot(*(np.abs(turn) @ np.array(shape.half))[:2]))
        room = reach if class_id in (-1, 0, 4) else reach / 1.41
        for _ in range(12):
            x, y = rng.normal(0, spread, 2).tolist()
            if all(np.hypot(x - u, y - v) > room + other for u, v, other in places):
                places.append((x, y, room))
                centre = np.array([[x], [y], [height]], np.float32)
                material = _book(rng) if class_id < 0 else _material(rng, class_id)
                solids.append(Solid(shape, centre, turn, class_id, material))
                break
    return solids


def _make(rng: Random, class_id: int) -> tuple[Shape, NDArray[np.float32], float]:
    """Make a shape of a class, how it is turned, and the height of its centre."""
    size = rng.uniform(0.07, 0.17)
    angle = rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    shape = SHAPES[class_id](rng, size)
    height = shape.half[2]
    if class_id == 2 and rng.random() < 0.35:
        # A cylinder may lie on its side.
        turn = turn @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)
        height = shape.half[0]
    return shape, turn, height


def _cube(rng: Random, size: float) -> Shape:
    half = (size * rng.uniform(0.72, 0.95, 3)).tolist()
    return Polyhedron.box((half[0], half[1], half[2]), 0.05 * size)


def _cylinder(rng: Random, size: float) -> Shape:
    radius = size * rng.uniform(0.55, 0.9)
    return Frustum(radius, radius, size * rng.uniform(1.4, 2.6), 0.05 * size)


def _cone(rng: Random, size: float) -> Shape:
    radius = size * rng.uniform(0.75, 1.05)
    return Frustum(radius, 0.03 * radius, size * rng.uniform(1.7, 2.7), 0.03 * size)


def _pyramid(rng: Random, size: float) -> Shape:
    return Polyhedron.pyramid(
        size * rng.uniform(0.85, 1.1), size * rng.uniform(1.3, 2.1), 0.03 * size)


def _ring(rng: Random, size: float) -> Shape:
    tube = size * rng.uniform(0.26, 0.42)
    return Ring(1.15 * size - tube, tube)


def _slab(rng: Random, size: float) -> Shape:
    half = (size * np.array([rng.uniform(1.5, 2.2), rng.uniform(1.1, 1.5), 0.16])).tolist()
    return Polyhedron.box((half[0], half[1], half[2]), 0.01)


SHAPES: dict[int, Callable[[Random, float], Shape]] = {
    -1: _slab, 0: _cube, 1: lambda rng, size: Ball(size * rng.uniform(0.75, 1.0)),
    2: _cylinder, 3: _cone, 4: _pyramid, 5: _ring}


def _material(rng: Random, class_id: int) -> Material:
    kind = rng.random()
    if kind < 0.3:
        tone = _linear(TIMBERS[int(rng.integers(len(TIMBERS)))], rng)
        return Material(tone, tone * np.float32(rng.uniform(0.45, 0.7)), _rings(rng), 0.06, 12.0)
    first = _linear(PAINTS[int(rng.integers(len(PAINTS)))], rng)
    second = _linear(PAINTS[int(rng.integers(len(PAINTS)))], rng)
    gloss, hardness = (0.5, 60.0) if rng.random() < 0.4 else (0.12, 14.0)
    if kind < 0.85 or class_id in (3, 4, 5):
        return Material(first, first * np.float32(0.9), _mottle(rng), gloss, hardness)
    return Material(first, second, _stripes(rng), gloss, hardness)


def _book(rng: Random) -> Material:
    cover = _linear(PAINTS[int(rng.integers(len(PAINTS)))], rng)
    pages = np.array([0.62, 0.7, 0.74], np.float32)
    return Material(cover, pages, lambda points: (np.abs(points[2]) < 0.012) * np.float32(1),
                    0.15, 20.0)


def _linear(colour: Paint, rng: Random) -> NDArray[np.float32]:
    shaded = np.clip(np.array(colour) * rng.uniform(0.8, 1.1) + rng.normal(0, 8, 3), 8, 250)
    return np.square(shaded / 255).astype(np.float32)


def _rings(rng: Random) -> Callable[[Vectors], NDArray[np.float32]]:
    """Growth rings of a tree whose middle lies outside the solid."""
    x, y = rng.uniform(0.15, 0.4, 2).astype(np.float32)
    pitch, wobble = np.float32(rng.uniform(120, 300)), np.float32(rng.uniform(4, 14))

    def pattern(points: Vectors) -> NDArray[np.float32]:
        ring = np.hypot(points[0] + x, points[2] + y) * pitch
        wave = np.sin(ring + np.sin(points[1] * wobble * 3) * 2)
        level: NDArray[np.float32] = 0.5 + 0.35 * wave * np.sin(ring * np.float32(0.37))
        return level

    return pattern


def _mottle(rng: Random) -> Callable[[Vectors], NDArray[np.float32]]:
    """Uneven paint."""
    waves = rng.normal(0, 30, (2, 3)).astype(np.float32)

    def pattern(points: Vectors) -> NDArray[np.float32]:
        wave = np.sin(waves[0] @ points) * np.sin(waves[1] @ points)
        level: NDArray[np.float32] = 0.5 + 0.5 * wave
        return level

    return pattern


def _stripes(rng: Random) -> Callable[[Vectors], NDArray[np.float32]]:
    """Bands across the vertical axis, or segments around it."""
    pitch, start = np.float32(rng.uniform(30, 70)), np.float32(rng.uniform(0, 6))
    around = rng.random() < 0.4

    def pattern(points: Vectors) -> NDArray[np.float32]:
        along = 3 * np.arctan2(points[1], points[0]) if around else points[2] * pitch
        level: NDArray[np.float32] = np.clip(np.sin(along + start) * 8 + 0.5, 0, 1)
        return level

    return pattern


def _lit_table(rng: Random, flat: Picture, solids: list[Solid], light: Light) -> Picture:
    """Strew the table and light it, with the shadows of all that stands on it."""
    scale = EXTENT / TEXELS
    slant = -light.towards[:2, 0] / light.towards[2, 0]
    shade: Picture = np.zeros((TEXELS, TEXELS), np.uint8)
    strew(rng, flat, shade, (float(slant[0]), float(-slant[1])))
    occluded: Picture = np.zeros((TEXELS, TEXELS), np.uint8)
    for solid in solids:
        _shadow(shade, solid, light.towards)
        _shadow(occluded, solid, np.array([[0], [0], [1]], np.float32))
    # Light changes slowly over the table: half the resolution will do.
    side = TEXELS // 2
    shade, occluded = (cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
                       for mask in (shade, occluded))
    shade = cv2.GaussianBlur(shade, (0, 0), light.softness / scale / 2 + 0.5)
    contact = cv2.blur(cv2.blur(occluded, (13, 13)), (13, 13))
    x = np.linspace(-EXTENT / 2, EXTENT / 2, side, dtype=np.float32)
    pool = np.exp(-np.square(x[None] - np.float32(light.pool[0])) / 5)
    pool = pool * np.exp(-np.square(-x[:, None] - np.float32(light.pool[1])) / 5)
    lit = (1 - shade * np.float32(1 / 255)) * (0.35 + 0.65 * pool) * light.towards[2]
    open_sky = 1 - contact * np.float32(0.6 / 255)
    level = lit[..., None] * light.direct[:, 0] + open_sky[..., None] * light.ambient[:, 0]
    return cv2.multiply(flat, cv2.resize(np.sqrt(level), (TEXELS, TEXELS)), dtype=cv2.CV_8U)


def _shadow(shade: Picture, solid: Solid, towards: Vectors) -> None:
    """Mark where the table does not see the light, in place."""
    scale = EXTENT / TEXELS
    corners = solid.corners()
    cast = corners[:2] - towards[:2] * (corners[2] / towards[2])
    texels = np.stack([cast[0] + EXTENT / 2, EXTENT / 2 - cast[1]]) / scale
    left, top = np.clip(np.floor(texels.min(axis=1)), 0, TEXELS).astype(int).tolist()
    right, bottom = np.clip(np.ceil(texels.max(axis=1)), 0, TEXELS).astype(int).tolist()
    if left >= right or top >= bottom:
        return
    x = (np.arange(left, right, dtype=np.float32) + 0.5) * np.float32(scale) - EXTENT / 2
    y = EXTENT / 2 - (np.arange(top, bottom, dtype=np.float32) + 0.5) * np.float32(scale)
    points = np.stack([np.tile(x, len(y)), np.repeat(y, len(x)),
                       np.full(len(x) * len(y), -1e-3, np.float32)])
    hit = np.isfinite(solid.enter(points, towards)).reshape(len(y), len(x))
    shade[top:bottom, left:right][hit] = 255


def _background(camera: Camera, backdrop: Picture, lit: Picture) -> Picture:
    width, height = camera.size
    # The room is a cylinder around the table: it moves as the camera turns.
    azimuth = np.arctan2(camera.axes[2, 0], camera.axes[2, 1])
    scale = width / 90
    place = np.array([[scale, 0, -scale * 240 * azimuth / (2 * np.pi)], [0, height / 90, 0]])
    canvas = cv2.warpAffine(backdrop, place, (width, height), flags=cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_WRAP)
    cv2.warpPerspective(lit, camera.of_table(), (width, height), canvas, cv2.INTER_LINEAR,
                        cv2.BORDER_TRANSPARENT)
    return canvas


def _cast(camera: Camera, solids: list[Solid]) -> list[Hit]:
    """Find what each ray meets first."""
    width, height = camera.size
    depth = np.full((height, width), np.inf, np.float32)
    owners = np.full((height, width), -1, np.int16)
    found = []
    for index, solid in enumerate(solids):
        window = _window(camera, solid)
        if window is None:
            continue
        left, top, right, bottom = window
        rays = camera.rays(left, top, right, bottom)
        reach = solid.enter(camera.position, rays)
        met = np.flatnonzero(np.isfinite(reach))
        rows, columns = np.divmod(met, right - left)
        rows, columns = rows + top, columns + left
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns, near = rows[inside], columns[inside], met[inside]
        closer = reach[near] < depth[rows, columns]
        rows, columns, near = rows[closer], columns[closer], near[closer]
        depth[rows, columns] = reach[near]
        owners[rows, columns] = index
        found.append(Hit(index, rows, columns, rays[:, near], reach[near], len(met)))
    return [_uncovered(hit, owners) for hit in found]


def _window(camera: Camera, solid: Solid) -> tuple[int, int, int, int] | None:
    """Pixels around a solid, at most an image's size beyond the image; None when it is behind."""
    corners = solid.corners()
    if (camera.axes[2] @ (corners - camera.position)).min() < 0.1:
        return None
    pixels = camera.project(corners)
    limits = np.array(camera.size)
    left, top = np.clip(np.floor(pixels.min(axis=1)), -limits, 2 * limits).astype(int).tolist()
    right, bottom = np.clip(np.ceil(pixels.max(axis=1)), -limits, 2 * limits).astype(int).tolist()
    return (left, top, right, bottom) if left < right and top < bottom else None


def _uncovered(hit: Hit, owners: NDArray[np.int16]) -> Hit:
    """Leave what no later solid covers."""
    own = owners[hit.rows, hit.columns] == hit.index
    return Hit(hit.index, hit.rows[own], hit.columns[own], hit.rays[:, own], hit.reach[own],
               hit.outline)


def _paint(
    canvas: Picture, hit: Hit, solids: list[Solid], light: Light, camera: Camera,
) -> None:
    """Colour the pixels of one solid, in place."""
    if not len(hit.rows):
        return
    solid = solids[hit.index]
    points = camera.position + hit.reach * hit.rays
    local = solid.turn.T @ (points - solid.centre)
    normal = solid.turn @ solid.shape.normal(local)
    facing = np.maximum((light.towards * normal).sum(axis=0), 0)
    lit = facing * _unshaded(points + normal * np.float32(2e-3), solid, solids, light.towards)
    view = -hit.rays / np.sqrt(np.square(hit.rays).sum(axis=0))
    half = light.towards + view
    half /= np.sqrt(np.square(half).sum(axis=0))
    material = solid.material
    shine = np.maximum((half * normal).sum(axis=0), 0) ** np.float32(material.hardness)
    rim = np.square(np.square(1 - np.clip((view * normal).sum(axis=0), 0, 1)))
    # The lower and the nearer to the table, the less sky and the more light from the table.
    sky = 0.5 + 0.5 * normal[2]
    near = np.clip(points[2] * np.float32(9), 0, 1)
    ambient = sky * (0.55 + 0.45 * near) + (1 - sky) * (0.2 + 0.3 * near)
    colour = _albedo(material, local)
    colour *= light.ambient * ambient + light.direct * lit
    colour += light.direct * (np.float32(material.gloss) * shine * (lit > 0))
    colour += light.ambient * (np.float32(0.5 * material.gloss) * rim * sky)
    level = np.sqrt(np.minimum(colour, 1)) * np.float32(255)
    canvas[hit.rows, hit.columns] = level.T.astype(np.uint8)


def _albedo(material: Material, local: Vectors) -> NDArray[np.float32]:
    share = np.float32(0) if material.pattern is None else material.pattern(local)
    first, second = material.first[:, None], material.second[:, None]
    return (first + (second - first) * share).astype(np.float32, copy=False)


def _unshaded(points: Vectors, own: Solid, solids: list[Solid], towards: Vectors) -> Any:
    """Tell whether each point sees the light past the other solids; 1.0 or 0.0."""
    free = np.ones(points.shape[1], np.float32)
    for other in solids:
        if other is own:
            continue
        gap = other.centre - own.centre
        along = float((gap * towards).sum())
        aside = float(np.linalg.norm(gap - along * towards))
        if along > 0 and aside < own.reach + other.reach:
            free[np.isfinite(other.enter(points, towards))] = 0
    return free


def _expose(rng: Random, canvas: Picture, size: Size, lens: Lens) -> Picture:
    """Turn the samples into what a camera would deliver."""
    image = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    scale = size.width / 640
    if lens.blur:
        image = cv2.GaussianBlur(image, (0, 0), lens.blur * scale)
    if any(lens.motion):
        image = _smear(image, lens.motion[0] * scale, lens.motion[1] * scale)
    x = np.linspace(-1, 1, size.width, dtype=np.float32)
    y = np.linspace(-1, 1, size.height, dtype=np.float32)
    fall = 1 - np.float32(lens.vignette / 2) * (np.square(x)[None] + np.square(y)[:, None])
    light = image * fall[..., None]
    light *= np.array(lens.gain, np.float32)
    # The difference of two even distributions is close enough to a bell.
    grain = rng.integers(0, 256, (2, *light.shape), np.uint8)
    light += cv2.subtract(grain[0], grain[1], dtype=cv2.CV_32F) * np.float32(lens.noise / 104)
    noisy = np.clip(light, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode('.jpg', noisy, [cv2.IMWRITE_JPEG_QUALITY, lens.quality])
    decoded: Any = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return decoded  # type: ignore[no-any-return]


def _smear(image: Picture, x: float, y: float) -> Picture:
    """Blur along a line through the pixel."""
    reach = int(np.ceil(max(abs(x), abs(y)))) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    ends = np.round(np.array([[reach - x, reach - y], [reach + x, reach + y]]) * 16).astype(int)
    cv2.line(kernel, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 1.0, 1, cv2.LINE_8, 4)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _extents(
    camera: Camera, solids: list[Solid], hits: list[Hit],
) -> tuple[Boxes, NDArray[np.float32], NDArray[np.int16]]:
    """Boxes in image pixels and visible parts, solid by solid, and the owner of each sample."""
    boxes = np.zeros((len(solids), 4), np.float32)
    visible = np.zeros(len(solids), np.float32)
    owners = np.full((camera.size.height, camera.size.width), -1, np.int16)
    for hit in hits:
        if len(hit.rows):
            extent = [hit.columns.min(), hit.rows.min(), hit.columns.max() + 1, hit.rows.max() + 1]
            boxes[hit.index] = np.array(extent) / camera.samples
            visible[hit.index] = len(hit.rows) / hit.outline
            owners[hit.rows, hit.columns] = hit.index
    return boxes, visible, owners


def _scene(image: Picture, camera: Camera, solids: list[Solid], hits: list[Hit]) -> Scene:
    boxes, visible, owners = _extents(camera, solids, hits)
    class_ids = np.array([solid.class_id for solid in solids], np.int32)
    shown = (class_ids >= 0) & (visible > 0)
    # Objects are numbered without the clutter; -1 stays the last entry.
    numbers = np.full(len(solids) + 1, -1, np.int16)
    numbers[:-1][shown] = np.arange(shown.sum())
    return Scene(image, boxes[shown], class_ids[shown], visible[shown], numbers[owners])
