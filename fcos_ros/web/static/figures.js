// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** The figures of the detector: problems, latencies, frames, the process and the model. */

import { element } from './dom.js'
import { MISSING, count, digits, duration, megabytes, milliseconds, withUnit } from './format.js'
import { setWord, word } from './words.js'

const PERCENTILES = ['p50', 'p95', 'p99']

/** The stages of a frame, in their order; transport is computed. */
const STAGES = ['transport', 'wait', 'preprocess', 'infer', 'decode', 'tiles', 'publish']

const FATES = ['published', 'superseded', 'expired', 'failed']

/** Earlier problems that are kept. */
const MAX_EARLIER = 8

/** The problems now, and those that were there since the page was opened. */
export class Problems {
  #earlier = new Map()

  constructor(target) {
    this.now = element('ul', { class: 'problems' })
    this.before = element('ul', { class: 'problems' })
    this.details = element('details', { hidden: true }, summary('earlier_problems'), this.before)
    target.append(this.now, this.details)
  }

  /** Show the problems of a status; `null` for no report. */
  update(problems) {
    const present = (problems || []).map(describe)
    const keys = new Set(present.map((problem) => problem.key))
    for (const problem of present) this.#earlier.set(problem.key, problem)
    const gone = [...this.#earlier.values()].filter((problem) => !keys.has(problem.key))
    for (const problem of gone.slice(0, -MAX_EARLIER)) this.#earlier.delete(problem.key)
    this.now.replaceChildren(...present.map(problemItem))
    if (!present.length) {
      const none = element('li', { class: problems ? 'ok' : 'unknown' })
      setWord(none, problems ? 'no_problems' : 'no_report')
      this.now.append(none)
    }
    this.before.replaceChildren(...gone.slice(-MAX_EARLIER).reverse().map(problemItem))
    this.details.hidden = !gone.length
  }
}

/** Split a message into what is wrong and its cure; counts do not make it another problem. */
function describe({ level, part, message }) {
  const [wrong, ...cures] = message.split('; ')
  return { level, part, wrong, cure: cures.join('; '), time: new Date(),
           key: `${part} ${wrong.replace(/[\d.]+/g, '#')}` }
}

function problemItem({ level, part, wrong, cure, time }) {
  return element(
    'li', { class: level }, element('span', { class: 'part' }, `${time.toLocaleTimeString()} ${part}`),
    element('span', { class: 'wrong' }, wrong), ...(cure ? [element('span', { class: 'cure' }, cure)] : []))
}

/** The latency of each stage of one camera, as a waterfall. */
export function latencyTable(camera, hasOthers) {
  const { stages } = camera
  const rows = waterfall(stages)
  const end = Math.max(...rows.map((row) => row.start + (row.times.p99 ?? row.times.p50)), 1e-9)
  const table = element('table', { class: 'latency' },
                        caption('latency_of', hasOthers && camera.name), head())
  table.append(element('tbody', {}, ...rows.map((row) => latencyRow(row, end))))
  return table
}

/** Return the stages with their starts: each begins where the median of the one before ends. */
function waterfall(stages) {
  const known = { ...stages }
  if (stages.age && stages.total) {
    // The difference of two medians is near the median; that of other percentiles is none.
    known.transport = { p50: Math.max(0, stages.age.p50 - stages.total.p50) }
  }
  let start = 0
  const rows = STAGES.filter((stage) => known[stage]).map((stage) => {
    const row = { stage, times: known[stage], start }
    start += known[stage].p50
    return row
  })
  const whole = stages.age ? 'age' : 'total'
  return stages[whole] ? [...rows, { stage: whole, times: stages[whole], start: 0, isSum: true }] : rows
}

function latencyRow({ stage, times, start, isSum }, end) {
  const name = element('th', { scope: 'row' })
  setWord(name, `stage_${stage}`)
  const bar = element('span', { class: 'bar' },
                      ...[...PERCENTILES].reverse().filter((key) => key in times).map(
                        (key) => span(key, start, times[key], end)))
  return element('tr', { class: isSum ? 'sum' : stage }, name,
                 element('td', { class: 'chart', 'aria-hidden': 'true' }, bar),
                 ...PERCENTILES.map((key) => element('td', {}, milliseconds(times[key]))))
}

function span(key, start, length, end) {
  const made = element('i', { class: key })
  made.style.left = `${100 * start / end}%`
  made.style.width = `${100 * length / end}%`
  return made
}

function head() {
  const stage = element('th', { scope: 'col' })
  setWord(stage, 'stage_ms')
  const chart = element('td', { class: 'chart', 'aria-hidden': 'true' })
  return element('thead', {}, element('tr', {}, stage, chart, ...PERCENTILES.map(
    (key) => element('th', { scope: 'col' }, key))))
}

/** The frames of one camera: rates, fates and the reasons of failures. */
export function frameTable(camera, hasOthers) {
  const { counts } = camera
  const table = element('table', { class: 'frames' }, caption('frames_of', hasOthers && camera.name))
  const sum = FATES.reduce((total, fate) => total + counts[fate], 0)
  table.append(element('tbody', {},
    row('image_rate', withUnit(camera.image_rate, 'Hz')),
    row('detection_rate', withUnit(camera.detection_rate, 'Hz')),
    row('age', camera.stages.age ? `${milliseconds(camera.stages.age.p50)} ms` : MISSING),
    ...FATES.map((fate) => row(fate, `${count(counts[fate])}${share(counts[fate], sum)}`, fate)),
    ...Object.entries(counts.errors).map(([kind, number]) => reason(kind, number)),
    row('missed', count(counts.missed))))
  const bar = element('div', { class: 'fates', 'aria-hidden': 'true' }, ...FATES.map((fate) => {
    const part = element('i', { class: fate })
    part.style.flexGrow = counts[fate]
    return part
  }))
  return element('div', {}, table, bar, lastError(counts.last_error))
}

function share(number, sum) {
  return sum && number ? ` (${digits(100 * number / sum)} %)` : ''
}

function reason(kind, number) {
  return element('tr', { class: 'reason' }, element('th', { scope: 'row' }, kind),
                 element('td', {}, count(number)))
}

function lastError(text) {
  if (!text) return ''
  const label = element('b', {})
  setWord(label, 'last_error')
  return element('p', { class: 'last_error' }, label, ' ', text)
}

/** The process, the model and the libraries. */
export class System {
  #rows = element('tbody', {})
  #libraries = element('tbody', {})
  #details = element('details', { hidden: true }, summary('libraries'),
                     element('table', { class: 'system' }, this.#libraries))

  constructor(target) {
    target.append(element('table', { class: 'system' }, this.#rows), this.#details)
  }

  /** Show a status; null for no report. */
  update(status, labels) {
    this.#details.hidden = !status
    this.#rows.replaceChildren(...(status ? systemRows(status, labels) : []))
    this.#libraries.replaceChildren(...Object.entries(status?.process.libraries || {}).map(
      ([name, version]) => element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, version))))
  }
}

function systemRows({ process, model, cameras }, labels) {
  const rows = [
    ['state', process.state], ['workers', process.workers && `${process.working} / ${process.workers}`],
    ['memory', megabytes(process.memory)], ['cpu', withUnit(process.cpu, word('cores'))],
    ['temperature', withUnit(process.temperature, '°C')], ['bpu_load', withUnit(process.bpu_load, '%', 0)],
    ['uptime', duration(process.uptime)], ['host', process.host], ['board', process.board],
    ['model', model.name], ['model_path', model.path], ['backend', model.backend],
    ['input', model.input], ['classes_of_model', labels.length ? labels.join(', ') : model.classes],
    ['version', process.version],
    ...cameras.map((camera) => ['topic', [
      camera.topic, shortType(camera.type_name), camera.reliability].filter(Boolean).join(' · ')])]
  return rows.filter(([, value]) => value && value !== MISSING).map(([key, value]) => row(key, String(value)))
}

function shortType(name) {
  return name.split('/').pop()
}

function row(key, value, kind) {
  const name = element('th', { scope: 'row' })
  setWord(name, key)
  return element('tr', { class: kind }, name, element('td', {}, value))
}

function caption(key, camera) {
  const made = element('caption', {})
  setWord(made, camera ? key : key.replace('_of', ''), { camera })
  return made
}

function summary(key) {
  const made = element('summary', {})
  setWord(made, key)
  return made
}
