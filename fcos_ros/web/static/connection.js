// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** The connection to the server: session, WebSocket, requests and their replies. */

/** Milliseconds without a message until a connection is closed: a status comes every second. */
const SILENCE = 15000

/** Milliseconds between two attempts to connect: the first, and the longest. */
const RETRY = { first: 500, longest: 8000 }

/**
 * Keeps one WebSocket open, and dispatches events: `session` with the answer of the server,
 * `lost` while there is no connection, `picture`, and one for each type of message.
 */
export class Connection extends EventTarget {
  #socket = null
  #requests = new Map()
  #number = 0
  #delay = RETRY.first
  #silence = null
  #retry = null

  /** Connect, as far as the session allows it. */
  async open() {
    clearTimeout(this.#retry)
    try {
      const answer = await fetch('api/session', { cache: 'no-store' })
      if (!answer.ok) throw new Error(`the server answers ${answer.status}`)
      const session = await answer.json()
      this.#dispatch('session', session)
      if (session.access === 'none') return
      this.#connect()
    } catch {
      this.#lose()
    }
  }

  /** Send the token; return '' or why it is refused. */
  async login(token) {
    let answer
    try {
      answer = await fetch('api/login', {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token }) })
    } catch (error) {
      return String(error.message)
    }
    if (answer.ok) {
      this.#close()
      await this.open()
      return ''
    }
    const refusal = await answer.json().catch(() => ({}))
    return refusal.error || `HTTP ${answer.status}`
  }

  /** Send a message that has no reply; it is dropped without a connection. */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  /** Send a request; resolve with the reply. Without a connection the reply is a failure. */
  request(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return Promise.resolve({ ok: false, lost: true })
    const id = ++this.#number
    this.send({ ...message, id })
    return new Promise((resolve) => this.#requests.set(id, resolve))
  }

  #connect() {
    const url = new URL('api/socket', document.baseURI)
    url.protocol = url.protocol.replace('http', 'ws')
    url.search = ''
    const socket = new WebSocket(url)
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.#listen()
    socket.onmessage = (event) => this.#receive(event.data)
    socket.onclose = () => { if (socket === this.#socket) this.#lose() }
    this.#socket = socket
  }

  #receive(data) {
    this.#listen()
    this.#delay = RETRY.first
    if (typeof data !== 'string') {
      this.#dispatch('picture', readPicture(data))
      return
    }
    const message = JSON.parse(data)
    if (message.type === 'reply') {
      this.#requests.get(message.id)?.(message)
      this.#requests.delete(message.id)
    } else {
      this.#dispatch(message.type, message)
    }
  }

  /** Wait for the next message: a connection that dies without a word is noticed by its silence. */
  #listen() {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#lose(), SILENCE)
  }

  #lose() {
    this.#close()
    this.#dispatch('lost')
    this.#retry = setTimeout(() => this.open(), this.#delay)
    this.#delay = Math.min(2 * this.#delay, RETRY.longest)
  }

  #close() {
    clearTimeout(this.#silence)
    const socket = this.#socket
    this.#socket = null
    socket?.close()
    for (const resolve of this.#requests.values()) resolve({ ok: false, lost: true })
    this.#requests.clear()
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }
}

/** Return the properties of a picture and its JPEG file: uint32 length, JSON, JPEG. */
function readPicture(data) {
  const length = new DataView(data).getUint32(0, true)
  const text = new TextDecoder().decode(new Uint8Array(data, 4, length))
  return { ...JSON.parse(text), jpeg: new Blob([new Uint8Array(data, 4 + length)]) }
}
