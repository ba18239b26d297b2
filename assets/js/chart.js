// A line chart of one or more series over time: gaps stay gaps, hover tells the values, dragging zooms.
// @ts-check
import { h, svg } from './dom.js';

/** @typedef {{label: string, points: {timestamp: number, value: number}[], colour: string}} Series */

const WIDTH = 600;
const HEIGHT = 110;

/**
 * @param {object} options
 * @param {string} options.title
 * @param {Series[]} options.series
 * @param {number} options.from ms @param {number} options.to ms
 * @param {(v: number) => string} options.format
 * @param {number} [options.max] top of the scale; else the largest value
 * @param {(from: number, to: number) => void} options.zoom the reader dragged over a span
 */
export function chart({ title, series, from, to, format, max, zoom }) {
  const top = max ?? Math.max(1e-9, ...series.flatMap((s) => s.points.map((p) => p.value))) * 1.08;
  const x = (/** @type {number} */ t) => ((t - from) / (to - from)) * WIDTH;
  const y = (/** @type {number} */ v) => HEIGHT - (Math.min(v, top) / top) * (HEIGHT - 4) - 1;
  // Shorter pauses than this cannot be seen.
  const leastMs = (to - from) / 200;
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': describe(title, series, format) });
  for (const part of [0.25, 0.5, 0.75]) picture.append(svg('path', { class: 'rule', d: `M0 ${HEIGHT * part}H${WIDTH}` }));
  series.forEach((s) => picture.append(svg('path', { class: 'line', d: line(s.points, x, y, leastMs), stroke: s.colour })));
  const cursor = svg('path', { class: 'cursor', d: '' });
  const band = svg('rect', { class: 'band', y: '0', height: String(HEIGHT), width: '0' });
  picture.append(band, cursor);
  const readout = h('span', { class: 'readout dim', title: summary(series, format) }, summary(series, format));
  const empty = series.every((s) => s.points.length === 0);
  const figure = h('figure', { class: 'chart' },
    h('figcaption', {}, h('b', {}, title), readout),
    h('div', { class: 'plot' }, picture,
      h('span', { class: 'axis top dim' }, format(top)),
      h('span', { class: 'axis from dim' }, clock(from, to)), h('span', { class: 'axis to dim' }, clock(to, from)),
      empty ? h('span', { class: 'axis none dim' }, 'No data in this range') : null));

  let dragFrom = NaN;
  const timeAt = (/** @type {PointerEvent} */ e) => {
    const box = picture.getBoundingClientRect();
    return from + (Math.min(1, Math.max(0, (e.clientX - box.left) / box.width))) * (to - from);
  };
  picture.addEventListener('pointermove', (e) => {
    const t = timeAt(/** @type {PointerEvent} */ (e));
    cursor.setAttribute('d', `M${x(t)} 0V${HEIGHT}`);
    readout.textContent = at(series, t, leastMs, format);
    if (!Number.isNaN(dragFrom)) {
      const [a, b] = [Math.min(dragFrom, t), Math.max(dragFrom, t)];
      band.setAttribute('x', String(x(a)));
      band.setAttribute('width', String(x(b) - x(a)));
    }
  });
  picture.addEventListener('pointerdown', (e) => {
    dragFrom = timeAt(/** @type {PointerEvent} */ (e));
    picture.setPointerCapture(/** @type {PointerEvent} */ (e).pointerId);
  });
  picture.addEventListener('pointerup', (e) => {
    const t = timeAt(/** @type {PointerEvent} */ (e));
    const [a, b] = [Math.min(dragFrom, t), Math.max(dragFrom, t)];
    dragFrom = NaN;
    band.setAttribute('width', '0');
    if (b - a > (to - from) / 50) zoom(a, b);
  });
  picture.addEventListener('pointerleave', () => {
    cursor.setAttribute('d', '');
    readout.textContent = summary(series, format);
  });
  return figure;
}

/**
 * Whether figures are missing before the n-th point: the pause is longer than three of its neighbours. Steps differ within
 * a chart, since what Proxmox recorded is coarser than what Pulse did.
 * @param {{timestamp: number}[]} points @param {number} n @param {number} leastMs
 */
function isGap(points, n, leastMs) {
  const pause = (/** @type {number} */ i) => (i > 0 && i < points.length ? points[i].timestamp - points[i - 1].timestamp : 0);
  return pause(n) > Math.max(3.5 * Math.max(pause(n - 1), pause(n + 1)), leastMs);
}

/** @param {{timestamp: number, value: number}[]} points @param {(t: number) => number} x @param {(v: number) => number} y @param {number} leastMs */
function line(points, x, y, leastMs) {
  return points.map((p, n) => `${n === 0 || isGap(points, n, leastMs) ? 'M' : 'L'}${x(p.timestamp).toFixed(1)} ${y(p.value).toFixed(1)}`).join('');
}

/** @param {Series[]} series @param {number} t @param {number} leastMs @param {(v: number) => string} format */
function at(series, t, leastMs, format) {
  const parts = series.map(({ points, label }) => {
    const after = points.findIndex((p) => p.timestamp >= t);
    const [before, next] = after < 0 ? [points.at(-1), undefined] : [points[after - 1], points[after]];
    const near = !next || (before && t - before.timestamp < next.timestamp - t) ? before : next;
    const away = near ? Math.abs(near.timestamp - t) : Infinity;
    const known = near && (before && next ? !isGap(points, after, leastMs) || away <= leastMs : away <= leastMs * 3.5);
    const value = known ? format(near.value) : '–';
    return series.length > 1 ? `${label} ${value}` : value;
  });
  return `${new Date(t).toLocaleString(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })}: ${parts.join(', ')}`;
}

/** @param {Series[]} series @param {(v: number) => string} format */
function summary(series, format) {
  return series.filter((s) => s.points.length).map((s) => {
    const values = s.points.map((p) => p.value);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return `${series.length > 1 ? `${s.label}: ` : ''}mean ${format(mean)}, peak ${format(Math.max(...values))}`;
  }).join(' · ');
}

/** @param {string} title @param {Series[]} series @param {(v: number) => string} format */
const describe = (title, series, format) => `${title}. ${summary(series, format) || 'No data'}`;

/** @param {number} t @param {number} other */
function clock(t, other) {
  const days = Math.abs(t - other) / 86400000;
  if (days > 200) return new Date(t).toLocaleDateString(undefined, { month: 'short', year: 'numeric' });
  return new Date(t).toLocaleString(undefined, days > 2 ? { month: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' });
}
