// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/**
 * The classes to report and their thresholds: the parameters `classes`, `exclude_classes` and
 * `class_thresholds` in one list.
 */

import { element, setText, show } from './dom.js'
import { classColour } from './overlay.js'
import { setLabel, setWord } from './words.js'

/** Classes above which the list has a field for a filter. */
const MANY = 12

export const CLASS_PARAMETERS = ['classes', 'exclude_classes', 'class_thresholds']

export class ClassKnob {
  #names
  #set
  #values = {}
  #rows
  #refusal = element('p', { class: 'refusal', role: 'status', hidden: true })
  #all
  #reset

  /**
   * @param {string[]} names of all classes of the model.
   * @param {function} set called with the changed values by name.
   * @param {function} unset called to use the common values again.
   */
  constructor(names, set, unset) {
    this.#names = names
    this.#set = set
    this.#all = element('button', { type: 'button', onclick: () => set(reportAll()) })
    setWord(this.#all, 'all_classes')
    this.#reset = element('button', { type: 'button', class: 'reset', onclick: unset })
    setWord(this.#reset, 'use_common')
    this.#rows = names.map((name, index) => this.#row(name, index))
    const filter = element('input', { type: 'search', oninput: () => this.#filter(filter.value) })
    setLabel(filter, 'filter_classes')
    show(filter, names.length > MANY)
    this.element = element(
      'div', { class: 'knob classes', 'data-parameter': 'classes' },
      element('div', { class: 'title' }, filter, this.#all, this.#reset),
      element('ul', { class: 'class_list' }, ...this.#rows.map((row) => row.element)), this.#refusal)
  }

  /** Show the values of the node: an object with the value of each of the parameters. */
  update(values, { isOwn, enabled }) {
    this.#values = values
    show(this.#reset, isOwn && enabled)
    this.#all.disabled = !enabled
    const thresholds = parseThresholds(values.class_thresholds)
    this.#rows.forEach((row, index) => {
      row.box.checked = isReported(values, this.#names, index)
      const entry = thresholds.find((one) => isClass(one.name, this.#names, index))
      if (document.activeElement !== row.field) row.field.value = entry ? entry.threshold : ''
      for (const input of [row.box, row.field, row.only]) input.disabled = !enabled
    })
  }

  /** Show why the node refuses a change; '' after one that it accepts. */
  refuse(reason) {
    setText(this.#refusal, reason)
    show(this.#refusal, reason !== '')
    this.element.classList.toggle('refused', reason !== '')
  }

  #row(name, index) {
    const box = element('input', {
      type: 'checkbox',
      onchange: () => this.#set(reportClass(this.#values, this.#names, index, box.checked)) })
    const field = element('input', {
      type: 'text', inputmode: 'decimal', autocomplete: 'off', placeholder: '–',
      onchange: () => this.#set(setThreshold(this.#values, this.#names, index, field.value.trim())) })
    const only = element('button', {
      type: 'button', class: 'only',
      onclick: () => this.#set({ classes: [entryOf(this.#names, index)], exclude_classes: [''] }) })
    setWord(only, 'only')
    setLabel(only, 'only_class', { name })
    setLabel(field, 'class_threshold', { name })
    const dot = element('i', { class: 'dot' })
    dot.style.backgroundColor = `rgb(${classColour(index).join(' ')})`
    return { box, field, only, element: element(
      'li', {}, element('label', {}, box, dot, element('span', {}, name)), only, field) }
  }

  #filter(text) {
    this.#rows.forEach((row, index) => show(
      row.element, this.#names[index].toLowerCase().includes(text.toLowerCase())))
  }
}

function reportAll() {
  return { classes: [''], exclude_classes: [''] }
}

/** Return the changed values when a class shall be reported, or not any more. */
function reportClass(values, names, index, reported) {
  const others = (entries) => used(entries).filter((entry) => !isClass(entry, names, index))
  const classes = used(values.classes)
  if (reported) {
    return { exclude_classes: listOf(others(values.exclude_classes)),
             ...(classes.length ? { classes: [...others(classes), entryOf(names, index)] } : {}) }
  }
  const left = others(classes)
  // An empty list would report all classes.
  return left.length ? { classes: left }
    : { exclude_classes: [...others(values.exclude_classes), entryOf(names, index)] }
}

function setThreshold(values, names, index, text) {
  const others = used(values.class_thresholds).filter(
    (entry) => !isClass(splitThreshold(entry).name, names, index))
  const added = text ? [`${entryOf(names, index)}: ${text.replace(',', '.')}`] : []
  return { class_thresholds: listOf([...others, ...added]) }
}

function isReported(values, names, index) {
  const isIn = (entries) => used(entries).some((entry) => isClass(entry, names, index))
  return (!used(values.classes).length || isIn(values.classes)) && !isIn(values.exclude_classes)
}

function parseThresholds(value) {
  return used(value).map(splitThreshold)
}

/** Split 'person: 0.3'; a name may contain colons. */
function splitThreshold(entry) {
  const colon = String(entry).lastIndexOf(':')
  return { name: String(entry).slice(0, colon).trim(), threshold: String(entry).slice(colon + 1).trim() }
}

/** Return whether an entry of a list is a class: its name or its index. */
function isClass(entry, names, index) {
  return names[index] === String(entry) || (!names.includes(String(entry)) && String(index) === String(entry))
}

/** Return the entry of a class: its name, or its index where the name is not unique. */
function entryOf(names, index) {
  const isUnique = names.filter((name) => name === names[index]).length === 1
  return isUnique && names[index] && !names[index].includes(':') ? names[index] : String(index)
}

function used(value) {
  return (value || []).filter((entry) => entry !== '')
}

function listOf(entries) {
  return entries.length ? entries : ['']
}
