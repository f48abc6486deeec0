// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** The parameters of the node, the changes that are under way, and undo. */

/** Changes that can be undone. */
const MAX_UNDO = 100

/**
 * The newest values of the parameters. Dispatches `change` when they change, `refused` with the
 * names and the reason, and `undo` when the number of changes to undo changes.
 */
export class Parameters extends EventTarget {
  #connection
  #known = new Map()
  #queue = []
  #busy = false
  #done = []

  constructor(connection) {
    super()
    this.#connection = connection
  }

  /** All parameters, in the order of the settings. */
  get all() {
    return [...this.#known.values()]
  }

  /** Whether there is a change to undo. */
  get canUndo() {
    return this.#done.length > 0
  }

  /** Return a parameter by its name; undefined if the node has none. */
  get(name) {
    return this.#known.get(name)
  }

  /** Return the value that a camera uses: its own, else the common one. */
  valueFor(camera, name) {
    return this.#known.get(ownName(camera, name))?.value ?? this.#known.get(name)?.value
  }

  /** Take the values that the node has now. */
  update(parameters) {
    this.#known = new Map(parameters.map((parameter) => [parameter.name, parameter]))
    if (!parameters.length) this.#forget()
    if (!this.#busy) this.#dispatch('change')
  }

  /**
   * Set parameters of the node, all or none.
   *
   * While a change is under way, those of one gesture are joined, so that a slider never queues.
   *
   * @param {object} values by name.
   * @param {string} gesture changes of one gesture, such as a drag, are undone together.
   */
  set(values, gesture = '') {
    const last = this.#queue[this.#queue.length - 1]
    if (gesture && last?.gesture === gesture) Object.assign(last.values, values)
    else this.#queue.push({ values: { ...values }, gesture })
    this.#work()
  }

  /** Undo the last change, after those that are under way. */
  undo() {
    this.#queue.push({ isUndo: true })
    this.#work()
  }

  async #work() {
    if (this.#busy) return
    this.#busy = true
    while (this.#queue.length) {
      const change = this.#queue.shift()
      await (change.isUndo ? this.#takeBack() : this.#apply(change))
    }
    this.#busy = false
    this.#dispatch('change')
  }

  async #takeBack() {
    const last = this.#done.pop()
    this.#dispatch('undo')
    if (last) await this.#request(last.before)
  }

  async #apply({ values, gesture }) {
    const reply = await this.#request(values)
    if (reply.ok) this.#remember(reply.before, gesture)
  }

  /** Let the node set values; return its reply. */
  async #request(values) {
    const reply = await this.#connection.request({ type: 'set', values })
    if (!reply.ok) {
      this.#dispatch('refused', { names: Object.keys(values), reason: reply.error, lost: reply.lost })
      return reply
    }
    for (const [name, value] of Object.entries(values)) {
      const parameter = this.#known.get(name)
      if (parameter) this.#known.set(name, { ...parameter, value })
    }
    return reply
  }

  #remember(before, gesture) {
    const last = this.#done[this.#done.length - 1]
    if (gesture && last?.gesture === gesture) last.before = { ...before, ...last.before }
    else this.#done.push({ before, gesture })
    this.#done = this.#done.slice(-MAX_UNDO)
    this.#dispatch('undo')
  }

  #forget() {
    this.#done = []
    this.#dispatch('undo')
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }
}

/** Return the name of a camera's own parameter; without a camera, of the common one. */
export function ownName(camera, name) {
  return camera ? `${camera}.${name}` : name
}
