// Small words for building and touching the DOM. A text is written only when it differs.
// @ts-check

/** @typedef {string|number|Node|null|undefined|false} Child */

/**
 * Makes an element. Attributes starting with `on` are listeners; `class` and everything else are attributes;
 * `true` sets an empty attribute, `false`, null and undefined leave it out.
 * @param {string} tag
 * @param {Record<string, any>} [attrs]
 * @param {...(Child|Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attrs = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value);
    else if (key === 'value') /** @type {HTMLInputElement} */ (el).value = value;
    else el.setAttribute(key, value === true ? '' : String(value));
  }
  add(el, children);
  return el;
}

/** @param {Element} el @param {any[]} children */
function add(el, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(el, child);
    else if (child !== null && child !== undefined && child !== false) el.append(child instanceof Node ? child : String(child));
  }
}

/** A text that is there already is changed, not made anew. @param {Element} el @param {string} text */
export function setText(el, text) {
  const only = el.firstChild;
  if (only instanceof Text && only === el.lastChild) {
    if (only.data !== text) only.data = text;
  } else if (el.textContent !== text) el.textContent = text;
}

/** @param {Element} el @param {string} name @param {string|null} value */
export function setAttr(el, name, value) {
  if (value === null) {
    if (el.hasAttribute(name)) el.removeAttribute(name);
  } else if (el.getAttribute(name) !== value) el.setAttribute(name, value);
}

/** @param {Element} el @param {string} value */
export function setClass(el, value) {
  if (el.className !== value) el.className = value;
}

/** @param {Element} el @param {...Child} children replaces all children */
export function fill(el, ...children) {
  el.replaceChildren();
  add(el, children);
}

const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} tag @param {Record<string, string>} attrs @param {...Node} children @returns {SVGElement} */
export function svg(tag, attrs, ...children) {
  const el = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attrs)) el.setAttribute(key, value);
  el.append(...children);
  return /** @type {SVGElement} */ (el);
}
