// A table of any length of which only the visible rows exist. Rows are 26 px; cells are touched only when their figure changed.
// @ts-check
import { h, setAttr } from './dom.js';

const EXTRA_ROWS = 4;

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {string} [hint] the header's title
 * @property {number} width px
 * @property {number} [grow] share of the space left
 * @property {number} priority 1 is always there, larger ones go first when the room is small
 * @property {string} [align]
 * @property {(a: any, b: any) => number} [compare]
 * @property {(cell: HTMLElement) => any} make builds the inside once, gives what `update` needs
 * @property {(parts: any, row: any, cell: HTMLElement) => void} update writes what changed
 */

/**
 * @param {object} options
 * @param {string} options.label accessible name
 * @param {Column[]} options.columns
 * @param {(el: HTMLElement, group: any) => void} options.group draws a group header
 * @param {(row: any) => void} options.open Enter or click on a row
 * @param {(key: string) => void} options.sort a header was clicked
 * @param {(row: any) => string} [options.rowClass]
 */
export function grid(options) {
  const head = h('div', { class: 'g-head', role: 'row' });
  const body = h('div', { class: 'g-body', role: 'rowgroup' });
  const el = h('div', { class: 'grid', role: 'grid', 'aria-label': options.label, tabindex: '0' }, head, body);
  const rowPx = 26;
  /** @type {Column[]} */
  let columns = [];
  /** @type {{group?: any, row?: any}[]} */
  let items = [];
  let selected = '';
  let sorted = { key: '', down: false };
  /** @type {Set<string>} */
  let hidden = new Set();
  /** @type {Map<number, {el: HTMLElement, kind: string, cells: {el: HTMLElement, parts: any}[], row: any}>} */
  const live = new Map();
  /** @type {{el: HTMLElement, kind: string, cells: {el: HTMLElement, parts: any}[], row: any}[]} */
  const spare = [];

  /** Chooses the columns that fit; tells CSS the template. */
  function layout() {
    const room = el.clientWidth || 1200;
    const usable = options.columns.filter((c) => !hidden.has(c.key));
    const byPriority = [...usable].sort((a, b) => a.priority - b.priority);
    let used = 0;
    const keep = new Set();
    for (const column of byPriority) {
      if (used + column.width > room && column.priority > 1) break;
      used += column.width;
      keep.add(column.key);
    }
    const next = usable.filter((c) => keep.has(c.key));
    if (next.map((c) => c.key).join() !== columns.map((c) => c.key).join()) {
      columns = next;
      const template = columns.map((c) => (c.grow ? `minmax(${c.width}px, ${c.grow}fr)` : `${c.width}px`)).join(' ');
      el.style.setProperty('--columns', template);
      setAttr(el, 'aria-colcount', String(columns.length));
      drawHead();
      live.forEach((r) => r.el.remove());
      live.clear();
      spare.length = 0;
    }
  }

  function drawHead() {
    head.replaceChildren(...columns.map((c) => {
      const active = sorted.key === c.key;
      const cell = h('div', {
        class: `g-cell ${c.align || ''}`, role: 'columnheader', title: c.hint || c.title,
        'aria-sort': active ? (sorted.down ? 'descending' : 'ascending') : c.compare ? 'none' : false,
      });
      if (c.compare) {
        cell.append(h('button', { class: 'plain', type: 'button', onclick: () => options.sort(c.key) },
          c.title, h('span', { class: 'arrow', 'aria-hidden': 'true' }, active ? (sorted.down ? ' ▼' : ' ▲') : '')));
      } else cell.append(c.title);
      return cell;
    }));
  }

  /** @param {string} kind */
  function take(kind) {
    const at = spare.findIndex((r) => r.kind === kind);
    if (at >= 0) return spare.splice(at, 1)[0];
    const rowEl = h('div', { class: kind === 'group' ? 'g-group' : 'g-row', role: 'row' }, kind === 'group' ? h('div', { role: 'gridcell' }) : null);
    const cells = kind === 'group' ? [] : columns.map((c) => {
      const cell = h('div', { class: `g-cell ${c.align || ''}`, role: 'gridcell' });
      rowEl.append(cell);
      return { el: cell, parts: c.make(cell) };
    });
    return { el: rowEl, kind, cells, row: null };
  }

  /** Draws the rows in sight; a row that shows the same object already is left alone unless all are asked for. @param {boolean} all */
  function draw(all) {
    const rect = body.getBoundingClientRect();
    const from = Math.max(0, Math.floor(-rect.top / rowPx) - EXTRA_ROWS);
    const to = Math.min(items.length, Math.ceil((window.innerHeight - rect.top) / rowPx) + EXTRA_ROWS);
    for (const [index, r] of live) {
      const item = items[index];
      if (index < from || index >= to || !item || (item.group ? 'group' : 'row') !== r.kind) {
        r.el.remove();
        live.delete(index);
        r.row = null;
        spare.push(r);
      }
    }
    for (let index = from; index < to; index += 1) {
      const item = items[index];
      let r = live.get(index);
      if (!r) {
        r = take(item.group ? 'group' : 'row');
        r.el.style.transform = `translateY(${index * rowPx}px)`;
        setAttr(r.el, 'aria-rowindex', String(index + 2));
        body.append(r.el);
        live.set(index, r);
      }
      const what = item.group || item.row;
      if (item.group) options.group(/** @type {HTMLElement} */ (r.el.firstElementChild), item.group);
      else {
        const is = what.id === selected;
        const extra = options.rowClass ? options.rowClass(what) : '';
        const name = `g-row ${is ? 'selected ' : ''}${extra}`.trim();
        if (r.el.className !== name) r.el.className = name;
        setAttr(r.el, 'aria-selected', is ? 'true' : 'false');
        if (r.el.dataset.id !== what.id) r.el.dataset.id = what.id;
        const cells = r.cells;
        if (all || r.row !== what) columns.forEach((c, i) => c.update(cells[i].parts, what, cells[i].el));
      }
      r.row = what;
    }
    spare.length = Math.min(spare.length, 60);
  }

  let waiting = false;
  let everything = false;
  /** @param {boolean} [all] */
  function drawSoon(all = false) {
    everything ||= all;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (el.isConnected) draw(everything);
      everything = false;
    });
  }

  body.addEventListener('click', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest('a, button, input')) return;
    const id = /** @type {HTMLElement|null} */ (target.closest('.g-row'))?.dataset.id;
    const item = items.find((i) => i.row?.id === id);
    if (item) {
      selected = item.row.id;
      options.open(item.row);
      drawSoon();
    }
  });

  const onScroll = () => drawSoon();
  const onResize = () => {
    layout();
    drawSoon();
  };
  window.addEventListener('scroll', onScroll, { passive: true });
  const observer = new ResizeObserver(onResize);
  observer.observe(el);

  return {
    el,
    /**
     * @param {{group?: any, row?: any}[]} next @param {{key: string, down: boolean}} order
     * @param {boolean} [all] whether rows may look different although their objects are the same
     */
    show(next, order, all = true) {
      items = next;
      if (order.key !== sorted.key || order.down !== sorted.down) {
        sorted = order;
        drawHead();
      }
      // The width is asked for once; later the observer tells, so that an update does not make the browser lay out twice.
      if (!columns.length) layout();
      const height = `${items.length * rowPx}px`;
      if (body.style.height !== height) body.style.height = height;
      setAttr(el, 'aria-rowcount', String(items.length + 1));
      draw(all);
    },
    redraw: () => drawSoon(true),
    /** @param {Set<string>} keys columns the reader took out */
    hide(keys) {
      if ([...hidden].join() === [...keys].join()) return;
      hidden = keys;
      columns = [];
      layout();
    },
    /** Moves the selection by `step` rows; keeps it in sight. @param {number} step */
    move(step) {
      const rows = items.map((item, index) => ({ item, index })).filter((x) => x.item.row);
      if (!rows.length) return;
      const at = rows.findIndex((x) => x.item.row.id === selected);
      const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
      selected = next.item.row.id;
      const top = body.getBoundingClientRect().top + next.index * rowPx;
      const sticky = 80;
      if (top < sticky) window.scrollBy({ top: top - sticky });
      else if (top + rowPx > window.innerHeight) window.scrollBy({ top: top + rowPx - window.innerHeight + 8 });
      drawSoon();
    },
    /** The selected row, if it is still there. */
    selected: () => items.find((i) => i.row?.id === selected)?.row,
    /** @param {string} id */
    select(id) {
      selected = id;
      drawSoon();
    },
    close() {
      window.removeEventListener('scroll', onScroll);
      observer.disconnect();
    },
  };
}
