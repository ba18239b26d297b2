// A bar with its figure inside and, where there is one, the last hour as a thin line behind it.
// @ts-check
import { h, setAttr, setClass, setText, svg } from './dom.js';

/** @typedef {{el: HTMLElement, text: HTMLElement, line: SVGElement|null, scale: string, points: any}} Meter */

/** @param {boolean} [spark] @returns {Meter} */
export function meter(spark = false) {
  const text = h('span');
  const el = h('div', { class: 'meter' }, text);
  let line = null;
  if (spark) {
    line = svg('path', { d: '' });
    el.insertBefore(svg('svg', { viewBox: '0 0 60 17', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, line), text);
  }
  return { el, text, line, scale: '', points: null };
}

/**
 * @param {Meter} m
 * @param {number|null} ratio 0..1; null: not known
 * @param {string} label
 * @param {string} [title]
 * @param {number[]} [points] percentages of the last hour, oldest first
 */
export function setMeter(m, ratio, label, title, points) {
  const known = ratio !== null && Number.isFinite(ratio);
  const r = known ? Math.min(1, Math.max(0, /** @type {number} */ (ratio))) : 0;
  // The bar is a background: its length costs no layout and no layer of its own.
  const scale = known ? `${Math.round(r * 500) / 5}% 100%` : '';
  if (m.scale !== scale) {
    m.scale = scale;
    m.el.style.backgroundSize = scale;
  }
  setClass(m.el, `meter${!known ? ' unknown' : r >= 0.9 ? ' crit' : r >= 0.8 ? ' warn' : ''}`);
  setText(m.text, label);
  setAttr(m.el, 'title', title || label);
  if (m.line && m.points !== points) {
    m.points = points;
    m.line.setAttribute('d', points && points.length > 1 ? path(points) : '');
  }
}

/** @param {number[]} points */
function path(points) {
  const step = 60 / (points.length - 1);
  const max = Math.max(10, ...points);
  return points.map((p, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(16 - (p / max) * 15).toFixed(1)}`).join('');
}
