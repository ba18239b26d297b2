// Figures as people read them. Pure functions, no DOM.
// @ts-check

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** @param {number} n bytes @returns {string} e.g. "1.5 GB" (powers of 1024, as Proxmox shows them) */
export function bytes(n) {
  if (!Number.isFinite(n) || n < 0) return '–';
  let unit = 0;
  let value = n;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${trim(value.toFixed(digits))} ${UNITS[unit]}`;
}

/** @param {string} text */
function trim(text) {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** @param {number} n bytes per second; zero is a quiet dash @returns {string} */
export function rate(n) {
  return n > 0 ? `${bytes(n)}/s` : '–';
}

/** @param {number} seconds @returns {string} the two largest units: "3d 4h" */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) return '–';
  const d = Math.floor(seconds / 86400);
  const h = Math.floor((seconds % 86400) / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  if (d >= 1) return h && d < 100 ? `${d}d ${h}h` : `${d}d`;
  if (h >= 1) return m ? `${h}h ${m}m` : `${h}h`;
  if (m >= 1) return `${m}m`;
  return `${Math.floor(seconds)}s`;
}

/** @param {number} ratio 0..1 @returns {string} */
export function percent(ratio) {
  if (!Number.isFinite(ratio)) return '–';
  const p = ratio * 100;
  return p > 0 && p < 1 ? '<1%' : `${Math.round(p)}%`;
}

/** @param {string|undefined} iso RFC 3339; year one means unset @returns {number|null} ms since 1970 */
export function when(iso) {
  if (!iso || iso.startsWith('0001-')) return null;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

/** @param {number|null} ms @param {number} [now] @returns {string} "5m", "3d"; dash when unset */
export function age(ms, now = Date.now()) {
  if (ms === null) return '–';
  const s = Math.max(0, (now - ms) / 1000);
  if (s < 60) return `${Math.floor(s)}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 172800) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86400)}d`;
}

/** @param {number|null} ms @returns {string} the reader's own date and time */
export function dateTime(ms) {
  return ms === null ? 'never' : new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
