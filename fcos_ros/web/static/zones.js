// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** Zones as values: polygons of points [x, y] in fractions of the image, and their texts. */

export const KINDS = ['include_zones', 'exclude_zones']

/** Return the polygons of a parameter's value; entries that are no polygons are left out. */
export function parseZones(value) {
  return (value || []).map(parsePolygon).filter((polygon) => polygon.length >= 3)
}

/** Return the value of a parameter with these polygons; [''] is the empty list of ROS 2. */
export function formatZones(polygons) {
  return polygons.length ? polygons.map(formatPolygon) : ['']
}

/** Return a point inside the image, in steps of 0.001. */
export function clampPoint(point) {
  return point.map((value) => Math.round(1000 * Math.max(0, Math.min(1, value))) / 1000)
}

/** Return a polygon moved by [x, y], as far as it stays inside the image. */
export function movePolygon(polygon, offset) {
  const [x, y] = [0, 1].map((axis) => {
    const values = polygon.map((point) => point[axis])
    return Math.max(-Math.min(...values), Math.min(1 - Math.max(...values), offset[axis]))
  })
  return polygon.map((point) => clampPoint([point[0] + x, point[1] + y]))
}

function parsePolygon(text) {
  const points = String(text).split(',').map((pair) => pair.trim().split(/\s+/).map(Number))
  return points.every((point) => point.length === 2 && point.every(Number.isFinite)) ? points : []
}

function formatPolygon(polygon) {
  return polygon.map((point) => point.map((value) => String(+value.toFixed(3))).join(' ')).join(', ')
}
