// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** Light or dark: as the system wishes, until the user chooses. */

import { setWord } from './words.js'

const STORED = 'fcos.theme'
const dark = matchMedia('(prefers-color-scheme: dark)')

let chosen = null
try {
  chosen = localStorage.getItem(STORED)
} catch { /* a browser that keeps nothing follows the system */ }

/** Show the page in its theme; the button names the other one. */
export function applyTheme(button) {
  const theme = current()
  document.documentElement.dataset.theme = theme
  setWord(button, theme === 'dark' ? 'theme_light' : 'theme_dark')
  dark.onchange = () => applyTheme(button)
}

/** Choose the other theme. */
export function switchTheme() {
  chosen = current() === 'dark' ? 'light' : 'dark'
  try {
    localStorage.setItem(STORED, chosen)
  } catch { /* the choice lasts until the page is closed */ }
}

function current() {
  return ['light', 'dark'].includes(chosen) ? chosen : dark.matches ? 'dark' : 'light'
}
