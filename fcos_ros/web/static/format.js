// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** Numbers as text, in few digits; a missing number is a dash. */

export const MISSING = '–'

/** Return a number with three significant digits, such as 0.97, 12.3 or 1234. */
export function digits(value) {
  if (!isNumber(value)) return MISSING
  const size = Math.abs(value)
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)
}

/** Return seconds as milliseconds, without the unit. */
export function milliseconds(seconds) {
  return isNumber(seconds) ? digits(1000 * seconds) : MISSING
}

/** Return a count with separated thousands, in the language of the page. */
export function count(value) {
  return isNumber(value) ? value.toLocaleString(document.documentElement.lang) : MISSING
}

/** Return a number with its unit; a dash if there is no number. */
export function withUnit(value, unit, places = 1) {
  return isNumber(value) ? `${value.toFixed(places)} ${unit}` : MISSING
}

/** Return bytes as MB. */
export function megabytes(bytes) {
  return isNumber(bytes) ? withUnit(bytes / 1e6, 'MB', 0) : MISSING
}

/** Return seconds as hours, minutes and seconds, such as 1:02:03. */
export function duration(seconds) {
  if (!isNumber(seconds)) return MISSING
  const whole = Math.floor(seconds)
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return parts.map((part, index) => index ? String(part).padStart(2, '0') : part).join(':')
}

function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value)
}
