// Alerts: what is active, what was, the thresholds, the schedule, where notices go.
// @ts-check
import { del, get, post } from '../api.js';
import { fill, h, setAttr, setText } from '../dom.js';
import { age, dateTime, duration, when } from '../format.js';
import { getParam, setParams } from '../route.js';
import { link, on, state, subscribe } from '../store.js';
import { busy, confirmed } from '../ui.js';
import { destinations } from './destinations.js';
import { schedule, thresholdsForm } from './alertconfig.js';

const TABS = [['', 'Active'], ['history', 'History'], ['thresholds', 'Thresholds'], ['schedule', 'Schedule'], ['destinations', 'Destinations']];

/** @param {HTMLElement} view */
export function open(view) {
  const tabs = h('div', { class: 'seg', role: 'tablist', 'aria-label': 'Alerts' }, TABS.map(([key, label]) => h('button', {
    type: 'button', role: 'tab', 'data-tab': key, onclick: () => { setParams({ tab: key }); show(); },
  }, label)));
  const body = h('div', { role: 'tabpanel' });
  view.replaceChildren(h('div', { class: 'tools' }, tabs), body);
  let close = () => {};
  let shown = '-';
  function show() {
    const tab = getParam('tab');
    for (const b of tabs.children) setAttr(b, 'aria-selected', /** @type {HTMLElement} */ (b).dataset.tab === tab ? 'true' : 'false');
    if (shown === tab) return;
    shown = tab;
    close();
    close = tab === 'history' ? historyTab(body) : tab === 'thresholds' ? thresholdsForm(body) : tab === 'schedule' ? schedule(body)
      : tab === 'destinations' ? destinations(body) : activeTab(body);
  }
  show();
  return { close: () => close(), routed: show };
}

/** @param {HTMLElement} body */
function activeTab(body) {
  /** @type {Map<string, any>} */
  let full = new Map();
  const load = () => get('/api/alerts/active', { quiet: true }).then((list) => {
    full = new Map(list.map((/** @type {any} */ a) => [a.id, a]));
    draw();
  }, () => {});
  // A figure that moves changes one text; cards stay, so that a button under the pointer or with the focus stays too.
  /** @type {Map<string, {el: HTMLElement, is: string}>} */
  const cards = new Map();
  let shown = '';
  function draw() {
    for (const a of state.activeAlerts) {
      const message = cards.get(a.id)?.el.querySelector('.message');
      if (message) setText(message, a.message);
    }
    for (const t of body.querySelectorAll('[data-since]')) setText(t, `for ${age(Number(/** @type {HTMLElement} */ (t).dataset.since))}`);
    const is = JSON.stringify([link.lastData > 0, state.activeAlerts.map((a) => [a.id, a.acknowledged, a.level, full.get(a.id)?.ackUser]), state.recentlyResolved.map((r) => [r.id, r.resolvedTime])]);
    if (is === shown) return;
    shown = is;
    const list = [...state.activeAlerts].sort((a, b) => Number(a.acknowledged) - Number(b.acknowledged) || (a.level === b.level ? 0 : a.level === 'critical' ? -1 : 1));
    const open = list.filter((a) => !a.acknowledged);
    fill(body,
      list.length ? h('div', { class: 'tools' }, h('b', {}, `${open.length} open, ${list.length - open.length} acknowledged`), open.length > 1 ? h('button', {
        type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, async () => { await post('/api/alerts/bulk/acknowledge', { alertIds: open.map((a) => a.id) }); await load(); }),
      }, 'Acknowledge all') : null) : null,
      list.length ? h('div', { class: 'stack' }, list.map((a) => kept(a)))
        : h('div', { class: 'card empty' }, link.lastData ? [h('h2', {}, 'Nothing to worry about'), h('p', {}, 'No alert is active.')] : h('h2', {}, 'Waiting for the first figures')),
      state.recentlyResolved.length ? h('section', {}, h('h2', {}, 'Resolved within the last minutes'),
        state.recentlyResolved.map((r) => h('p', { class: 'dim' }, `${r.resourceName}: ${r.message}, resolved ${age(when(r.resolvedTime))} ago`))) : null);
  }
  /** @param {any} a */
  function kept(a) {
    const by = full.get(a.id);
    const now = `${a.acknowledged} ${a.level} ${a.startTime} ${by?.ackUser}`;
    let there = cards.get(a.id);
    if (there?.is !== now) cards.set(a.id, there = { el: card(a, by, load), is: now });
    return there.el;
  }
  const stops = [subscribe(draw), on('alert', load), on('alertResolved', load)];
  draw();
  load();
  return () => stops.forEach((f) => f && f());
}

/** @param {any} a @param {any} full @param {() => void} changed */
function card(a, full, changed) {
  const path = `/api/alerts/${encodeURIComponent(a.id)}`;
  const act = (/** @type {string} */ what) => (/** @type {Event} */ e) => busy(e.target, async () => { await post(`${path}/${what}`); changed(); });
  return h('article', { class: `card alert ${a.level}${a.acknowledged ? ' acknowledged' : ''}` },
    h('div', { class: 'top wrap' }, h('span', { class: a.level === 'critical' ? 'dot crit' : 'dot warn', role: 'img', 'aria-label': a.level }),
      h('b', {}, a.resourceName), h('span', { class: 'message' }, a.message), h('span', { class: 'fill' }),
      h('span', { class: 'dim nowrap', title: dateTime(when(a.startTime)), 'data-since': when(a.startTime) ?? Date.now() }, `for ${age(when(a.startTime))}`)),
    h('div', { class: 'tools end-row' },
      h('span', { class: 'dim' }, `${a.level} · ${a.type} · ${a.node || a.instance}${a.acknowledged ? ` · acknowledged${full?.ackUser ? ` by ${full.ackUser}` : ''}` : ''}`), h('span', { class: 'fill' }),
      a.acknowledged ? h('button', { type: 'button', onclick: act('unacknowledge') }, 'Take back') : h('button', { type: 'button', onclick: act('acknowledge') }, 'Acknowledge'),
      h('button', { type: 'button', title: 'End this alert; it comes back only after the trouble was gone once', onclick: act('clear') }, 'Clear')));
}

/** @param {HTMLElement} body */
function historyTab(body) {
  const search = /** @type {HTMLInputElement} */ (h('input', { type: 'search', placeholder: 'Search resource, type, message …', 'aria-label': 'Search the history', oninput: () => draw() }));
  const level = /** @type {HTMLSelectElement} */ (h('select', { 'aria-label': 'Level', onchange: () => draw() }, h('option', { value: '' }, 'Any level'), h('option', { value: 'warning' }, 'Warning'), h('option', { value: 'critical' }, 'Critical')));
  const chart = h('div', { class: 'perday card', role: 'img' });
  const out = h('div');
  /** @type {any[]} */
  let list = [];
  const load = () => get('/api/alerts/history?limit=2000').then((l) => { list = l; draw(); }, (e) => fill(out, h('p', { class: 'error' }, e.message)));
  fill(body, chart, h('div', { class: 'tools' }, search, level, h('span', { class: 'fill' }), h('button', {
    type: 'button', class: 'danger', onclick: async (/** @type {Event} */ e) => {
      if (await confirmed('Clear the alert history?', 'The list of past alerts is deleted for good. Active alerts stay.', 'Clear history')) busy(e.target, async () => { await del('/api/alerts/history'); await load(); });
    },
  }, 'Clear history')), out);
  function draw() {
    const needle = search.value.toLowerCase();
    const shown = list.filter((a) => (!level.value || a.level === level.value) && (!needle || [a.resourceName, a.resourceId, a.type, a.message, a.node].join('\n').toLowerCase().includes(needle)));
    histogram(chart, shown);
    fill(out, shown.length ? h('div', { class: 'scroll' }, h('table', { class: 'plain-table' },
      h('thead', {}, h('tr', {}, ['Began', 'Resource', 'Type', 'Level', 'Message', 'Lasted', 'State'].map((t) => h('th', { scope: 'col' }, t)))),
      h('tbody', {}, shown.slice(0, 500).map((a) => h('tr', {}, h('td', { class: 'nowrap' }, dateTime(when(a.startTime))), h('td', {}, a.resourceName), h('td', {}, a.type),
        h('td', { class: a.level === 'critical' ? 'crit' : 'warn' }, a.level), h('td', { class: 'message' }, a.message), h('td', { class: 'nowrap' }, lasted(a)),
        h('td', { class: 'nowrap' }, state.activeAlerts.some((x) => x.id === a.id && x.startTime === a.startTime) ? 'active' : a.acknowledged ? 'acknowledged' : 'resolved'))))))
      : h('div', { class: 'card empty' }, 'No alert in the history.'));
    if (shown.length > 500) out.append(h('p', { class: 'dim' }, `The newest 500 of ${shown.length}.`));
  }
  load();
  return on('alert', load);
}

/** @param {any} a */
function lasted(a) {
  const from = when(a.startTime);
  const to = when(a.resolvedTime) ?? when(a.lastSeen);
  return from === null || to === null ? '–' : duration(Math.max(1, (to - from) / 1000));
}

/** @param {HTMLElement} el @param {any[]} list */
function histogram(el, list) {
  const days = 30;
  const buckets = Array.from({ length: days }, () => ({ warning: 0, critical: 0 }));
  for (const a of list) {
    const t = when(a.startTime);
    const i = t === null ? -1 : days - 1 - Math.floor((Date.now() - t) / 86400000);
    if (i >= 0 && i < days) buckets[i][a.level === 'critical' ? 'critical' : 'warning'] += 1;
  }
  const top = Math.max(1, ...buckets.map((b) => b.warning + b.critical));
  setAttr(el, 'aria-label', `${list.length} alerts in the history`);
  fill(el, ...buckets.map((b, i) => {
    const date = new Date(Date.now() - (days - 1 - i) * 86400000).toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
    const crit = h('i', { class: 'failed' });
    const warn = h('i', { class: 'warned' });
    crit.style.height = `${(b.critical / top) * 100}%`;
    warn.style.height = `${(b.warning / top) * 100}%`;
    return h('div', { class: 'bar', title: `${date}: ${b.warning} warnings, ${b.critical} critical` }, crit, warn);
  }));
}

