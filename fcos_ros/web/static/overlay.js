// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** Draws detections on a canvas: boxes, labels and the paths of tracks. */

/** Sizes in CSS pixels. */
const LINE = 2
const FONT = 13
const PADDING = 4

/** Width of a canvas below which the text gets smaller, and below which there is none. */
const WIDE = 400
const NARROW = 200

/** Positions of a track that are kept, and seconds after which they are forgotten. */
const PATH_LENGTH = 40
const PATH_TIME = 3

/**
 * Return the colour of a class, the same as in the annotated image: `class_colour` in
 * fcos_ros/core/annotate.py.
 *
 * @returns {number[]} red, green and blue, 0 to 255.
 */
export function classColour(classId) {
  const hue = 6 * ((classId * 0.6180339887498949) % 1)
  const channel = (offset) => {
    const position = (offset + hue) % 6
    return Math.round(255 * (1 - 0.8 * Math.max(0, Math.min(position, 4 - position, 1))))
  }
  return [channel(5), channel(3), channel(1)]
}

/** The last positions of each track of a camera, in pixels of its image. */
export class Paths {
  #tracks = new Map()

  /** Add the detections of an image; `time` is its stamp in seconds. */
  add(detections, time) {
    for (const [track, path] of this.#tracks) {
      if (!(Math.abs(time - path.time) < PATH_TIME)) this.#tracks.delete(track)
    }
    for (const detection of detections.filter((one) => one.track)) {
      const [left, top, right, bottom] = detection.box
      const path = this.#tracks.get(detection.track) || { points: [] }
      path.time = time
      path.points = [...path.points.slice(1 - PATH_LENGTH), [(left + right) / 2, (top + bottom) / 2]]
      this.#tracks.set(detection.track, path)
    }
  }

  /** Return the positions of a track, the oldest first. */
  of(track) {
    return this.#tracks.get(track)?.points || []
  }
}

/**
 * Draw detections, the best one on top.
 *
 * @param context 2D context of a canvas that is cleared.
 * @param detections as in the protocol; boxes in pixels of the image.
 * @param {Paths} paths the positions of the tracks.
 * @param {number} scale pixels of the canvas for each pixel of the image.
 * @param {number} ratio pixels of the canvas for each CSS pixel.
 */
export function drawDetections(context, detections, paths, scale, ratio) {
  const sorted = [...detections].sort((one, other) => one.score - other.score)
  context.lineJoin = 'round'
  for (const detection of sorted) drawPath(context, detection, paths, scale, ratio)
  for (const detection of sorted) drawBox(context, detection, scale, ratio)
  const width = context.canvas.width / ratio
  if (width < NARROW) return
  const taken = []
  const size = ratio * Math.min(1, width / WIDE)
  for (const detection of sorted.reverse()) drawTag(context, detection, taken, scale, size)
}

function drawBox(context, { box, ...detection }, scale, ratio) {
  const [left, top, right, bottom] = box.map((value) => value * scale)
  for (const [colour, width] of [['rgb(0 0 0 / 45%)', LINE + 2], [cssColour(detection), LINE]]) {
    context.strokeStyle = colour
    context.lineWidth = width * ratio
    context.strokeRect(left, top, right - left, bottom - top)
  }
}

function drawPath(context, detection, paths, scale, ratio) {
  const points = paths.of(detection.track)
  context.strokeStyle = cssColour(detection)
  context.lineWidth = LINE * ratio
  for (let index = 1; index < points.length; index++) {
    context.globalAlpha = index / points.length
    context.beginPath()
    context.moveTo(points[index - 1][0] * scale, points[index - 1][1] * scale)
    context.lineTo(points[index][0] * scale, points[index][1] * scale)
    context.stroke()
  }
  context.globalAlpha = 1
}

/** Draw the text of a detection where no better one has its own; `ratio` scales the text. */
function drawTag(context, detection, taken, scale, ratio) {
  const lines = caption(detection)
  const line = (FONT + PADDING) * ratio
  context.font = `600 ${FONT * ratio}px system-ui, sans-serif`
  const width = Math.max(...lines.map((text) => context.measureText(text).width)) + 2 * PADDING * ratio
  const size = { width, height: line * lines.length + PADDING * ratio / 2 }
  const place = findPlace(detection.box.map((value) => value * scale), size, taken, context.canvas)
  taken.push(place)
  context.fillStyle = cssColour(detection)
  context.fillRect(place.x, place.y, place.width, place.height)
  context.fillStyle = textColour(detection)
  context.textBaseline = 'middle'
  lines.forEach((text, index) => context.fillText(
    text, place.x + PADDING * ratio, place.y + line * (index + 0.5) + PADDING * ratio / 4))
}

/** Return a rectangle at a box: above, below or inside, and inside the canvas. */
function findPlace([left, top, right, bottom], { width, height }, taken, canvas) {
  const x = Math.max(0, Math.min(left, canvas.width - width))
  const places = [top - height, bottom, top, bottom - height]
    .filter((y) => y >= 0 && y + height <= canvas.height)
    .map((y) => ({ x, y, width, height }))
  const free = places.find((place) => !taken.some((other) => overlap(place, other)))
  return free || places[0] || { x, y: Math.max(0, top), width, height }
}

function overlap(one, other) {
  return one.x < other.x + other.width && other.x < one.x + one.width &&
    one.y < other.y + other.height && other.y < one.y + one.height
}

function caption({ label, score, track, others = [] }) {
  const lines = [{ label, score }, ...others].map((one) => `${one.label} ${one.score.toFixed(2)}`)
  if (track) lines[0] += ` #${track}`
  return lines
}

function colourOf({ class_id: classId, label }) {
  // Without a number, the same name has at least always the same colour.
  return classColour(classId ?? [...label].reduce((sum, letter) => sum + letter.codePointAt(0), 0))
}

function cssColour(detection) {
  return `rgb(${colourOf(detection).join(' ')})`
}

function textColour(detection) {
  const [red, green, blue] = colourOf(detection)
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128 ? '#000' : '#fff'
}
