// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** The page: connects the server's messages with the parts of the page. */

import { CameraView } from './camera_view.js'
import { Connection } from './connection.js'
import { element, setText, show } from './dom.js'
import { Problems, System, frameTable, latencyTable } from './figures.js'
import { Parameters, ownName } from './parameters.js'
import { Settings } from './settings.js'
import { setWord, switchLanguage, translate, word } from './words.js'
import { applyTheme, switchTheme } from './theme.js'

/** Milliseconds that a short message stays. */
const TOAST_TIME = 6000

const find = (id) => document.getElementById(id)

const connection = new Connection()
const parameters = new Parameters(connection)
const problems = new Problems(find('problems'))
const system = new System(find('system'))
const settings = new Settings(find('settings'), parameters, { editZones })
const views = new Map()

const state = {
  session: { access: 'none', login: false },
  connected: false,
  detector: null,
  status: null,
  labels: new Map(),
  paused: false,
  large: null,
}

const HANDLERS = {
  session(message) {
    state.session = { ...state.session, ...message }
    if (message.access === 'none') askForToken()
  },
  detector(message) {
    state.connected = true
    state.detector = message
    updateViews()
    watch()
  },
  labels(message) {
    state.labels.set(message.camera, message)
  },
  status(message) {
    state.status = message.level === null ? null : message
    updateFigures()
  },
  parameters(message) {
    parameters.update(message.parameters)
  },
  picture(message) {
    views.get(message.camera)?.show(message)
  },
  lost() {
    state.connected = false
  },
}

/** Create a view for each camera, and remove those of cameras that are gone. */
function updateViews() {
  const names = state.detector.cameras.map((camera) => camera.name)
  // While the detector is away, its last pictures stay.
  if (!state.detector.present && !names.length) return
  for (const [name, view] of views) {
    if (names.includes(name)) continue
    view.element.remove()
    views.delete(name)
  }
  for (const name of names) {
    if (!views.has(name)) views.set(name, createView(name))
    find('cameras').append(views.get(name).element)
  }
  if (!views.has(state.large)) enlarge(null)
}

function createView(name) {
  return new CameraView(name, {
    shown: (picture) => connection.send({ type: 'shown', camera: name, number: picture.number }),
    enlarge: () => enlarge(state.large === name ? null : name),
    fill: (view) => fillScreen(view.element),
    set: (values) => parameters.set(Object.fromEntries(Object.entries(values).map(
      ([parameter, value]) => [ownName(name, parameter), value]))),
  })
}

function update() {
  const { session, connected, detector } = state
  const canControl = connected && session.access === 'control' && parameters.all.length > 0
  show(find('login'), isAsking)
  show(find('page'), session.access !== 'none')
  updateHeader(canControl)
  for (const view of views.values()) updateView(view, canControl)
  settings.update({ cameras: [...views.keys()], labels: labels().names, threshold: labels().threshold,
                    enabled: canControl })
  if (detector) document.title = `${detector.node} · fcos`
}

function updateHeader(canControl) {
  const { session, connected, detector, paused } = state
  const key = !connected ? 'connecting' : paused ? 'paused' : detector.present ? 'present' : 'absent'
  setText(find('node'), detector?.node || session.detector || 'fcos')
  setWord(find('state'), key)
  find('state').className = `pill ${key} ${state.status?.level || ''}`
  setWord(find('pause'), paused ? 'play' : 'pause')
  find('pause').setAttribute('aria-pressed', paused)
  find('undo').disabled = !canControl || !parameters.canUndo
  show(find('undo'), session.access === 'control')
  show(find('save'), connected && parameters.all.length > 0)
  show(find('record'), canControl && Boolean(detector?.can_record))
  show(find('unlock'), session.access !== 'control' && session.login && !isAsking)
  const note = isAsking ? '' : connected ? detector.note : word('lost')
  setText(find('banner'), note)
  show(find('banner'), Boolean(note))
}

function updateView(view, canControl) {
  const camera = state.detector.cameras.find((one) => one.name === view.name)
  const zones = (kind) => parameters.valueFor(view.name, kind)
  view.update({
    note: camera?.note || '', canEdit: canControl, hasOthers: views.size > 1,
    isOld: !state.connected || !state.detector.present,
    zones: { include_zones: zones('include_zones'), exclude_zones: zones('exclude_zones') } })
}

function updateFigures() {
  const { status } = state
  problems.update(status && status.problems)
  const cameras = status?.cameras || []
  const hasOthers = cameras.length > 1
  find('latency').replaceChildren(...cameras.map((camera) => latencyTable(camera, hasOthers)))
  find('frames').replaceChildren(...cameras.map((camera) => frameTable(camera, hasOthers)))
  system.update(status, labels().names)
}

/** Return the labels of the model: all cameras have the same. */
function labels() {
  return [...state.labels.values()][0] || { names: [] }
}

function watch() {
  connection.send({ type: 'watch', cameras: state.paused || document.hidden ? [] : watched() })
}

/** Return the cameras to receive: on a full screen only that one. */
function watched() {
  const filled = [...views.values()].find(
    (view) => view.element === document.fullscreenElement || view.element.classList.contains('filled'))
  return filled ? [filled.name] : null
}

function pause() {
  state.paused = !state.paused
  watch()
  update()
}

function enlarge(name) {
  state.large = name
  find('cameras').classList.toggle('has_large', name !== null)
  for (const view of views.values()) view.enlarge(view.name === name)
}

/** Fill the screen with a camera; the phones of one maker can do that only within the page. */
function fillScreen(target) {
  if (document.fullscreenElement) document.exitFullscreen()
  else if (target.requestFullscreen) target.requestFullscreen().catch(() => fillPage(target))
  else fillPage(target)
}

function fillPage(target) {
  target.classList.toggle('filled')
  watch()
}

function editZones(camera) {
  const view = views.get(camera) || [...views.values()][0]
  if (!view) return
  view.edit(true)
  view.element.scrollIntoView({ block: 'nearest' })
}

async function record() {
  const reply = await connection.request({ type: 'record' })
  toast(reply.ok ? reply.message || word('recorded') : reply.error || word('lost'), !reply.ok)
}

function toast(text, isError) {
  const made = element('p', { class: isError ? 'error' : 'good' }, text)
  find('toasts').append(made)
  setTimeout(() => made.remove(), TOAST_TIME)
}

let isAsking = false

function askForToken() {
  isAsking = true
  const isRefused = new URLSearchParams(location.search).has('refused')
  setText(find('login_error'), isRefused ? word('wrong_token') : '')
  update()
  find('token').focus()
}

async function login(event) {
  event.preventDefault()
  const refusal = await connection.login(find('token').value.trim())
  find('token').value = ''
  setText(find('login_error'), refusal)
  if (refusal) return
  isAsking = false
  history.replaceState(null, '', location.pathname)
  update()
}

/** Keys outside of fields; a key with a modifier belongs to the browser. */
const KEYS = {
  ' ': pause,
  f: () => fillScreen((views.get(state.large) || [...views.values()][0])?.element),
  z: () => toggleZones(views.get(state.large) || [...views.values()][0]),
}

function toggleZones(view) {
  if (view && state.session.access === 'control') view.edit(!view.editor.isEditing)
}

function handleKey(event) {
  if (isAsking) return
  const isField = event.target.closest('input, select, textarea, button, a, summary')
  if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !isTextField(event.target)) {
    event.preventDefault()
    parameters.undo()
    return
  }
  for (const view of views.values()) {
    if (view.editor.handleKey(event.key)) {
      event.preventDefault()
      return
    }
  }
  if (isField || event.ctrlKey || event.metaKey || event.altKey) return
  const key = event.key.toLowerCase()
  const view = [...views.values()][+key - 1]
  const action = KEYS[key] || (view && views.size > 1 && (() => enlarge(state.large === view.name ? null : view.name)))
  if (!action) return
  event.preventDefault()
  action()
}

function isTextField(target) {
  return target.matches('textarea, input:not([type=range]):not([type=checkbox])')
}

function translateAll() {
  translate(document)
  applyTheme(find('theme'))
  settings.translate()
  updateFigures()
  update()
}

function start() {
  for (const [type, handle] of Object.entries(HANDLERS)) {
    connection.addEventListener(type, (event) => {
      handle(event.detail)
      if (type !== 'picture') update()
    })
  }
  parameters.addEventListener('change', update)
  parameters.addEventListener('undo', update)
  parameters.addEventListener('refused', ({ detail }) => toast(
    detail.lost ? word('lost') : word('refused', { reason: detail.reason }), true))
  find('pause').onclick = pause
  find('undo').onclick = () => parameters.undo()
  find('record').onclick = record
  find('unlock').onclick = askForToken
  find('language').onclick = () => { switchLanguage(); translateAll() }
  find('theme').onclick = () => { switchTheme(); applyTheme(find('theme')) }
  find('login').querySelector('form').onsubmit = login
  document.addEventListener('keydown', handleKey)
  document.addEventListener('visibilitychange', watch)
  document.addEventListener('fullscreenchange', watch)
  setInterval(() => views.forEach((view) => view.tick()), 1000)
  translateAll()
  connection.open()
}

start()
