// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/**
 * Zones on a picture: shown always, and edited with pointer or keyboard.
 *
 * Each finished change is reported at once. A corner is moved with the arrow keys, a corner or a
 * zone is removed with Delete, a new zone is closed at its first corner or with Enter.
 */

import { svgElement } from './dom.js'
import { KINDS, clampPoint, movePolygon } from './zones.js'
import { setLabel, word } from './words.js'

/** Step of an arrow key, and with Shift, as a fraction of the image. */
const STEP = { fine: 0.01, coarse: 0.05 }

/** CSS pixels within which a click on the first corner closes a new zone. */
const CLOSE_DISTANCE = 16

/** CSS pixels within which a point snaps to the edge of the picture. */
const EDGE_DISTANCE = 8

/** A zone that is made with the keyboard: the middle of the image. */
const MIDDLE = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]

export class ZoneEditor {
  #svg
  #zones = { include_zones: [], exclude_zones: [] }
  #changed
  #editing = false
  #drawing = null
  #drag = null
  #selected = null

  /** @param {function} changed called with the kind and the polygons of a finished change. */
  constructor(changed) {
    this.#changed = changed
    this.#svg = svgElement('svg', {
      class: 'zone_layer', onpointerdown: (event) => this.#press(event),
      onpointermove: (event) => this.#move(event), onpointerup: () => this.#drop(),
      onpointercancel: () => this.#drop(), onkeydown: (event) => this.#key(event),
      onfocusin: (event) => this.#select(event.target) })
    new ResizeObserver(() => this.#draw()).observe(this.#svg)
  }

  get element() {
    return this.#svg
  }

  get isEditing() {
    return this.#editing
  }

  /** Show the polygons of both kinds; ignored while the user drags one. */
  update(zones) {
    if (this.#drag || JSON.stringify(zones) === JSON.stringify(this.#zones)) return
    this.#zones = zones
    this.#draw()
  }

  /** Start or end editing. */
  edit(editing) {
    this.#editing = editing
    this.#drawing = this.#drag = this.#selected = null
    this.#draw()
  }

  /** Begin a new zone: corner by corner with the pointer, in the middle with the keyboard. */
  begin(kind, byKeyboard) {
    if (byKeyboard) {
      this.#drawing = null
      this.#commit(kind, [...this.#zones[kind], MIDDLE])
      this.#select({ dataset: { kind, zone: this.#zones[kind].length - 1, corner: 0 } })
      this.#draw()
    } else {
      this.#drawing = { kind, points: [], cursor: null }
      this.#draw()
    }
  }

  /** Leave a new zone that is not closed; return whether there was one. */
  cancel() {
    const wasDrawing = this.#drawing !== null
    this.#drawing = null
    this.#draw()
    return wasDrawing
  }

  /** Remove the zone that was last selected. */
  remove() {
    if (!this.#selected) return
    const { kind, zone } = this.#selected
    this.#selected = null
    this.#commit(kind, this.#zones[kind].filter((_, index) => index !== zone))
  }

  #commit(kind, polygons) {
    this.#zones = { ...this.#zones, [kind]: polygons }
    this.#draw()
    this.#changed(kind, polygons)
  }

  #press(event) {
    if (!this.#editing) return
    const point = this.#point(event)
    if (this.#drawing) {
      this.#addCorner(point)
      return
    }
    const { kind, zone, corner, edge } = event.target.dataset
    if (!kind) return
    this.#select(event.target)
    const polygon = [...this.#zones[kind][+zone]]
    if (edge !== undefined) polygon.splice(+edge + 1, 0, point)
    const moved = edge !== undefined ? +edge + 1 : corner !== undefined ? +corner : null
    this.#drag = { kind, zone: +zone, corner: moved, start: point, polygon, isChanged: edge !== undefined }
    this.#svg.setPointerCapture(event.pointerId)
  }

  #move(event) {
    if (this.#drawing) {
      this.#drawing.cursor = this.#point(event)
      this.#draw()
    }
    if (!this.#drag) return
    const { kind, zone, corner, start, polygon } = this.#drag
    const point = this.#point(event)
    this.#drag.isChanged ||= point.some((value, axis) => value !== start[axis])
    const moved = corner === null
      ? movePolygon(polygon, [point[0] - start[0], point[1] - start[1]])
      : polygon.map((old, index) => index === corner ? point : old)
    this.#zones = { ...this.#zones, [kind]: replaced(this.#zones[kind], zone, moved) }
    this.#draw()
  }

  #drop() {
    const drag = this.#drag
    this.#drag = null
    if (drag?.isChanged) this.#commit(drag.kind, this.#zones[drag.kind])
  }

  #addCorner(point) {
    const { kind, points } = this.#drawing
    const closes = points.length >= 3 && this.#distance(point, points[0]) < CLOSE_DISTANCE
    if (closes) this.#close()
    else {
      this.#drawing = { kind, points: [...points, point], cursor: point }
      this.#draw()
    }
  }

  #close() {
    const { kind, points } = this.#drawing
    if (points.length < 3) return
    this.#drawing = null
    this.#commit(kind, [...this.#zones[kind], points])
  }

  #key(event) {
    const { kind, zone, corner } = event.target.dataset
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    const isRemoval = event.key === 'Delete' || event.key === 'Backspace'
    if (kind === undefined || corner === undefined || !(arrow || isRemoval)) return
    event.preventDefault()
    const polygon = this.#zones[kind][+zone]
    if (isRemoval && polygon.length <= 3) {
      this.remove()
      return
    }
    const step = event.shiftKey ? STEP.coarse : STEP.fine
    const changed = isRemoval
      ? polygon.filter((_, index) => index !== +corner)
      : polygon.map((point, index) => index === +corner
        ? clampPoint(point.map((value, axis) => value + step * arrow[axis])) : point)
    this.#commit(kind, replaced(this.#zones[kind], +zone, changed))
  }

  /** Close the new zone with Enter, leave it with Escape; return whether the key was used. */
  handleKey(key) {
    if (!this.#drawing) return false
    if (key === 'Enter') this.#close()
    else if (key === 'Escape') this.cancel()
    else return false
    return true
  }

  #select({ dataset }) {
    if (!dataset?.kind) return
    this.#selected = { kind: dataset.kind, zone: +dataset.zone }
    for (const polygon of this.#svg.querySelectorAll('polygon')) {
      polygon.classList.toggle('selected', this.#isSelected(polygon.dataset.kind, +polygon.dataset.zone))
    }
  }

  #isSelected(kind, zone) {
    return this.#editing && this.#selected?.kind === kind && this.#selected?.zone === zone
  }

  #point(event) {
    const { left, top, width, height } = this.#svg.getBoundingClientRect()
    return clampPoint([snap(event.clientX - left, width), snap(event.clientY - top, height)])
  }

  #distance(one, other) {
    const { width, height } = this.#svg.getBoundingClientRect()
    return Math.hypot((one[0] - other[0]) * width, (one[1] - other[1]) * height)
  }

  #draw() {
    const focused = this.#focusedKey()
    const { width, height } = this.#svg.getBoundingClientRect()
    const toPixels = ([x, y]) => [x * width, y * height]
    const shapes = KINDS.flatMap((kind) => this.#zones[kind].flatMap(
      (polygon, zone) => this.#shapes(kind, zone, polygon.map(toPixels), polygon)))
    this.#svg.classList.toggle('editing', this.#editing)
    this.#svg.classList.toggle('drawing', this.#drawing !== null)
    this.#svg.replaceChildren(...shapes, ...this.#newShapes(toPixels))
    if (focused) this.#svg.querySelector(focused)?.focus()
  }

  /** Return a selector of the focused corner, as drawing replaces the elements. */
  #focusedKey() {
    const focused = document.activeElement
    if (!this.#svg.contains(focused) || focused.dataset.corner === undefined) return ''
    const { kind, zone, corner } = focused.dataset
    return `circle[data-kind="${kind}"][data-zone="${zone}"][data-corner="${corner}"]`
  }

  #shapes(kind, zone, pixels, polygon) {
    const selected = this.#isSelected(kind, zone) ? ' selected' : ''
    const data = { 'data-kind': kind, 'data-zone': zone }
    const outline = svgElement('polygon', {
      class: `${kind}${selected}`, points: pixels.join(' '), ...data })
    if (!this.#editing || this.#drawing) return [outline]
    const edges = pixels.map(([x, y], index) => {
      const [nextX, nextY] = pixels[(index + 1) % pixels.length]
      return svgElement('circle', {
        class: 'edge', cx: (x + nextX) / 2, cy: (y + nextY) / 2, r: 4, ...data, 'data-edge': index })
    })
    const corners = pixels.map(([x, y], index) => {
      const corner = svgElement('circle', {
        class: 'corner', cx: x, cy: y, r: 7, ...data, 'data-corner': index, tabindex: 0, role: 'button' })
      const [left, top] = polygon[index].map((value) => Math.round(100 * value))
      setLabel(corner, 'corner', { kind: word(kind), zone: zone + 1, corner: index + 1, left, top })
      return corner
    })
    return [outline, ...edges, ...corners]
  }

  #newShapes(toPixels) {
    if (!this.#drawing) return []
    const { kind, points, cursor } = this.#drawing
    const pixels = [...points, ...(cursor ? [cursor] : [])].map(toPixels)
    return [
      svgElement('polyline', { class: `new ${kind}`, points: pixels.join(' ') }),
      ...points.map(toPixels).map(([x, y]) => svgElement('circle', { class: 'corner', cx: x, cy: y, r: 6 }))]
  }
}

/** Return a position as a fraction; near an end, exactly the end. */
function snap(position, size) {
  if (position < EDGE_DISTANCE) return 0
  return position > size - EDGE_DISTANCE ? 1 : position / size
}

function replaced(items, index, item) {
  return items.map((old, position) => position === index ? item : old)
}
