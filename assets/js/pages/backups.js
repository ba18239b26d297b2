// Backups as a matrix: guest by day. Green: done; striped: failed; what nobody backs up stands out.
// @ts-check
import { fill, h, setText } from '../dom.js';
import { age, bytes, dateTime, when } from '../format.js';
import { grid } from '../grid.js';
import { getParam, setParams } from '../route.js';
import { guests, link, state, subscribe } from '../store.js';

const DAY_MS = 86400000;

/** Local day number of a moment. @param {number} ms */
const dayOf = (ms) => Math.floor((ms - new Date(ms).getTimezoneOffset() * 60000) / DAY_MS);

/** @param {string} a @param {string} b */
const text = (a, b) => a.localeCompare(b, undefined, { numeric: true, sensitivity: 'base' });

/**
 * Everything known of the backups of each guest; backups whose guest is gone come as rows of their own.
 * @returns {any[]}
 */
export function rows() {
  /** @type {Map<string, any>} */
  const by = new Map();
  const keyOf = (/** @type {string} */ kind, /** @type {string|number} */ vmid) => `${kind}/${vmid}`;
  for (const g of guests()) {
    const key = keyOf(g.type === 'qemu' ? 'vm' : 'ct', g.vmid);
    const row = by.get(key);
    if (row) row.names.push(g.name);
    else by.set(key, { id: g.id, key, vmid: g.vmid, kind: g.type, name: g.name, names: [g.name], node: g.node, last: when(g.lastBackup), covered: g.backupCovered, orphan: false, list: [], failed: [] });
  }
  const of = (/** @type {string} */ kind, /** @type {string} */ vmid, /** @type {string} */ note) => {
    const key = keyOf(kind, vmid);
    let row = by.get(key);
    if (!row) {
      row = { id: `orphan-${key}`, key, vmid: Number(vmid) || vmid, kind: kind === 'vm' ? 'qemu' : kind === 'ct' ? 'lxc' : 'host', name: note || `${kind} ${vmid}`, names: [], node: '', last: null, covered: undefined, orphan: true, list: [], failed: [] };
      by.set(key, row);
    }
    return row;
  };
  const seen = new Set();
  for (const b of state.pbsBackups) {
    const t = when(b.backupTime);
    if (t === null) continue;
    seen.add(`${b.vmid}-${Math.floor(t / 1000)}`);
    of(b.backupType, b.vmid, b.comment).list.push({ time: t, size: b.size, where: `${b.datastore}${b.namespace ? `/${b.namespace}` : ''}`, pbs: true, verified: b.verified, verification: b.verification, protected: b.protected });
  }
  for (const b of state.pveBackups.storageBackups) {
    if (b.isPBS && seen.has(`${b.vmid}-${b.ctime}`)) continue;
    const kind = b.type === 'qemu' ? 'vm' : b.type === 'lxc' ? 'ct' : 'host';
    of(kind, String(b.vmid), b.notes).list.push({ time: b.ctime * 1000, size: b.size, where: b.storage, pbs: b.isPBS, verified: b.verified, verification: b.verification, protected: b.protected });
  }
  for (const t of state.pveBackups.backupTasks) {
    const start = when(t.startTime);
    if (start === null || !t.vmid || !t.error) continue;
    const row = by.get(keyOf('vm', t.vmid)) || by.get(keyOf('ct', t.vmid));
    row?.failed.push({ time: start, error: t.error });
  }
  for (const row of by.values()) {
    row.list.sort((/** @type {any} */ a, /** @type {any} */ b) => b.time - a.time);
    if (row.list[0] && (row.last === null || row.list[0].time > row.last)) row.last = row.list[0].time;
    row.size = row.list.reduce((/** @type {number} */ n, /** @type {any} */ b) => n + b.size, 0);
  }
  return [...by.values()];
}

/** @param {number} days @returns {import('../grid.js').Column[]} */
function columns(days) {
  return [
    {
      key: 'name', title: 'Guest', width: 150, grow: 2, priority: 1, compare: (a, b) => text(a.name, b.name), make: () => null,
      update: (_, r, cell) => { setText(cell, r.orphan ? `${r.name} (no such guest)` : r.name); cell.title = r.names.join(', ') || r.name; },
    },
    { key: 'vmid', title: 'ID', width: 60, priority: 4, align: 'end', compare: (a, b) => Number(a.vmid) - Number(b.vmid), make: () => null, update: (_, r, cell) => { setText(cell, String(r.vmid)); cell.title = String(r.vmid); } },
    { key: 'kind', title: 'Type', width: 52, priority: 6, compare: (a, b) => text(a.kind, b.kind), make: () => null, update: (_, r, cell) => setText(cell, r.kind === 'qemu' ? 'VM' : r.kind === 'lxc' ? 'LXC' : 'Host') },
    {
      key: 'last', title: 'Last', width: 60, priority: 2, align: 'end', compare: (a, b) => (a.last ?? 0) - (b.last ?? 0), make: () => null,
      update: (_, r, cell) => {
        setText(cell, r.last === null ? 'none' : age(r.last));
        const old = r.last === null ? Infinity : (Date.now() - r.last) / DAY_MS;
        cell.className = `g-cell end ${old > 7 ? 'warn' : old < 2 ? 'ok' : ''}`;
        cell.title = r.last === null ? 'no backup known' : dateTime(r.last);
      },
    },
    {
      key: 'verified', title: 'Verified', hint: 'The newest backup on a PBS is verified', width: 70, priority: 5, compare: (a, b) => Number(verified(a)) - Number(verified(b)), make: () => null,
      update: (_, r, cell) => {
        const newest = r.list.find((/** @type {any} */ b) => b.pbs);
        setText(cell, !newest ? '–' : newest.verified ? '✓ yes' : newest.verification === 'failed' ? '✕ failed' : 'not yet');
        cell.className = `g-cell ${newest?.verification === 'failed' ? 'crit' : newest?.verified ? 'ok' : ''}`;
      },
    },
    {
      key: 'covered', title: 'Job', hint: 'Covered by a backup job', width: 60, priority: 6, compare: (a, b) => Number(a.covered ?? 2) - Number(b.covered ?? 2), make: () => null,
      update: (_, r, cell) => { setText(cell, r.covered === undefined ? '–' : r.covered ? '✓ yes' : '✕ no'); cell.className = `g-cell ${r.covered === false ? 'warn' : ''}`; },
    },
    { key: 'count', title: 'Kept', width: 54, priority: 7, align: 'end', compare: (a, b) => a.list.length - b.list.length, make: () => null, update: (_, r, cell) => setText(cell, String(r.list.length)) },
    { key: 'size', title: 'Size', width: 74, priority: 8, align: 'end', compare: (a, b) => a.size - b.size, make: () => null, update: (_, r, cell) => setText(cell, r.size ? bytes(r.size) : '–') },
    {
      key: 'days', title: `Last ${days} days`, width: days * 9 + 14, priority: 3,
      make: (cell) => {
        const marks = Array.from({ length: days }, () => h('i', { class: 'day' }));
        cell.append(h('div', { class: 'days', role: 'img' }, marks));
        return marks;
      },
      update: (marks, r) => {
        const today = dayOf(Date.now());
        /** @type {Map<number, string>} */
        const at = new Map();
        for (const f of r.failed) at.set(dayOf(f.time), 'failed');
        for (const b of r.list) at.set(dayOf(b.time), b.pbs ? (b.verified ? 'pbs verified' : 'pbs') : 'file');
        let done = 0;
        marks.forEach((/** @type {HTMLElement} */ mark, /** @type {number} */ i) => {
          const kind = at.get(today - days + 1 + i) || '';
          if (kind && kind !== 'failed') done += 1;
          const name = `day ${kind}`.trim();
          if (mark.className !== name) mark.className = name;
        });
        const label = `${done} of ${days} days with a backup`;
        if (marks[0].parentElement.getAttribute('aria-label') !== label) {
          marks[0].parentElement.setAttribute('aria-label', label);
          marks[0].parentElement.title = label;
        }
      },
    },
  ];
}

/** @param {any} r */
const verified = (r) => r.list.find((/** @type {any} */ b) => b.pbs)?.verified ?? false;

/** @type {Record<string, (r: any) => boolean>} */
const FILTERS = {
  '': () => true,
  old: (r) => !r.orphan && (r.last === null || Date.now() - r.last > 7 * DAY_MS),
  uncovered: (r) => r.covered === false,
  unverified: (r) => r.list.some((/** @type {any} */ b) => b.pbs && !b.verified),
  failed: (r) => r.failed.length > 0,
  orphan: (r) => r.orphan,
};

/** @param {HTMLElement} view */
export function open(view) {
  const days = window.innerWidth < 700 ? 14 : 30;
  const cols = columns(days);
  const table = grid({
    label: 'Backups by guest and day', columns: cols, group: () => {},
    open: (r) => { if (!r.orphan) setParams({ guest: r.id }); },
    sort: (key) => {
      setParams({ sort: key, desc: getParam('sort') === key && getParam('desc') !== '1' ? '1' : '' });
      update();
    },
  });
  const search = /** @type {HTMLInputElement} */ (h('input', { type: 'search', placeholder: 'Search guest, ID, node, datastore …   ( / )', 'aria-label': 'Search backups', value: getParam('q'), oninput: () => { setParams({ q: search.value }); update(); } }));
  const filters = h('div', { class: 'seg', role: 'group', 'aria-label': 'Filter' });
  const daily = h('div', { class: 'perday card', role: 'img' });
  const legend = h('p', { class: 'dim legend' }, h('i', { class: 'day file' }), ' file ', h('i', { class: 'day pbs' }), ' PBS ', h('i', { class: 'day pbs verified' }), ' PBS, verified ', h('i', { class: 'day failed' }), ' failed');
  const empty = h('div', { class: 'card empty', hidden: true }, 'No guest or backup matches.');
  view.replaceChildren(daily, h('div', { class: 'tools' }, search, filters, legend), table.el, empty);

  function update() {
    const all = rows();
    const chosen = getParam('show');
    const labels = [['', 'All'], ['old', 'Older than a week'], ['failed', 'Failed'], ['unverified', 'Not verified'], ['uncovered', 'No job'], ['orphan', 'Guest gone']];
    const counts = labels.map(([key, label]) => `${label} ${all.filter(FILTERS[key]).length}`);
    const is = `${chosen}|${counts.join()}`;
    if (filters.dataset.shown !== is) fill(filters, ...labels.map(([key], i) => h('button', {
      type: 'button', 'aria-pressed': key === chosen ? 'true' : 'false', onclick: () => { setParams({ show: key }); update(); },
    }, counts[i])));
    filters.dataset.shown = is;
    const needle = search.value.toLowerCase();
    const list = all.filter(FILTERS[chosen] || FILTERS['']).filter((r) => !needle
      || [r.name, r.vmid, r.node, ...r.names, ...r.list.map((/** @type {any} */ b) => b.where)].join('\n').toLowerCase().includes(needle));
    const key = getParam('sort') || 'vmid';
    const down = getParam('desc') === '1';
    const compare = cols.find((c) => c.key === key)?.compare || ((a, b) => Number(a.vmid) - Number(b.vmid));
    list.sort((a, b) => (down ? -compare(a, b) : compare(a, b)) || text(a.key, b.key));
    drawDays(daily, all, days);
    table.show(list.map((row) => ({ row })), { key, down });
    setText(empty, !link.lastData ? 'Waiting for the first figures' : all.length ? 'No guest or backup matches.' : 'No guests and no backups yet. They appear once a Proxmox host is added in the settings.');
    empty.hidden = list.length > 0;
    table.el.hidden = list.length === 0;
  }
  const stop = subscribe(update);
  update();
  return {
    close() { stop(); table.close(); },
    /** @param {KeyboardEvent} event */
    keys(event) {
      if (event.key === '/') { search.focus(); return true; }
      if (event.key === 'j') { table.move(1); return true; }
      if (event.key === 'k') { table.move(-1); return true; }
      if (event.key === 'Enter') { const r = table.selected(); if (r && !r.orphan) setParams({ guest: r.id }); return Boolean(r); }
      return false;
    },
  };
}

/** Bars: backups per day, and how many failed. @param {HTMLElement} el @param {any[]} all @param {number} days */
function drawDays(el, all, days) {
  const today = dayOf(Date.now());
  const done = new Array(days).fill(0);
  const failed = new Array(days).fill(0);
  for (const r of all) {
    for (const b of r.list) { const i = dayOf(b.time) - today + days - 1; if (i >= 0 && i < days) done[i] += 1; }
    for (const f of r.failed) { const i = dayOf(f.time) - today + days - 1; if (i >= 0 && i < days) failed[i] += 1; }
  }
  const shown = `${done.join()}|${failed.join()}`;
  if (el.dataset.shown === shown) return;
  el.dataset.shown = shown;
  const top = Math.max(1, ...done.map((n, i) => n + failed[i]));
  el.setAttribute('aria-label', `Backups per day: ${done.at(-1)} today, ${failed.at(-1)} failed`);
  fill(el, ...done.map((n, i) => {
    const date = new Date(Date.now() - (days - 1 - i) * DAY_MS).toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
    const bar = h('div', { class: 'bar', title: `${date}: ${n} backups${failed[i] ? `, ${failed[i]} failed` : ''}` }, h('i', { class: 'failed' }), h('i', { class: 'done' }));
    /** @type {HTMLElement} */ (bar.children[0]).style.height = `${(failed[i] / top) * 100}%`;
    /** @type {HTMLElement} */ (bar.children[1]).style.height = `${(n / top) * 100}%`;
    return bar;
  }));
}
