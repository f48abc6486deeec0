# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Shapes for the ray tracer of the demo's scenes.

Each shape lies around the origin of its own axes, with z upwards. Points and directions are
float32 arrays of shape (3, N), or (3, 1) for one that all rays share. All lengths have the same
unit, which may be any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape (3, N), or (3, 1)."""

MISS = np.float32(np.inf)


class Shape(Protocol):
    """The interface of a shape to the renderer."""

    @property
    def half_extent(self) -> tuple[float, float, float]:
        """Half of the shape's extent along its own axes."""
        ...

    def intersect(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """
        Return where each ray enters the shape.

        :returns: (N,), multiples of the ray's direction; infinite for rays that miss.
        """
        ...

    def normal(self, points: Vectors) -> Vectors:
        """Return outward unit vectors at points of the surface; edges are slightly rounded."""
        ...


@dataclass(frozen=True, eq=False)
class Polyhedron:
    """
    A convex body between planes: all points with `normals @ point <= offsets`.

    :ivar normals: unit vectors, float32 of shape (K, 3).
    :ivar offsets: float32 of shape (K,).
    :ivar half_extent: half of its extent along its own axes.
    :ivar bevel: distance from an edge at which the surface begins to bend.
    """

    normals: NDArray[np.float32]
    offsets: NDArray[np.float32]
    half_extent: tuple[float, float, float]
    bevel: float

    @classmethod
    def box(cls, half_extent: tuple[float, float, float], bevel: float) -> Polyhedron:
        """Create a box; its planes are +x, +y, +z, then the opposite ones."""
        normals = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
        return cls(normals, np.array([*half_extent, *half_extent], np.float32), half_extent, bevel)

    @classmethod
    def pyramid(cls, radius: float, height: float, bevel: float) -> Polyhedron:
        """Create a pyramid with four sides, on a square of side 2 * radius."""
        side = np.hypot(height, radius)
        out, up = height / side, radius / side
        normals = np.array([
            [out, 0, up], [-out, 0, up], [0, out, up], [0, -out, up], [0, 0, -1]], np.float32)
        sides = np.full(4, up * height / 2)
        return cls(normals, np.array([*sides, height / 2], np.float32),
                   (radius, radius, height / 2), bevel)

    def intersect(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """Return where each ray enters the shape; see `Shape.intersect`."""
        speed = self.normals @ direction
        gap = self.offsets[:, None] - self.normals @ origin
        with np.errstate(divide='ignore', invalid='ignore'):
            distance = gap / speed
        entry = np.where(speed < 0, distance, -MISS).max(axis=0)
        leave = np.where(speed > 0, distance, MISS).min(axis=0)
        return _hits(entry, leave)

    def normal(self, points: Vectors) -> Vectors:
        """Return outward unit vectors; see `Shape.normal`."""
        depth = self.normals @ points - self.offsets[:, None]
        return _unit(self.normals.T @ np.exp(np.minimum(depth / self.bevel, 0)))


@dataclass(frozen=True)
class Frustum:
    """
    A round body on the z axis: a cylinder if both radii are equal, a cone if the top is small.

    :ivar bottom: radius at z = -height / 2.
    :ivar top: radius at z = height / 2.
    :ivar bevel: distance from an edge at which the surface begins to bend.
    """

    bottom: float
    top: float
    height: float
    bevel: float

    @property
    def half_extent(self) -> tuple[float, float, float]:
        """Half of its extent along its own axes."""
        radius = max(self.bottom, self.top)
        return radius, radius, self.height / 2

    def intersect(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """Return where each ray enters the shape; see `Shape.intersect`."""
        entry, leave = _slab(origin[2], direction[2], self.height / 2)
        # |(x, y)|^2 = radius(z)^2 along the ray is a * t^2 + 2 * b * t + c = 0.
        slope = np.float32(self._slope)
        radius, widening = self._radius(origin[2]), slope * direction[2]
        a = direction[0] ** 2 + direction[1] ** 2 - widening ** 2
        b = origin[0] * direction[0] + origin[1] * direction[1] - radius * widening
        c = origin[0] ** 2 + origin[1] ** 2 - radius ** 2
        with np.errstate(divide='ignore', invalid='ignore'):
            root = np.sqrt(b * b - a * c)  # nan for rays that miss: every comparison is False
            one, other = (-b - root) / a, (-b + root) / a
        # a < 0: the ray is steeper than the side and crosses it once, inwards or outwards.
        side_entry = np.where(a > 0, one, np.where(widening > 0, one, -MISS))
        side_leave = np.where(a > 0, other, np.where(widening > 0, MISS, other))
        return _hits(np.maximum(entry, side_entry), np.minimum(leave, side_leave))

    def normal(self, points: Vectors) -> Vectors:
        """Return outward unit vectors; see `Shape.normal`."""
        rho = _length(points[0], points[1]) + np.float32(1e-9)
        steep = np.float32(np.hypot(1, self._slope))
        side = np.exp(np.minimum((rho - self._radius(points[2])) / steep / self.bevel, 0))
        cap = np.exp(np.minimum((np.abs(points[2]) - self.height / 2) / self.bevel, 0))
        up = cap * np.sign(points[2]) - side * np.float32(self._slope) / steep
        out = side / steep / rho
        return _unit(np.stack([points[0] * out, points[1] * out, up]))

    @property
    def _slope(self) -> float:
        return (self.top - self.bottom) / self.height

    def _radius(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        middle = np.float32((self.bottom + self.top) / 2)
        radius: NDArray[np.float32] = middle + np.float32(self._slope) * z
        return radius


@dataclass(frozen=True)
class Ball:
    """A sphere."""

    radius: float

    @property
    def half_extent(self) -> tuple[float, float, float]:
        """Half of its extent along its own axes."""
        return self.radius, self.radius, self.radius

    def intersect(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """Return where each ray enters the shape; see `Shape.intersect`."""
        a = _dot(direction, direction)
        b = _dot(origin, direction)
        c = _dot(origin, origin) - np.float32(self.radius ** 2)
        with np.errstate(invalid='ignore'):
            root = np.sqrt(b * b - a * c)
        return _hits((-b - root) / a, (-b + root) / a)

    def normal(self, points: Vectors) -> Vectors:
        """Return outward unit vectors; see `Shape.normal`."""
        return _unit(points)


@dataclass(frozen=True)
class Ring:
    """
    A torus around the z axis.

    :ivar radius: radius of the circle in the middle of the tube.
    :ivar tube: radius of the tube.
    """

    radius: float
    tube: float

    @property
    def half_extent(self) -> tuple[float, float, float]:
        """Half of its extent along its own axes."""
        return self.radius + self.tube, self.radius + self.tube, self.tube

    def intersect(self, origin: Vectors, direction: Vectors) -> NDArray[np.float32]:
        """Return where each ray enters the shape, by sphere tracing; see `Shape.intersect`."""
        near, far = _slab(origin[2], direction[2], self.tube)
        length = np.sqrt(_dot(direction, direction))
        count = np.broadcast_shapes(near.shape, length.shape, origin[0].shape)
        hit = np.full(count, MISS)
        # Only rays that hit the cylinder around the ring are traced.
        hull = Frustum(self.radius + self.tube, self.radius + self.tube, 2 * self.tube, 1.0)
        start = hull.intersect(origin, direction)
        rays = np.flatnonzero(np.isfinite(start))
        if rays.size == 0:
            return hit
        origin, direction = (np.broadcast_to(v, (3, *count))[:, rays] for v in (origin, direction))
        length, far = (np.broadcast_to(v, count)[rays] for v in (length, far))
        distance = start[rays]
        for _ in range(_TRACING_STEPS):
            distance = distance + self._gap(origin + distance * direction) / length
        close = self._gap(origin + distance * direction) < np.float32(0.02 * self.tube)
        close &= distance <= far + np.float32(1e-3)
        hit[rays[close]] = distance[close]
        return hit

    def normal(self, points: Vectors) -> Vectors:
        """Return outward unit vectors; see `Shape.normal`."""
        rho = _length(points[0], points[1]) + np.float32(1e-9)
        out = 1 - np.float32(self.radius) / rho
        return _unit(np.stack([points[0] * out, points[1] * out, points[2]]))

    def _gap(self, points: Vectors) -> Any:
        """Return the distance of points to the surface; negative inside."""
        aside = _length(points[0], points[1]) - np.float32(self.radius)
        return _length(aside, points[2]) - np.float32(self.tube)


_TRACING_STEPS = 14
"""Steps along a ray to a ring, each as long as the gap; too few only for rays that graze it."""


def _slab(
    origin: NDArray[np.float32], direction: NDArray[np.float32], limit: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where rays enter and leave the layer from -limit to limit."""
    with np.errstate(divide='ignore', invalid='ignore'):
        one, other = (-limit - origin) / direction, (limit - origin) / direction
    return np.minimum(one, other), np.maximum(one, other)


def _hits(entry: NDArray[np.float32], leave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the entries that are ahead and before the exit; `MISS` for the other rays."""
    with np.errstate(invalid='ignore'):
        hits = (entry < leave) & (entry > 0)
    return np.where(hits, entry, MISS).astype(np.float32, copy=False)


def _dot(a: Vectors, b: Vectors) -> Any:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _length(x: NDArray[np.float32], y: NDArray[np.float32]) -> Any:
    # Faster than np.hypot, which also avoids overflow.
    return np.sqrt(x * x + y * y)


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / (np.sqrt(_dot(vectors, vectors)) + np.float32(1e-12))
    return unit
