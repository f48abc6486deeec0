// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** Elements of the page. Text is always set as text, never as HTML: names come from the network. */

const SVG = 'http://www.w3.org/2000/svg'

/**
 * Create an HTML element.
 *
 * @param {string} tag its name.
 * @param {object} attributes attributes; `onclick` and the like are listeners; undefined, null and
 *     false are left out; true is an empty value.
 * @param {...(Node|string)} children elements and texts.
 */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/** Create an SVG element; see `element`. */
export function svgElement(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children)
}

/** Set the text of an element, only if it changes: a screen reader repeats what is set. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

/** Show or hide an element. */
export function show(target, shown) {
  target.hidden = !shown
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== null && value !== false) {
      made.setAttribute(name, value === true ? '' : value)
    }
  }
  made.append(...children)
  return made
}
