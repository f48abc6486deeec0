// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** One camera: its picture with detections and zones, its figures and its buttons. */

import { element, setText, show } from './dom.js'
import { digits, milliseconds } from './format.js'
import { Paths, drawDetections } from './overlay.js'
import { setLabel, setWord } from './words.js'
import { ZoneEditor } from './zone_editor.js'
import { KINDS, formatZones, parseZones } from './zones.js'

/** Milliseconds over which the rate of the shown pictures is measured. */
const RATE_TIME = 2000

export class CameraView {
  #name
  #actions
  #last = null
  #paths = new Paths()
  #turn = Promise.resolve()
  #times = []
  #parts = {}

  /**
   * @param {string} name of the camera; '' for the only one.
   * @param {object} actions functions: `shown(picture)` after a picture was drawn, `enlarge()`,
   *     `fill(view)`, and `set(values)` with changed zones.
   */
  constructor(name, actions) {
    this.#name = name
    this.#actions = actions
    this.editor = new ZoneEditor((kind, polygons) => actions.set({ [kind]: formatZones(polygons) }))
    this.element = this.#build()
    new ResizeObserver(() => this.#drawOverlay()).observe(this.#parts.overlay)
  }

  get name() {
    return this.#name
  }

  /** Draw a picture with the detections of exactly this image, after those before it. */
  show(picture) {
    this.#turn = this.#turn.then(() => this.#draw(picture)).catch(() => {}).then(
      () => this.#actions.shown(picture))
  }

  /** Show why there are no pictures or no boxes, and whether the last picture is an old one. */
  update({ note, isOld, canEdit, zones, hasOthers }) {
    const { noteText, zonesButton, enlargeButton } = this.#parts
    setText(noteText, note)
    show(noteText, note !== '')
    this.element.classList.toggle('old', isOld)
    show(zonesButton, canEdit)
    show(enlargeButton, hasOthers)
    if (!canEdit && this.editor.isEditing) this.edit(false)
    this.editor.update(Object.fromEntries(KINDS.map((kind) => [kind, parseZones(zones[kind])])))
  }

  /** Show whether this is the large one among several cameras. */
  enlarge(isLarge) {
    this.element.classList.toggle('large', isLarge)
    this.#parts.enlargeButton.setAttribute('aria-pressed', isLarge)
  }

  /** Start or end the editing of the zones. */
  edit(editing) {
    this.editor.edit(editing)
    show(this.#parts.tools, editing)
    this.#parts.zonesButton.setAttribute('aria-pressed', editing)
  }

  /** Show that the rate is zero when no picture has come for a while. */
  tick() {
    this.#showReading()
  }

  #build() {
    const parts = this.#parts = {
      picture: element('canvas', { class: 'picture', width: 640, height: 480, role: 'img' }),
      overlay: element('canvas', { class: 'overlay', 'aria-hidden': 'true' }),
      noteText: element('p', { class: 'note', hidden: true }),
      reading: element('span', { class: 'reading' }),
      zonesButton: button('zones', () => this.edit(!this.editor.isEditing), 'false'),
      enlargeButton: button('enlarge', this.#actions.enlarge, 'false'),
      tools: this.#buildTools(),
    }
    setLabel(parts.picture, 'picture', { camera: this.#name })
    parts.stage = element('div', { class: 'stage' },
                          parts.picture, this.editor.element, parts.overlay, parts.noteText)
    return element(
      'article', { class: 'camera', 'data-camera': this.#name }, parts.stage,
      element('div', { class: 'caption' }, element('h2', {}, this.#name ? `${this.#name} ` : '', parts.reading),
              parts.zonesButton, parts.enlargeButton,
              button('full_screen', () => this.#actions.fill(this))),
      parts.tools)
  }

  #buildTools() {
    const begin = (kind) => (event) => this.editor.begin(kind, event.detail === 0)
    const hint = element('p', { class: 'hint' })
    setWord(hint, 'zones_hint')
    return element(
      'div', { class: 'tools', hidden: true },
      button('add_include_zone', begin('include_zones')),
      button('add_exclude_zone', begin('exclude_zones')),
      button('remove_zone', () => this.editor.remove()),
      button('done', () => this.edit(false)), hint)
  }

  async #draw(picture) {
    const bitmap = await createImageBitmap(picture.jpeg)
    const { picture: canvas, stage } = this.#parts
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width
      canvas.height = bitmap.height
      stage.style.setProperty('--shape', bitmap.width / bitmap.height)
    }
    canvas.getContext('2d').drawImage(bitmap, 0, 0)
    bitmap.close()
    this.#last = picture
    this.#paths.add(picture.detections || [], picture.stamp.sec + picture.stamp.nanosec / 1e9)
    this.#drawOverlay()
    this.#times.push(performance.now())
    this.#showReading()
    // The picture and the boxes that are shown belong to this image.
    this.element.dataset.stamp = `${picture.stamp.sec}.${String(picture.stamp.nanosec).padStart(9, '0')}`
  }

  #drawOverlay() {
    const { overlay } = this.#parts
    const ratio = window.devicePixelRatio || 1
    const width = Math.round(overlay.clientWidth * ratio)
    const height = Math.round(overlay.clientHeight * ratio)
    if (overlay.width !== width) overlay.width = width
    if (overlay.height !== height) overlay.height = height
    const context = overlay.getContext('2d')
    context.clearRect(0, 0, width, height)
    if (this.#last?.detections) {
      drawDetections(context, this.#last.detections, this.#paths, width / this.#last.width, ratio)
    }
  }

  #showReading() {
    const now = performance.now()
    this.#times = this.#times.filter((time) => now - time < RATE_TIME)
    const last = this.#last
    const values = last ? [
      `${digits(this.#times.length / (RATE_TIME / 1000))} Hz`, `${last.width}×${last.height}`,
      ...(last.age === null ? [] : [`${milliseconds(last.age)} ms`])] : []
    setText(this.#parts.reading, values.join('  ·  '))
    this.#parts.reading.title = last ? last.frame_id : ''
  }
}

function button(key, action, pressed) {
  const made = element('button', { type: 'button', class: key, 'aria-pressed': pressed, onclick: action })
  setWord(made, key)
  return made
}
