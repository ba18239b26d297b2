// What the address says: which page, and the view's parameters. Everything a reader set can be shared as a link.
// @ts-check

/** @param {string} name @returns {string} */
export function getParam(name) {
  return new URLSearchParams(location.search).get(name) || '';
}

/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {() => void} f called when the address changes @returns {() => void} */
export function onRoute(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

/** Changes parameters in place; empty values are taken out. @param {Record<string, string>} values */
export function setParams(values) {
  const params = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(values)) {
    if (value) params.set(key, value);
    else params.delete(key);
  }
  const query = params.toString();
  history.replaceState(null, '', location.pathname + (query ? `?${query}` : ''));
  listeners.forEach((f) => f());
}

/** Goes to a page, with a new entry in the browser's history. @param {string} path */
export function go(path) {
  const kept = new URLSearchParams();
  const old = new URLSearchParams(location.search);
  for (const key of ['token', 'kiosk']) {
    const value = old.get(key);
    if (value) kept.set(key, value);
  }
  const query = kept.toString();
  const [page, own] = path.split('?');
  history.pushState(null, '', page + (own || query ? `?${[own, query].filter(Boolean).join('&')}` : ''));
  listeners.forEach((f) => f());
}

window.addEventListener('popstate', () => listeners.forEach((f) => f()));
