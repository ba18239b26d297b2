// Storages of all connections: shared ones once, local ones under their node.
// @ts-check
import { fill, h, setText } from '../dom.js';
import { bytes, percent } from '../format.js';
import { grid } from '../grid.js';
import { meter, setMeter } from '../meter.js';
import { getParam, setParams } from '../route.js';
import { state, subscribe } from '../store.js';

/** @param {string} a @param {string} b */
const text = (a, b) => a.localeCompare(b, undefined, { numeric: true, sensitivity: 'base' });

/** @type {import('../grid.js').Column[]} */
const COLUMNS = [
  {
    key: 'name', title: 'Storage', width: 140, grow: 2, priority: 1, compare: (a, b) => text(a.name, b.name),
    make: (cell) => {
      const dot = h('span', { class: 'dot' });
      const name = h('span');
      cell.append(h('div', { class: 'name' }, dot, name));
      return { dot, name };
    },
    update: (p, s) => {
      p.dot.className = s.status === 'available' ? 'dot ok' : s.status === 'disabled' ? 'dot off' : 'dot crit';
      p.dot.title = s.status;
      setText(p.name, s.name);
    },
  },
  words('node', 'Node', 110, 4, (s) => (s.shared ? 'shared' : s.node)),
  words('type', 'Type', 80, 5, (s) => s.type),
  words('content', 'Content', 150, 7, (s) => s.content.replaceAll(',', ', ')),
  words('status', 'State', 84, 6, (s) => s.status),
  {
    key: 'usage', title: 'Used', width: 180, grow: 3, priority: 2, compare: (a, b) => a.usage - b.usage,
    make: (cell) => { const m = meter(); cell.append(m.el); return m; },
    update: (m, s) => setMeter(m, s.total > 0 ? s.usage / 100 : null, s.total > 0 ? `${percent(s.usage / 100)} · ${bytes(s.used)}` : 'not known', `${bytes(s.used)} of ${bytes(s.total)}`),
  },
  { ...words('free', 'Free', 84, 3, (s) => bytes(s.free)), align: 'end', compare: (a, b) => a.free - b.free },
  { ...words('total', 'Size', 84, 3, (s) => bytes(s.total)), align: 'end', compare: (a, b) => a.total - b.total },
];

/** @param {string} key @param {string} title @param {number} width @param {number} priority @param {(s: any) => string} show @returns {import('../grid.js').Column} */
function words(key, title, width, priority, show) {
  return {
    key, title, width, priority, compare: (a, b) => text(show(a), show(b)), make: () => null,
    update: (_, s, cell) => { setText(cell, show(s)); cell.title = show(s); },
  };
}

/** @param {HTMLElement} view */
export function open(view) {
  const table = grid({
    label: 'Storages', columns: COLUMNS,
    group: (el, g) => {
      const shown = `${g.name}|${g.note}`;
      if (el.dataset.shown !== shown) {
        el.dataset.shown = shown;
        fill(el, h('span', {}, g.name), h('span', { class: 'dim' }, g.note));
      }
    },
    open: (s) => { if (!s.shared) setParams({ nodeId: `${s.instance}-${s.node}` }); },
    sort: (key) => {
      setParams({ sort: key, desc: getParam('sort') === key && getParam('desc') !== '1' ? '1' : '' });
      update();
    },
  });
  const search = /** @type {HTMLInputElement} */ (h('input', { type: 'search', placeholder: 'Search storage, node, type, content …   ( / )', 'aria-label': 'Search storages', value: getParam('q'), oninput: () => { setParams({ q: search.value }); update(); } }));
  const total = h('span', { class: 'dim', role: 'status' });
  const empty = h('div', { class: 'card empty', hidden: true }, 'No storage to show.');
  view.replaceChildren(h('div', { class: 'tools' }, search, total), table.el, empty);

  function update() {
    const needle = search.value.toLowerCase();
    const list = state.storage.filter((s) => !needle || [s.name, s.node, s.type, s.content, s.instance, s.status].join('\n').toLowerCase().includes(needle));
    const key = getParam('sort') || 'name';
    const down = getParam('desc') === '1';
    const compare = COLUMNS.find((c) => c.key === key)?.compare || ((a, b) => text(a.name, b.name));
    list.sort((a, b) => (down ? -compare(a, b) : compare(a, b)) || text(a.id, b.id));
    /** @type {Map<string, any[]>} */
    const by = new Map();
    for (const s of list) {
      const name = s.shared ? `shared in ${s.instance}` : s.node;
      by.set(name, [...(by.get(name) || []), s]);
    }
    const items = [...by.keys()].sort(text).flatMap((name) => {
      const rows = by.get(name) || [];
      const used = rows.reduce((n, s) => n + s.used, 0);
      const size = rows.reduce((n, s) => n + s.total, 0);
      return [{ group: { name, note: `${bytes(used)} of ${bytes(size)}${size ? ` (${percent(used / size)})` : ''}` } }, ...rows.map((row) => ({ row }))];
    });
    setText(total, `${list.length} storages`);
    table.show(items, { key, down });
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
      return false;
    },
  };
}
