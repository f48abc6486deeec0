# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Render images of toys on a table, with the exact box of each toy.

A seed determines everything: the table, the solids, the light, the camera and its noise. The unit
of the world is about half a metre. World axes: x grows to the right, y away from the camera, z
upwards; the table is z = 0. Boxes are (x1, y1, x2, y2) in image pixels.

The solids are ray-traced at `SUPERSAMPLING` times the resolution of the image. The pixels of that
larger image are called samples here. Colours are BGR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fcos_ros.core.arrays import Boxes
from fcos_ros.core.resize import Size
from fcos_ros.demo.solids import Ball, Frustum, Polyhedron, Ring, Shape, Vectors
from fcos_ros.demo.tabletop import (
    TABLE_SIDE,
    TEXELS,
    BgrImage,
    Colour,
    Random,
    ShadowMask,
    draw_surface,
    scatter_things,
)

CLASS_NAMES = ('cube', 'ball', 'cylinder', 'cone', 'pyramid', 'ring')
"""The names of the classes, in the order of their ids."""

SWING_PERIOD = 30.0
"""Seconds in which the camera of an `AnimatedScene` swings to both sides and back."""

SUPERSAMPLING = 2
"""Rays for each pixel, along each axis."""

MIN_VISIBLE = 0.3
"""Minimum visible part of an object; objects that show less are removed."""

CLUTTER = -1
"""The class id of solids that are not objects."""


@dataclass(frozen=True, eq=False)
class Scene:
    """
    One image and its objects.

    A box is the extent of the visible part of an object: inside the image and not hidden.

    :ivar image: uint8 BGR of shape (H, W, 3).
    :ivar boxes: float32 of shape (N, 4), inside the image.
    :ivar class_ids: int32 of shape (N,), indices into `CLASS_NAMES`.
    :ivar visible: float32 of shape (N,), the visible part of each object's outline, up to 1.
    :ivar object_indices: int16 of shape (SUPERSAMPLING * H, SUPERSAMPLING * W), the index of the
        object that is visible in each sample; -1 for none.
    """

    image: NDArray[np.uint8]
    boxes: Boxes
    class_ids: NDArray[np.int32]
    visible: NDArray[np.float32]
    object_indices: NDArray[np.int16]


@dataclass(frozen=True)
class Toys:
    """
    The toys on a table, as ranges from the least to the most.

    :ivar count: number of toys that are placed; those that find no room are left out.
    :ivar spread: standard deviation of their places, in the unit of the world.
    :ivar size: about half of the side of a toy, likewise.
    :ivar min_side: minimum side of a box, as a part of the image's width; smaller objects are
        removed.
    """

    count: tuple[int, int]
    spread: tuple[float, float]
    size: tuple[float, float]
    min_side: float


NEAR_TOYS = Toys((4, 12), (0.22, 0.5), (0.07, 0.17), 0.022)
"""A few large toys, on which the network is trained."""

FAR_TOYS = Toys((25, 45), (0.4, 0.7), (0.011, 0.03), 0.006)
"""Many small toys, as a camera of high resolution sees them from afar."""


def render(seed: int, size: Size = Size(640, 480), toys: Toys = NEAR_TOYS) -> Scene:
    """
    Render the scene of a seed.

    Every object shows at least `MIN_VISIBLE` of its outline, and has sides of at least
    `Toys.min_side`.
    """
    return AnimatedScene(seed, size, toys, checked_seconds=(0.0,)).render(0.0)


class AnimatedScene:
    """
    A scene and a camera that swings around it. At second 0 it is nearly the scene of `render`.

    :param checked_seconds: objects that are too small or hidden at one of these times are removed.
    """

    def __init__(
        self, seed: int, size: Size = Size(640, 480), toys: Toys = NEAR_TOYS,
        checked_seconds: Sequence[float] = tuple(
            np.linspace(-SWING_PERIOD / 4, SWING_PERIOD / 4, 9).tolist()),
    ) -> None:
        self._seed, self._size, self._toys = seed, size, toys
        rng = np.random.default_rng(seed)
        self._camera_path = _camera_path(rng)
        self._light = _light(rng)
        self._camera_effects = _camera_effects(rng)
        self._backdrop = _backdrop(rng)
        surface = draw_surface(rng)
        solids = _place_solids(rng, toys)
        self._solids = self._without_hidden(solids, checked_seconds)
        self._table = _light_table(rng, surface, self._solids, self._light)

    def render(self, second: float) -> Scene:
        """Render the scene at a time of the animation."""
        camera = self._camera_at(second, SUPERSAMPLING)
        canvas = _background(camera, self._backdrop, self._table)
        hits = _cast_rays(camera, self._solids)
        for hit in hits:
            _shade(canvas, hit, self._solids, self._light, camera)
        rng = np.random.default_rng([self._seed, int(np.float64(second).view(np.uint64))])
        image = _simulate_camera(rng, canvas, self._size, self._camera_effects)
        return _make_scene(image, camera, self._solids, hits)

    def _camera_at(self, second: float, supersampling: float) -> PinholeCamera:
        return self._camera_path.at(second, self._size, supersampling)

    def _without_hidden(self, solids: list[Solid], seconds: Sequence[float]) -> list[Solid]:
        """
        Remove objects that are too small or hidden at one of these times.

        The limits have a margin: the check uses half of the resolution, and only these times.
        """
        kept = np.ones(len(solids), bool)
        for second in seconds:
            camera = self._camera_at(second, 0.5)
            boxes, visible, _ = _extents(camera, solids, _cast_rays(camera, solids))
            sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
            min_side = self._toys.min_side * self._size.width
            kept &= (visible > 1.3 * MIN_VISIBLE) & (sides > 1.2 * min_side)
        return [solid for solid, keep in zip(solids, kept) if keep or solid.class_id == CLUTTER]


@dataclass(frozen=True, eq=False)
class Material:
    """
    The surface of a solid. Colours are linear BGR, float32 of shape (3,).

    :ivar pattern: converts points in the shape's axes, (3, N), to the share of `second` in the
        colour, (N,). None shows `first` only.
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
    A shape with its pose and material.

    :ivar centre: float32 of shape (3, 1), in the world.
    :ivar rotation: float32 of shape (3, 3), from the shape's axes to the world's.
    :ivar class_id: index into `CLASS_NAMES`, or `CLUTTER`.
    """

    shape: Shape
    centre: Vectors
    rotation: NDArray[np.float32]
    class_id: int
    material: Material

    def intersect(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """Return where each ray of the world enters the solid; see `Shape.intersect`."""
        return self.shape.intersect(
            self.rotation.T @ (origin - self.centre), self.rotation.T @ direction)

    def corners(self) -> Vectors:
        """Return the corners of its bounding box, float32 of shape (3, 8)."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), np.float32).reshape(3, 8)
        own = signs * np.array(self.shape.half_extent, np.float32)[:, None]
        corners: Vectors = self.rotation @ own + self.centre
        return corners

    @cached_property
    def bounding_radius(self) -> float:
        """Radius of its bounding sphere."""
        return float(np.linalg.norm(self.shape.half_extent))


@dataclass(frozen=True, eq=False)
class PinholeCamera:
    """
    A pinhole camera with a fixed pose.

    :ivar position: float32 of shape (3, 1).
    :ivar axes: float32 of shape (3, 3); its rows point right, down and forward.
    :ivar focal: focal length in samples.
    :ivar size: in samples.
    :ivar supersampling: samples for each pixel, along each axis.
    """

    position: Vectors
    axes: NDArray[np.float32]
    focal: float
    size: Size
    supersampling: float

    def project(self, points: Vectors) -> NDArray[np.float32]:
        """Project points in front of the camera to samples, float32 of shape (2, N)."""
        local = self.axes @ (points - self.position)
        middle = np.array([[self.size.width / 2], [self.size.height / 2]], np.float32)
        samples: NDArray[np.float32] = local[:2] * np.float32(self.focal) / local[2] + middle
        return samples

    def rays(self, left: int, top: int, right: int, bottom: int) -> Vectors:
        """Return the directions through the samples of a window, row by row."""
        x = (np.arange(left, right, dtype=np.float32) + 0.5 - self.size.width / 2) / self.focal
        y = (np.arange(top, bottom, dtype=np.float32) + 0.5 - self.size.height / 2) / self.focal
        across = np.broadcast_to(x, (len(y), len(x))).ravel()
        along = np.repeat(y, len(x))
        rays: Vectors = self.axes.T @ np.stack([across, along, np.ones_like(along)])
        return rays

    def table_homography(self) -> NDArray[np.float64]:
        """Return the homography from texels of the table to samples, with centres at integers."""
        scale = TABLE_SIDE / TEXELS
        place = np.array([[scale, 0, (0.5 * scale - TABLE_SIDE / 2)],
                          [0, -scale, TABLE_SIDE / 2 - 0.5 * scale], [0, 0, 1]])
        pinhole = np.array([[self.focal, 0, self.size.width / 2 - 0.5],
                            [0, self.focal, self.size.height / 2 - 0.5], [0, 0, 1]])
        axes = self.axes.astype(np.float64)
        plane = np.column_stack([axes[:, 0], axes[:, 1], -axes @ self.position[:, 0]])
        homography: NDArray[np.float64] = pinhole @ plane @ place
        return homography


@dataclass(frozen=True)
class CameraPath:
    """
    The movement of the camera. Angles are in radians, lengths in the unit of the world.

    :ivar distance: from the target.
    :ivar elevation: minimum angle of the camera above the table, seen from the target.
    :ivar azimuth: direction in which the camera looks in the middle of the swing.
    :ivar swing: maximum difference of the direction from `azimuth`.
    :ivar roll: rotation around the viewing direction.
    :ivar target: x and y of the point at which the camera looks.
    :ivar zoom: factor of the focal length.
    """

    distance: float
    elevation: float
    azimuth: float
    swing: float
    roll: float
    target: tuple[float, float]
    zoom: float

    def at(self, second: float, size: Size, supersampling: float) -> PinholeCamera:
        """
        Return the camera at a time.

        :param size: of the image, in pixels.
        :param supersampling: samples for each pixel, along each axis.
        """
        phase = np.sin(2 * np.pi * second / SWING_PERIOD)
        azimuth = self.azimuth + self.swing * phase
        # Twice in each period, the camera rises and comes down again.
        rise = 1 - np.cos(4 * np.pi * second / SWING_PERIOD)
        elevation = self.elevation + 0.12 * self.swing * rise
        forward = np.array([np.sin(azimuth) * np.cos(elevation),
                            np.cos(azimuth) * np.cos(elevation), -np.sin(elevation)])
        right = np.array([np.cos(azimuth), -np.sin(azimuth), 0])
        down = np.cross(forward, right)
        tilted = np.cos(self.roll) * right + np.sin(self.roll) * down
        axes = np.stack([tilted, np.cross(forward, tilted), forward]).astype(np.float32)
        position = np.array([*self.target, 0.1]) - self.distance * forward
        samples = Size(*(round(side * supersampling) for side in size))
        focal = self.zoom * float(np.hypot(*samples)) * 0.8
        return PinholeCamera(
            position.astype(np.float32)[:, None], axes, focal, samples, supersampling)


@dataclass(frozen=True, eq=False)
class Light:
    """
    A distant lamp or window, and ambient light. Colours are linear BGR, float32 of shape (3, 1).

    :ivar towards: unit vector to the lamp, float32 of shape (3, 1).
    :ivar direct: colour of the lamp.
    :ivar ambient: colour of the light from all sides.
    :ivar softness: blur of shadows, in the unit of the world.
    :ivar brightest: x and y of the brightest point of the table.
    """

    towards: Vectors
    direct: NDArray[np.float32]
    ambient: NDArray[np.float32]
    softness: float
    brightest: tuple[float, float]


@dataclass(frozen=True)
class CameraEffects:
    """
    Defects of the camera.

    :ivar blur: standard deviation in pixels of an image that is 640 pixels wide.
    :ivar motion: half of the length of the motion blur along x and y, in the same pixels.
    :ivar gain: factors of blue, green and red.
    :ivar vignette: loss of light in the corners, from 0 to 1.
    :ivar noise: standard deviation in grey levels.
    :ivar quality: JPEG quality, from 0 to 100.
    """

    blur: float
    motion: tuple[float, float]
    gain: tuple[float, float, float]
    vignette: float
    noise: float
    quality: int


@dataclass(frozen=True, eq=False)
class RayHits:
    """
    The samples in which a solid is visible.

    :ivar index: the index of the solid.
    :ivar rows: (N,), rows of the samples; likewise `columns`.
    :ivar rays: (3, N), directions of the rays.
    :ivar distances: (N,), multiples of the directions.
    :ivar outline: number of rays that hit the solid, also where it is hidden or outside the image.
    """

    index: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    rays: Vectors
    distances: NDArray[np.float32]
    outline: int


def _camera_path(rng: Random) -> CameraPath:
    return CameraPath(
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


def _camera_effects(rng: Random) -> CameraEffects:
    motion = rng.normal(0, 1.3, 2) if rng.random() < 0.2 else np.zeros(2)
    return CameraEffects(
        blur=float(rng.choice([0.0, 0.5, rng.uniform(0.5, 1.2)])),
        motion=tuple(motion.tolist()), gain=tuple(rng.normal(1, 0.04, 3).tolist()),
        vignette=rng.uniform(0.05, 0.4), noise=rng.uniform(1.0, 6.0),
        quality=int(rng.integers(70, 96)))


def _backdrop(rng: Random) -> BgrImage:
    """Draw the room behind the table, out of focus."""
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


# sRGB in BGR order.
SOLID_COLOURS: tuple[Colour, ...] = (
    (45, 40, 200), (190, 95, 30), (70, 150, 60), (40, 190, 240), (40, 120, 235), (150, 60, 130),
    (200, 170, 60), (235, 235, 235), (180, 140, 240), (60, 60, 62), (120, 190, 150), (40, 60, 110))
TIMBER_COLOURS: tuple[Colour, ...] = (
    (120, 170, 212), (90, 140, 190), (60, 98, 150), (150, 195, 225), (44, 70, 108))


def _place_solids(rng: Random, toys: Toys) -> list[Solid]:
    """Place solids on the table so that they do not touch each other."""
    solids: list[Solid] = []
    places: list[tuple[float, float, float]] = []
    spread = rng.uniform(*toys.spread)
    books = int(rng.random() < 0.3)
    for number in range(int(rng.integers(toys.count[0], toys.count[1] + 1)) + books):
        class_id = CLUTTER if number < books else int(rng.integers(len(CLASS_NAMES)))
        shape, rotation, height = _make_shape(rng, class_id, toys)
        diagonal = float(np.hypot(*(np.abs(rotation) @ np.array(shape.half_extent))[:2]))
        # Round solids do not fill the corners of their bounding box: 1.41 is the root of 2.
        radius = diagonal if class_id in (CLUTTER, 0, 4) else diagonal / 1.41
        for _ in range(12):
            x, y = rng.normal(0, spread, 2).tolist()
            if all(np.hypot(x - u, y - v) > radius + other for u, v, other in places):
                places.append((x, y, radius))
                centre = np.array([[x], [y], [height]], np.float32)
                material = _book_material(rng) if class_id == CLUTTER else _material(rng, class_id)
                solids.append(Solid(shape, centre, rotation, class_id, material))
                break
    return solids


def _make_shape(
    rng: Random, class_id: int, toys: Toys,
) -> tuple[Shape, NDArray[np.float32], float]:
    """Return a shape of a class, its rotation, and the height of its centre."""
    size = rng.uniform(*toys.size)
    angle = rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    shape = SHAPES[class_id](rng, size)
    height = shape.half_extent[2]
    if class_id == 2 and rng.random() < 0.35:
        # Some cylinders lie on their side.
        rotation = rotation @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)
        height = shape.half_extent[0]
    return shape, rotation, height


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


def _book_shape(rng: Random, size: float) -> Shape:
    half = (size * np.array([rng.uniform(1.5, 2.2), rng.uniform(1.1, 1.5), 0.16])).tolist()
    return Polyhedron.box((half[0], half[1], half[2]), 0.01)


SHAPES: dict[int, Callable[[Random, float], Shape]] = {
    CLUTTER: _book_shape, 0: _cube, 1: lambda rng, size: Ball(size * rng.uniform(0.75, 1.0)),
    2: _cylinder, 3: _cone, 4: _pyramid, 5: _ring}


def _material(rng: Random, class_id: int) -> Material:
    kind = rng.random()
    if kind < 0.3:
        tone = _linear_colour(TIMBER_COLOURS[int(rng.integers(len(TIMBER_COLOURS)))], rng)
        return Material(
            tone, tone * np.float32(rng.uniform(0.45, 0.7)), _growth_rings(rng), 0.06, 12.0)
    first = _linear_colour(SOLID_COLOURS[int(rng.integers(len(SOLID_COLOURS)))], rng)
    second = _linear_colour(SOLID_COLOURS[int(rng.integers(len(SOLID_COLOURS)))], rng)
    gloss, hardness = (0.5, 60.0) if rng.random() < 0.4 else (0.12, 14.0)
    if kind < 0.85 or class_id in (3, 4, 5):
        return Material(first, first * np.float32(0.9), _mottle(rng), gloss, hardness)
    return Material(first, second, _stripes(rng), gloss, hardness)


def _book_material(rng: Random) -> Material:
    cover = _linear_colour(SOLID_COLOURS[int(rng.integers(len(SOLID_COLOURS)))], rng)
    pages = np.array([0.62, 0.7, 0.74], np.float32)
    return Material(cover, pages, lambda points: (np.abs(points[2]) < 0.012) * np.float32(1),
                    0.15, 20.0)


def _linear_colour(colour: Colour, rng: Random) -> NDArray[np.float32]:
    """Vary an sRGB colour and convert it to linear BGR, with a gamma of 2."""
    varied = np.clip(np.array(colour) * rng.uniform(0.8, 1.1) + rng.normal(0, 8, 3), 8, 250)
    return np.square(varied / 255).astype(np.float32)


def _growth_rings(rng: Random) -> Callable[[Vectors], NDArray[np.float32]]:
    """Return a pattern of growth rings whose centre lies outside the solid."""
    x, y = rng.uniform(0.15, 0.4, 2).astype(np.float32)
    pitch, wobble = np.float32(rng.uniform(120, 300)), np.float32(rng.uniform(4, 14))

    def pattern(points: Vectors) -> NDArray[np.float32]:
        ring = np.hypot(points[0] + x, points[2] + y) * pitch
        wave = np.sin(ring + np.sin(points[1] * wobble * 3) * 2)
        level: NDArray[np.float32] = 0.5 + 0.35 * wave * np.sin(ring * np.float32(0.37))
        return level

    return pattern


def _mottle(rng: Random) -> Callable[[Vectors], NDArray[np.float32]]:
    """Return a pattern of uneven paint."""
    waves = rng.normal(0, 30, (2, 3)).astype(np.float32)

    def pattern(points: Vectors) -> NDArray[np.float32]:
        wave = np.sin(waves[0] @ points) * np.sin(waves[1] @ points)
        level: NDArray[np.float32] = 0.5 + 0.5 * wave
        return level

    return pattern


def _stripes(rng: Random) -> Callable[[Vectors], NDArray[np.float32]]:
    """Return a pattern of bands across the vertical axis, or of segments around it."""
    pitch, start = np.float32(rng.uniform(30, 70)), np.float32(rng.uniform(0, 6))
    around = rng.random() < 0.4

    def pattern(points: Vectors) -> NDArray[np.float32]:
        along = 3 * np.arctan2(points[1], points[0]) if around else points[2] * pitch
        level: NDArray[np.float32] = np.clip(np.sin(along + start) * 8 + 0.5, 0, 1)
        return level

    return pattern


def _light_table(
    rng: Random, surface: BgrImage, solids: list[Solid], light: Light,
) -> BgrImage:
    """Put flat things on the table and light it, with the shadows of things and solids."""
    scale = TABLE_SIDE / TEXELS
    slant = -light.towards[:2, 0] / light.towards[2, 0]
    shadow: ShadowMask = np.zeros((TEXELS, TEXELS), np.uint8)
    scatter_things(rng, surface, shadow, (float(slant[0]), float(-slant[1])))
    occluded: ShadowMask = np.zeros((TEXELS, TEXELS), np.uint8)
    for solid in solids:
        _cast_shadow(shadow, solid, light.towards)
        _cast_shadow(occluded, solid, np.array([[0], [0], [1]], np.float32))
    # Half the resolution is enough, as light changes slowly over the table.
    side = TEXELS // 2
    shadow, occluded = (cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
                        for mask in (shadow, occluded))
    shadow = cv2.GaussianBlur(shadow, (0, 0), light.softness / scale / 2 + 0.5)
    contact = cv2.blur(cv2.blur(occluded, (13, 13)), (13, 13))
    x = np.linspace(-TABLE_SIDE / 2, TABLE_SIDE / 2, side, dtype=np.float32)
    brightness = np.exp(-np.square(x[None] - np.float32(light.brightest[0])) / 5)
    brightness = brightness * np.exp(-np.square(-x[:, None] - np.float32(light.brightest[1])) / 5)
    lit = (1 - shadow * np.float32(1 / 255)) * (0.35 + 0.65 * brightness) * light.towards[2]
    open_sky = 1 - contact * np.float32(0.6 / 255)
    level = lit[..., None] * light.direct[:, 0] + open_sky[..., None] * light.ambient[:, 0]
    return cv2.multiply(surface, cv2.resize(np.sqrt(level), (TEXELS, TEXELS)), dtype=cv2.CV_8U)


def _cast_shadow(mask: ShadowMask, solid: Solid, towards: Vectors) -> None:
    """Mark the texels that a solid hides from a light in this direction, in place."""
    scale = TABLE_SIDE / TEXELS
    corners = solid.corners()
    shadow = corners[:2] - towards[:2] * (corners[2] / towards[2])
    texels = np.stack([shadow[0] + TABLE_SIDE / 2, TABLE_SIDE / 2 - shadow[1]]) / scale
    left, top = np.clip(np.floor(texels.min(axis=1)), 0, TEXELS).astype(int).tolist()
    right, bottom = np.clip(np.ceil(texels.max(axis=1)), 0, TEXELS).astype(int).tolist()
    if left >= right or top >= bottom:
        return
    x = (np.arange(left, right, dtype=np.float32) + 0.5) * np.float32(scale) - TABLE_SIDE / 2
    y = TABLE_SIDE / 2 - (np.arange(top, bottom, dtype=np.float32) + 0.5) * np.float32(scale)
    points = np.stack([np.tile(x, len(y)), np.repeat(y, len(x)),
                       np.full(len(x) * len(y), -1e-3, np.float32)])
    hidden = np.isfinite(solid.intersect(points, towards)).reshape(len(y), len(x))
    mask[top:bottom, left:right][hidden] = 255


def _background(camera: PinholeCamera, backdrop: BgrImage, table: BgrImage) -> BgrImage:
    width, height = camera.size
    # The backdrop is a cylinder around the table, so it moves when the camera turns.
    azimuth = np.arctan2(camera.axes[2, 0], camera.axes[2, 1])
    scale = width / 90
    place = np.array([[scale, 0, -scale * 240 * azimuth / (2 * np.pi)], [0, height / 90, 0]])
    canvas = cv2.warpAffine(backdrop, place, (width, height), flags=cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_WRAP)
    cv2.warpPerspective(table, camera.table_homography(), (width, height), canvas,
                        cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    return canvas


def _cast_rays(camera: PinholeCamera, solids: list[Solid]) -> list[RayHits]:
    """Return the samples in which each solid is the nearest."""
    width, height = camera.size
    depth = np.full((height, width), np.inf, np.float32)
    nearest = np.full((height, width), -1, np.int16)
    found = []
    for index, solid in enumerate(solids):
        window = _bounding_window(camera, solid)
        if window is None:
            continue
        left, top, right, bottom = window
        rays = camera.rays(left, top, right, bottom)
        distances = solid.intersect(camera.position, rays)
        hits = np.flatnonzero(np.isfinite(distances))
        rows, columns = np.divmod(hits, right - left)
        rows, columns = rows + top, columns + left
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns, seen = rows[inside], columns[inside], hits[inside]
        closer = distances[seen] < depth[rows, columns]
        rows, columns, seen = rows[closer], columns[closer], seen[closer]
        depth[rows, columns] = distances[seen]
        nearest[rows, columns] = index
        found.append(RayHits(index, rows, columns, rays[:, seen], distances[seen], len(hits)))
    return [_visible_hits(hits, nearest) for hits in found]


def _bounding_window(camera: PinholeCamera, solid: Solid) -> tuple[int, int, int, int] | None:
    """
    Return the left, top, right and bottom sample around a solid.

    The window reaches at most the size of the image beyond the image. None is returned for a solid
    that is behind the camera or has no samples.
    """
    corners = solid.corners()
    if (camera.axes[2] @ (corners - camera.position)).min() < 0.1:
        return None
    samples = camera.project(corners)
    limits = np.array(camera.size)
    left, top = np.clip(np.floor(samples.min(axis=1)), -limits, 2 * limits).astype(int).tolist()
    right, bottom = np.clip(np.ceil(samples.max(axis=1)), -limits, 2 * limits).astype(int).tolist()
    return (left, top, right, bottom) if left < right and top < bottom else None


def _visible_hits(hits: RayHits, nearest: NDArray[np.int16]) -> RayHits:
    """Return the hits of a solid that no later solid hides."""
    own = nearest[hits.rows, hits.columns] == hits.index
    return RayHits(hits.index, hits.rows[own], hits.columns[own], hits.rays[:, own],
                   hits.distances[own], hits.outline)


def _shade(
    canvas: BgrImage, hits: RayHits, solids: list[Solid], light: Light, camera: PinholeCamera,
) -> None:
    """Draw the visible samples of one solid, in place."""
    if not len(hits.rows):
        return
    solid = solids[hits.index]
    points = camera.position + hits.distances * hits.rays
    local = solid.rotation.T @ (points - solid.centre)
    normal = solid.rotation @ solid.shape.normal(local)
    facing = np.maximum((light.towards * normal).sum(axis=0), 0)
    lit = facing * _lit_points(points + normal * np.float32(2e-3), solid, solids, light.towards)
    # Highlights after Blinn and Phong.
    view = -hits.rays / np.sqrt(np.square(hits.rays).sum(axis=0))
    halfway = light.towards + view
    halfway /= np.sqrt(np.square(halfway).sum(axis=0))
    material = solid.material
    shine = np.maximum((halfway * normal).sum(axis=0), 0) ** np.float32(material.hardness)
    rim = np.square(np.square(1 - np.clip((view * normal).sum(axis=0), 0, 1)))
    # Surfaces that face down see the table instead of the sky. Near the table, both are darker.
    sky = 0.5 + 0.5 * normal[2]
    near = np.clip(points[2] * np.float32(9), 0, 1)
    ambient = sky * (0.55 + 0.45 * near) + (1 - sky) * (0.2 + 0.3 * near)
    colour = _surface_colour(material, local)
    colour *= light.ambient * ambient + light.direct * lit
    colour += light.direct * (np.float32(material.gloss) * shine * (lit > 0))
    colour += light.ambient * (np.float32(0.5 * material.gloss) * rim * sky)
    level = np.sqrt(np.minimum(colour, 1)) * np.float32(255)
    canvas[hits.rows, hits.columns] = level.T.astype(np.uint8)


def _surface_colour(material: Material, local: Vectors) -> NDArray[np.float32]:
    share = np.float32(0) if material.pattern is None else material.pattern(local)
    first, second = material.first[:, None], material.second[:, None]
    return (first + (second - first) * share).astype(np.float32, copy=False)


def _lit_points(points: Vectors, own: Solid, solids: list[Solid], towards: Vectors) -> Any:
    """Return 0.0 for points that another solid shadows, and 1.0 for the others."""
    lit = np.ones(points.shape[1], np.float32)
    for other in solids:
        if other is own:
            continue
        gap = other.centre - own.centre
        along = float((gap * towards).sum())
        aside = float(np.linalg.norm(gap - along * towards))
        if along > 0 and aside < own.bounding_radius + other.bounding_radius:
            lit[np.isfinite(other.intersect(points, towards))] = 0
    return lit


def _simulate_camera(
    rng: Random, canvas: BgrImage, size: Size, effects: CameraEffects,
) -> BgrImage:
    """Convert the samples to an image with the defects of a camera."""
    image = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    scale = size.width / 640
    if effects.blur:
        image = cv2.GaussianBlur(image, (0, 0), effects.blur * scale)
    if any(effects.motion):
        image = _motion_blur(image, effects.motion[0] * scale, effects.motion[1] * scale)
    x = np.linspace(-1, 1, size.width, dtype=np.float32)
    y = np.linspace(-1, 1, size.height, dtype=np.float32)
    fall = 1 - np.float32(effects.vignette / 2) * (np.square(x)[None] + np.square(y)[:, None])
    light = image * fall[..., None]
    light *= np.array(effects.gain, np.float32)
    # The difference of two uniform distributions is close enough to a normal one.
    grain = rng.integers(0, 256, (2, *light.shape), np.uint8)
    light += cv2.subtract(grain[0], grain[1], dtype=cv2.CV_32F) * np.float32(effects.noise / 104)
    noisy = np.clip(light, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode('.jpg', noisy, [cv2.IMWRITE_JPEG_QUALITY, effects.quality])
    decoded: Any = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return decoded  # type: ignore[no-any-return]


def _motion_blur(image: BgrImage, x: float, y: float) -> BgrImage:
    """Blur an image along a line from (-x, -y) to (x, y), in pixels."""
    middle = int(np.ceil(max(abs(x), abs(y)))) + 1
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.float32)
    ends = np.array([[middle - x, middle - y], [middle + x, middle + y]])
    ends = np.round(ends * 16).astype(int)  # in 1/16 pixels, as `shift=4` expects
    cv2.line(kernel, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 1.0, 1, cv2.LINE_8, 4)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _extents(
    camera: PinholeCamera, solids: list[Solid], hits: list[RayHits],
) -> tuple[Boxes, NDArray[np.float32], NDArray[np.int16]]:
    """
    Measure the visible parts of the solids.

    :returns: the box of each solid in image pixels, the visible part of each, and the index of the
        solid in each sample, -1 for none.
    """
    boxes = np.zeros((len(solids), 4), np.float32)
    visible = np.zeros(len(solids), np.float32)
    indices = np.full((camera.size.height, camera.size.width), -1, np.int16)
    for part in hits:
        rows, columns = part.rows, part.columns
        if len(rows):
            extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            boxes[part.index] = np.array(extent) / camera.supersampling
            visible[part.index] = len(rows) / part.outline
            indices[rows, columns] = part.index
    return boxes, visible, indices


def _make_scene(
    image: BgrImage, camera: PinholeCamera, solids: list[Solid], hits: list[RayHits],
) -> Scene:
    boxes, visible, indices = _extents(camera, solids, hits)
    class_ids = np.array([solid.class_id for solid in solids], np.int32)
    shown = (class_ids != CLUTTER) & (visible > 0)
    # Only objects that show are numbered. The last entry is for index -1.
    numbers = np.full(len(solids) + 1, -1, np.int16)
    numbers[:-1][shown] = np.arange(shown.sum())
    return Scene(image, boxes[shown], class_ids[shown], visible[shown], numbers[indices])
