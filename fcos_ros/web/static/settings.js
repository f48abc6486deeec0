// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** The panel of the parameters that may change while the node runs, for all cameras or for one. */

import { CLASS_PARAMETERS, ClassKnob } from './class_knob.js'
import { element, show } from './dom.js'
import { createKnob } from './knobs.js'
import { ownName } from './parameters.js'
import { setLabel, setWord, word } from './words.js'
import { KINDS, parseZones } from './zones.js'

/** The groups of the panel; every other parameter is in the last one, which is closed. */
const GROUPS = {
  thresholds: ['score_threshold', 'nms_threshold', 'max_detections', 'min_size'],
  tracking: ['track', 'track_timeout', 'track_threshold'],
  zones: ['zone_anchor'],
  latency: ['max_age'],
}

export class Settings {
  #parameters
  #actions
  #knobs = new Map()
  #scope = ''
  #shape = ''
  #view = { cameras: [], labels: [], threshold: undefined, enabled: false }

  /**
   * @param target the element to fill.
   * @param {Parameters} parameters the values and their changes.
   * @param {object} actions `editZones(camera)`: edit them on the picture.
   */
  constructor(target, parameters, actions) {
    this.#parameters = parameters
    this.#actions = actions
    this.scope = element('select', { onchange: () => this.#choose(this.scope.value) })
    setLabel(this.scope, 'scope')
    this.body = element('div', { class: 'groups' })
    target.append(this.scope, this.body)
    parameters.addEventListener('change', () => this.#update())
    parameters.addEventListener('refused', (event) => this.#refuse(event.detail))
  }

  /** Show the panel for these cameras, classes and rights. */
  update(view) {
    this.#view = view
    if (!view.cameras.some((camera) => camera === this.#scope)) this.#scope = ''
    this.#update()
  }

  /** Make all texts again, after a change of the language. */
  translate() {
    this.#shape = ''
    this.#update()
  }

  #choose(camera) {
    this.#scope = camera
    this.#update()
  }

  #update() {
    const shown = this.#parameters.all.filter((parameter) => this.#isShown(parameter))
    const shape = JSON.stringify([shown.map(({ name }) => name), this.#view.cameras, this.#view.labels, this.#scope])
    if (shape !== this.#shape) {
      this.#shape = shape
      this.#build(shown)
    }
    for (const [name, knob] of this.#knobs) {
      const value = this.#value(name)
      knob.update(value, {
        isOwn: this.#isOwn(name), enabled: this.#view.enabled, hint: this.#hint(name, value) })
    }
  }

  #isShown({ name, live, read_only: isReadOnly, camera }) {
    return live && !isReadOnly && !name.includes('.') && (camera || !this.#scope)
  }

  #build(shown) {
    const names = this.#view.cameras.filter(Boolean)
    show(this.scope, names.length > 0)
    this.scope.replaceChildren(...['', ...names].map(
      (name) => element('option', { value: name }, name || word('all_cameras'))))
    this.scope.value = this.#scope
    this.#knobs.clear()
    const byName = new Map(shown.map((parameter) => [parameter.name, parameter]))
    const grouped = Object.entries(GROUPS).map(([key, members]) => [key, members.filter((name) => byName.has(name))])
    const special = [...CLASS_PARAMETERS, ...KINDS]
    const rest = [...byName.keys()].filter(
      (name) => !special.includes(name) && !Object.values(GROUPS).flat().includes(name))
    const [thresholds, ...others] = grouped.map(([key, members]) => this.#group(key, members, byName))
    this.body.replaceChildren(...shown.length
      ? [thresholds, ...(byName.has('classes') ? [this.#classes()] : []), ...others, this.#more(rest, byName)]
      : [])
  }

  #group(key, members, byName) {
    const group = element('section', { class: `group ${key}` }, title(`group_${key}`),
                          ...members.map((name) => this.#knob(byName.get(name))))
    if (key === 'zones') group.append(this.#zones())
    return group
  }

  #knob(parameter) {
    const { name } = parameter
    const knob = createKnob(parameter, (value, gesture) => this.#set({ [name]: value }, gesture),
                            () => this.#set({ [name]: null }))
    this.#knobs.set(name, knob)
    return knob.element
  }

  #classes() {
    const unset = () => this.#set(Object.fromEntries(CLASS_PARAMETERS.map((name) => [name, null])))
    const knob = new ClassKnob(this.#view.labels, (values) => this.#set(values), unset)
    this.#knobs.set('classes', knob)
    return element('section', { class: 'group' }, title('group_classes'), knob.element)
  }

  /** The zones are drawn on the picture; here they are counted and cleared. */
  #zones() {
    const knob = new ZonesKnob(() => this.#actions.editZones(this.#scope), (kind) => this.#set({ [kind]: [''] }))
    this.#knobs.set('include_zones', knob)
    return knob.element
  }

  #more(names, byName) {
    const heading = element('summary', {})
    setWord(heading, 'group_more')
    return element('details', { class: 'group' }, heading, ...names.map((name) => this.#knob(byName.get(name))))
  }

  #set(values, gesture) {
    for (const name of Object.keys(values)) this.#knobs.get(knobOf(name))?.refuse('')
    this.#parameters.set(Object.fromEntries(Object.entries(values).map(
      ([name, value]) => [ownName(this.#scope, name), value])), gesture)
  }

  #value(name) {
    const value = (one) => this.#parameters.valueFor(this.#scope, one)
    const members = MEMBERS[name]
    return members ? Object.fromEntries(members.map((member) => [member, value(member)])) : value(name)
  }

  /** Return which threshold is in use when a parameter leaves it to the model. */
  #hint(name, value) {
    const isOfModel = ['score_threshold', 'nms_threshold'].includes(name) && value === 0
    if (!isOfModel) return ''
    const threshold = name === 'score_threshold' ? this.#view.threshold : undefined
    return threshold === undefined ? word('of_model') : word('of_model_value', { value: threshold.toFixed(2) })
  }

  #isOwn(name) {
    return this.#scope !== '' && (MEMBERS[name] || [name]).some(
      (member) => (this.#parameters.get(ownName(this.#scope, member))?.value ?? null) !== null)
  }

  #refuse({ names, reason, lost }) {
    for (const name of names) {
      const knob = this.#knobs.get(knobOf(name.split('.').pop()))
      knob?.refuse(lost ? word('lost') : reason)
    }
  }
}

/** Knobs of several parameters. */
const MEMBERS = { classes: CLASS_PARAMETERS, include_zones: KINDS }

function knobOf(name) {
  return Object.keys(MEMBERS).find((knob) => MEMBERS[knob].includes(name)) || name
}

class ZonesKnob {
  #refusal = element('p', { class: 'refusal', role: 'status', hidden: true })
  #rows

  constructor(edit, clear) {
    this.#rows = KINDS.map((kind) => {
      const number = element('span', { class: 'count' })
      const button = element('button', { type: 'button', onclick: () => clear(kind) })
      setWord(button, 'clear')
      const name = element('span', { class: 'name' })
      setWord(name, kind)
      return { kind, number, button, element: element('li', {}, name, number, button) }
    })
    this.edit = element('button', { type: 'button', onclick: edit })
    setWord(this.edit, 'edit_zones')
    this.element = element('div', { class: 'knob zones', 'data-parameter': 'zones' },
                           element('ul', {}, ...this.#rows.map((row) => row.element)), this.edit, this.#refusal)
  }

  update(values, { enabled }) {
    for (const { kind, number, button } of this.#rows) {
      const zones = parseZones(values[kind])
      number.textContent = zones.length
      button.disabled = !enabled || !zones.length
    }
    this.edit.disabled = !enabled
  }

  refuse(reason) {
    this.#refusal.textContent = reason
    show(this.#refusal, reason !== '')
  }
}

function title(key) {
  const made = element('h3', {})
  setWord(made, key)
  return made
}
