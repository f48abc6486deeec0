// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** One control for each kind of parameter. A control shows the value of the node, and asks for others. */

import { element, setText, show } from './dom.js'
import { hasWord, setWord } from './words.js'

/** Ends of the sliders of parameters whose limits are too wide for one. */
const SLIDER_ENDS = {
  max_age: 2, max_detections: 300, min_size: 200, track_timeout: 10, weight: 10, annotated_rate: 60,
  annotated_width: 1920, hypotheses: 5, tiles_budget: 1000,
}

/** Positions of a slider, about. */
const POSITIONS = 100

let gestures = 0

/**
 * Create the control of a parameter.
 *
 * @param parameter as in the protocol; the common one of all cameras.
 * @param {function} set called with a new value and the gesture that it belongs to.
 * @param {function} unset called to use the common value again.
 */
export function createKnob(parameter, set, unset) {
  const Control = CONTROLS[parameter.kind === 'text' && parameter.choices.length ? 'choice' : parameter.kind]
  return new Knob(parameter, new Control(parameter, set), unset)
}

/** A control with its name, its help, the reason of a refusal, and a way back to the common value. */
class Knob {
  #control
  #refusal = element('p', { class: 'refusal', role: 'status', hidden: true })
  #hint = element('p', { class: 'hint', hidden: true })
  #reset

  constructor(parameter, control, unset) {
    this.#control = control
    const { name } = parameter
    this.#reset = element('button', { type: 'button', class: 'reset', hidden: true, onclick: unset })
    setWord(this.#reset, 'use_common')
    const help = element('p', { class: 'help', id: `help-${name}`, hidden: true }, parameter.description)
    const key = element('button', {
      type: 'button', class: 'key', id: `key-${name}`, 'aria-expanded': 'false', 'aria-controls': help.id,
      onclick: () => { key.setAttribute('aria-expanded', help.hidden); help.hidden = !help.hidden } }, name)
    const title = element('span', { class: 'name', id: `name-${name}` })
    const hasName = hasWord(`parameter_${name}`)
    if (hasName) setWord(title, `parameter_${name}`)
    for (const input of control.inputs) {
      input.setAttribute('aria-labelledby', hasName ? title.id : key.id)
    }
    this.element = element(
      'div', { class: `knob ${parameter.kind}`, 'data-parameter': name },
      element('div', { class: 'title' }, ...(hasName ? [title, this.#reset, key] : [key, title, this.#reset])),
      control.element, this.#hint, this.#refusal, help)
  }

  /**
   * Show the value of the node.
   *
   * @param value the value in use.
   * @param {object} state `isOwn`: whether the camera has a value of its own; `enabled`; `hint`.
   */
  update(value, { isOwn, enabled, hint }) {
    this.#control.show(value)
    for (const input of this.#control.inputs) input.disabled = !enabled
    setText(this.#hint, hint)
    show(this.#hint, hint !== '')
    show(this.#reset, isOwn && enabled)
    this.element.classList.toggle('own', isOwn)
  }

  /** Show why the node refuses a value; '' after a change that it accepts. */
  refuse(reason) {
    if (reason) this.#control.release()
    setText(this.#refusal, reason)
    show(this.#refusal, reason !== '')
    this.element.classList.toggle('refused', reason !== '')
  }
}

/** A slider with a field for exact numbers, which also takes those beyond the end of the slider. */
class NumberControl {
  #slider
  #field
  #isHeld = false
  #gesture = ''
  #isWhole
  #minimum

  constructor(parameter, set) {
    const { name, minimum, maximum, kind } = parameter
    const end = Math.min(SLIDER_ENDS[name] ?? maximum ?? 1, maximum ?? Infinity)
    this.#minimum = minimum ?? 0
    this.#isWhole = kind === 'int'
    const step = this.#isWhole ? parameter.step || 1 : roundStep(end / POSITIONS)
    // A minimum such as 0.01 would shift all positions by it.
    this.#slider = element('input', {
      type: 'range', min: this.#minimum < step ? 0 : this.#minimum, max: end, step,
      oninput: () => this.#drag(set), onchange: () => this.#release(set) })
    this.#field = element('input', {
      type: 'text', inputmode: 'decimal', autocomplete: 'off', onchange: () => this.#type(set),
      oninput: () => { this.#isHeld = true }, onblur: () => { this.#isHeld = false } })
    this.inputs = [this.#slider, this.#field]
    this.element = element('div', { class: 'number' }, this.#slider, this.#field)
  }

  show(value) {
    if (this.#isHeld) return
    this.#slider.value = value
    this.#field.value = this.#text(value)
  }

  release() {
    this.#isHeld = false
  }

  #drag(set) {
    if (!this.#isHeld) this.#gesture = `gesture ${++gestures}`
    this.#isHeld = true
    const value = this.#position()
    this.#field.value = this.#text(value)
    set(value, this.#gesture)
  }

  #release(set) {
    this.#isHeld = false
    set(this.#position(), this.#gesture)
  }

  #position() {
    return Math.max(this.#minimum, +(+this.#slider.value).toFixed(4))
  }

  /** What is no number goes to the node as text, so that its reason is shown. */
  #type(set) {
    this.#isHeld = false
    const text = this.#field.value.trim().replace(',', '.')
    set(text === '' || Number.isNaN(+text) ? text : +text)
  }

  #text(value) {
    return typeof value === 'number' ? String(+value.toFixed(this.#isWhole ? 0 : 4)) : ''
  }
}

/** Return 1, 2 or 5 times a power of ten, at least `step`. */
function roundStep(step) {
  const power = 10 ** Math.floor(Math.log10(step))
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= 0.999 * step)
}

class SwitchControl {
  constructor(parameter, set) {
    const input = element('input', {
      type: 'checkbox', role: 'switch', onchange: () => set(input.checked) })
    this.inputs = [input]
    this.element = element('label', { class: 'switch' }, input, element('span', { 'aria-hidden': 'true' }))
  }

  show(value) {
    this.inputs[0].checked = value === true
  }

  release() {}
}

class ChoiceControl {
  constructor(parameter, set) {
    const select = element('select', { onchange: () => set(select.value) },
                           ...parameter.choices.map((choice) => element('option', {}, choice)))
    this.inputs = [select]
    this.element = select
  }

  show(value) {
    this.inputs[0].value = value
  }

  release() {}
}

/** A text, or a list with one entry in each line. */
class TextControl {
  #isHeld = false
  #isList

  constructor(parameter, set) {
    this.#isList = parameter.kind === 'list'
    const field = element(this.#isList ? 'textarea' : 'input', {
      rows: this.#isList ? 2 : null, spellcheck: 'false', oninput: () => { this.#isHeld = true },
      onblur: () => { this.#isHeld = false },
      onchange: () => { this.#isHeld = false; set(this.#read(field.value)) } })
    this.inputs = [field]
    this.element = field
  }

  show(value) {
    if (!this.#isHeld) this.inputs[0].value = this.#isList ? value.join('\n') : value
  }

  release() {
    this.#isHeld = false
  }

  #read(text) {
    if (!this.#isList) return text
    const entries = text.split('\n').map((line) => line.trim()).filter(Boolean)
    return entries.length ? entries : ['']
  }
}

const CONTROLS = {
  int: NumberControl, float: NumberControl, bool: SwitchControl, choice: ChoiceControl,
  text: TextControl, list: TextControl,
}
