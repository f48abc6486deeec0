// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** Returns what is wrong with the layout of the page: overlaps, and text or controls cut off. */
() => {
  window.scrollTo(0, 0)  // else the parts that stay in sight lie on others by design
  const isShown = (one) => one.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
  const name = (one) => `${one.tagName.toLowerCase()}${one.id ? `#${one.id}` : ''} "${
    (one.textContent || one.getAttribute('aria-label') || '').trim().slice(0, 30)}"`
  const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  // Elements with text of their own, and controls; those within a picture lie on it by design.
  const items = [...document.querySelectorAll('body *')].filter((one) =>
    !one.closest('.stage, #toasts, noscript') && isShown(one) &&
    (hasText(one) || one.matches('button, a, input, select, textarea, canvas')))
  items.push(...[...document.querySelectorAll('.stage')].filter(isShown))
  const boxes = new Map(items.map((one) => [one, visibleBox(one)]))
  const found = []
  items.forEach((one, index) => {
    const box = boxes.get(one)
    if (!box) return
    if (box.left < -1 || box.right > document.documentElement.clientWidth + 1) {
      found.push(`${name(one)} is outside of the page`)
    }
    if (hasText(one) && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflow !== 'visible' &&
        one.clientWidth > 0) found.push(`the text of ${name(one)} is cut off`)
    for (const other of items.slice(index + 1)) {
      if (!one.contains(other) && !other.contains(one) && boxes.get(other) && overlap(box, boxes.get(other))) {
        found.push(`${name(one)} overlaps ${name(other)}`)
      }
    }
  })
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) {
    found.push('the page is wider than the window')
  }
  return found

  /** Return the part of an element that its scrolling parents show. */
  function visibleBox(one) {
    let { left, right, top, bottom } = one.getBoundingClientRect()
    for (let parent = one.parentElement; parent && parent !== document.body; parent = parent.parentElement) {
      if (getComputedStyle(parent).overflow === 'visible') continue
      const limits = parent.getBoundingClientRect()
      left = Math.max(left, limits.left)
      right = Math.min(right, limits.right)
      top = Math.max(top, limits.top)
      bottom = Math.min(bottom, limits.bottom)
    }
    return left < right && top < bottom ? { left, right, top, bottom } : null
  }

  function overlap(one, other) {
    return Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
      Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1
  }
}
