// The first screen: the node strip and the one table of guests.
// @ts-check
import { fill, h, setAttr, setClass, setText } from '../dom.js';
import { age, bytes, duration, percent, rate, when } from '../format.js';
import { grid } from '../grid.js';
import { meter, setMeter } from '../meter.js';
import { parse } from '../search.js';
import { guests, link, state, subscribe } from '../store.js';
import { getParam, setParams } from '../route.js';
import { sparks } from '../sparks.js';
import { check } from '../ui.js';

// One collator for all comparisons: making one per comparison costs more than the sorting.
const { compare: text } = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** The worst active alert of each resource. @type {Map<string, any>} */
let alerting = new Map();

/** @param {any} g */
function guestDot(g) {
  if (g.status === 'running') return 'dot ok';
  if (g.status === 'stopped') return 'dot off';
  return 'dot warn';
}

/** @param {any} g memory title with the source of the figure */
function memoryTitle(g) {
  const from = g.memorySource ? `, source: ${g.memorySource}` : '';
  return `Memory ${bytes(g.memory.used)} of ${bytes(g.memory.total)}${from}`;
}

/** @returns {import('../grid.js').Column[]} */
function columns() {
  return [
    {
      key: 'name', title: 'Name', width: 150, grow: 3, priority: 1, compare: (a, b) => text(a.name, b.name),
      make: (cell) => {
        const dot = h('span', { class: 'dot' });
        const name = h('span');
        const mark = h('b', { class: 'mark', role: 'img', hidden: true });
        cell.append(h('div', { class: 'name' }, dot, name, mark));
        return { dot, name, mark };
      },
      update: (p, g, cell) => {
        setClass(p.dot, guestDot(g));
        setAttr(p.dot, 'title', g.lock ? `${g.status}, locked: ${g.lock}` : g.status);
        setAttr(p.dot, 'aria-label', g.status);
        setAttr(p.dot, 'role', 'img');
        setText(p.name, g.lock ? `${g.name} (${g.lock})` : g.name);
        const alert = alerting.get(g.id);
        p.mark.hidden = !alert;
        if (alert) {
          setText(p.mark, alert.level === 'critical' ? '◆' : '▲');
          setClass(p.mark, `mark ${alert.level === 'critical' ? 'crit' : 'warn'}`);
          setAttr(p.mark, 'aria-label', `${alert.level} alert`);
        }
        setAttr(cell, 'title', `${g.name} on ${g.node}${alert ? `\n${alert.message}` : ''}`);
      },
    },
    {
      key: 'type', title: 'Type', width: 52, priority: 6, compare: (a, b) => text(a.type, b.type),
      make: (cell) => { const b = h('span', { class: 'badge' }); cell.append(b); return b; },
      update: (b, g) => setText(b, g.type === 'qemu' ? 'VM' : 'LXC'),
    },
    plain('vmid', 'ID', 62, 5, (g) => String(g.vmid), (a, b) => a.vmid - b.vmid, 'end'),
    {
      key: 'tags', title: 'Tags', width: 110, grow: 1, priority: 9, compare: (a, b) => text((a.tags || []).join(), (b.tags || []).join()),
      make: () => ({ shown: '' }),
      update: (p, g, cell) => {
        const next = (g.tags || []).join(', ');
        if (p.shown === next) return;
        p.shown = next;
        setAttr(cell, 'title', next);
        fill(cell, ...(g.tags || []).map((/** @type {string} */ t) => h('span', { class: 'tag' }, t)));
      },
    },
    plain('uptime', 'Uptime', 76, 8, (g) => duration(g.uptime), (a, b) => a.uptime - b.uptime, 'end'),
    bar('cpu', 'CPU', 2, (g) => (g.status === 'running' ? g.cpu : null), (g) => (g.status === 'running' ? `${percent(g.cpu)} of ${g.cpus}` : '–'),
      (g) => `CPU ${percent(g.cpu)} of ${g.cpus} ${g.cpus === 1 ? 'core' : 'cores'}`, (a, b) => a.cpu - b.cpu, true),
    bar('memory', 'Memory', 3, (g) => (g.status === 'running' && g.memorySource !== 'unknown' ? g.memory.usage / 100 : null),
      (g) => (g.status === 'running' ? `${percent(g.memory.usage / 100)} · ${bytes(g.memory.used)}` : `– of ${bytes(g.memory.total)}`),
      memoryTitle, (a, b) => a.memory.usage - b.memory.usage, true),
    bar('disk', 'Disk', 4, (g) => (diskKnown(g) ? g.disk.usage / 100 : null),
      (g) => (diskKnown(g) ? `${percent(g.disk.usage / 100)} · ${bytes(g.disk.used)}` : `– of ${bytes(g.disk.total)}`),
      (g) => (diskKnown(g) ? `Disk ${bytes(g.disk.used)} of ${bytes(g.disk.total)}, source: ${g.diskSource || 'node'}`
        : `Disk size ${bytes(g.disk.total)}; usage not known${g.diskStatus ? `: ${g.diskStatus}` : ''}`),
      (a, b) => (diskKnown(a) ? a.disk.usage : -1) - (diskKnown(b) ? b.disk.usage : -1), false),
    plain('diskRead', 'Read', 84, 11, (g) => rate(g.diskRead), (a, b) => a.diskRead - b.diskRead, 'end', 'Disk read'),
    plain('diskWrite', 'Write', 84, 11, (g) => rate(g.diskWrite), (a, b) => a.diskWrite - b.diskWrite, 'end', 'Disk write'),
    plain('networkIn', 'Net in', 84, 10, (g) => rate(g.networkIn), (a, b) => a.networkIn - b.networkIn, 'end', 'Network in'),
    plain('networkOut', 'Net out', 84, 10, (g) => rate(g.networkOut), (a, b) => a.networkOut - b.networkOut, 'end', 'Network out'),
    {
      key: 'backup', title: 'Backup', hint: 'Age of the last backup', width: 66, priority: 7, align: 'end',
      compare: (a, b) => (when(a.lastBackup) ?? 0) - (when(b.lastBackup) ?? 0),
      make: () => ({ last: /** @type {any} */ (undefined) }),
      update: (p, g, cell) => {
        const last = when(g.lastBackup);
        setText(cell, last === null ? 'none' : age(last));
        const days = last === null ? Infinity : (Date.now() - last) / 86400000;
        setClass(cell, `g-cell end ${days > 7 ? 'warn' : days < 2 ? 'ok' : ''}`);
        // Writing a date for readers is slow, so it is written once per backup.
        if (p.last === last) return;
        p.last = last;
        setAttr(cell, 'title', last === null ? 'No backup known' : `Last backup ${new Date(last).toLocaleString()}`);
      },
    },
  ];
}

/** @param {any} g */
const diskKnown = (g) => g.disk.total > 0 && g.diskSource !== 'unknown' && g.diskSource !== 'allocated' && (g.type === 'lxc' ? g.disk.used > 0 : g.disk.used > 0);

/**
 * @param {string} key @param {string} title @param {number} width @param {number} priority
 * @param {(g: any) => string} show @param {(a: any, b: any) => number} compare @param {string} [align] @param {string} [hint]
 * @returns {import('../grid.js').Column}
 */
function plain(key, title, width, priority, show, compare, align, hint) {
  return { key, title, hint, width, priority, align, compare, make: () => null, update: (_, g, cell) => setText(cell, show(g)) };
}

/**
 * @param {string} key @param {string} title @param {number} priority
 * @param {(g: any) => number|null} ratio @param {(g: any) => string} label @param {(g: any) => string} hint
 * @param {(a: any, b: any) => number} compare @param {boolean} spark
 * @returns {import('../grid.js').Column}
 */
function bar(key, title, priority, ratio, label, hint, compare, spark) {
  return {
    key, title, width: 104, grow: 2, priority, compare,
    make: (cell) => { const m = meter(spark); cell.append(m.el); return m; },
    update: (m, g) => setMeter(m, ratio(g), label(g), hint(g), spark ? sparks.of(g.id, key) : undefined),
  };
}

/** The strip of nodes: one card each, a filter when pressed. @param {() => void} changed */
function strip(changed) {
  const el = h('section', { class: 'strip', 'aria-label': 'Nodes' });
  /** @type {Map<string, any>} */
  const cards = new Map();
  return {
    el,
    update() {
      const order = [];
      for (const node of state.nodes) {
        let card = cards.get(node.id);
        if (!card) {
          card = nodeCard(node, changed);
          cards.set(node.id, card);
        }
        card.update(node);
        order.push(card.el);
      }
      for (const [id, card] of cards) if (!state.nodes.some((n) => n.id === id)) { card.el.remove(); cards.delete(id); }
      if (order.some((c, i) => el.children[i] !== c)) el.replaceChildren(...order);
    },
  };
}

/** @param {any} first @param {() => void} changed */
function nodeCard(first, changed) {
  const dot = h('span', { class: 'dot' });
  const name = h('b');
  const note = h('span', { class: 'dim' });
  const meters = ['CPU', 'Mem', 'Disk'].map((label) => ({ label, m: meter() }));
  const foot = [h('span'), h('span')];
  const details = h('button', { class: 'plain details', type: 'button', onclick: () => setParams({ nodeId: first.id, guest: '' }) }, 'Details');
  const press = h('button', {
    class: 'card', type: 'button', 'aria-pressed': 'false',
    onclick: () => {
      setParams({ node: getParam('node') === first.name ? '' : first.name });
      changed();
    },
  },
  h('div', { class: 'top' }, dot, name, note),
  h('div', { class: 'meters' }, meters.flatMap(({ label, m }) => [h('span', { class: 'dim' }, label), m.el])),
  h('div', { class: 'foot' }, foot));
  const el = h('div', { class: 'node' }, press, details);
  return {
    el,
    /** @param {any} n */
    update(n) {
      const online = n.status === 'online';
      setClass(dot, online ? 'dot ok' : n.status === 'offline' ? 'dot crit' : 'dot warn');
      setText(name, n.name);
      setText(note, [n.clusterName, online ? '' : n.status, n.error || ''].filter(Boolean).join(' · '));
      setAttr(details, 'aria-label', `Details of ${n.name}`);
      setAttr(press, 'title', n.error || `${n.name}: ${n.status}, ${n.pveVersion || 'version unknown'}`);
      setAttr(press, 'aria-pressed', getParam('node') === n.name ? 'true' : 'false');
      setMeter(meters[0].m, online ? n.cpu : null, online ? `${percent(n.cpu)} of ${n.cpuInfo?.cores ?? '?'} cores` : '–');
      setMeter(meters[1].m, online ? n.memory.usage / 100 : null, `${online ? percent(n.memory.usage / 100) : '–'} · ${bytes(n.memory.used)} of ${bytes(n.memory.total)}`);
      setMeter(meters[2].m, online && n.disk.total ? n.disk.usage / 100 : null, `${online ? percent(n.disk.usage / 100) : '–'} · ${bytes(n.disk.used)} of ${bytes(n.disk.total)}`);
      setText(foot[0], online ? `up ${duration(n.uptime)}` : `last seen ${age(when(n.lastSeen))} ago`);
      const load = (n.loadAverage || []).map((/** @type {number} */ l) => l.toFixed(2)).join(' ');
      const alerts = state.activeAlerts.filter((a) => a.instance === n.instance && a.node === n.name && !a.acknowledged).length;
      setText(foot[1], [load && `load ${load}`, n.updatesPending ? `${n.updatesPending} updates` : '', alerts ? `${alerts} alert${alerts === 1 ? '' : 's'}` : ''].filter(Boolean).join(' · '));
    },
  };
}

/** @param {HTMLElement} view @returns {{close: () => void, keys: (event: KeyboardEvent) => boolean, routed: () => void}} */
export function open(view) {
  const table = grid({
    label: 'Guests', columns: columns(),
    group: (el, group) => {
      const html = `${group.name}|${group.note}`;
      if (el.dataset.shown !== html) {
        el.dataset.shown = html;
        fill(el, h('span', {}, group.name), h('span', { class: 'dim' }, group.note));
      }
    },
    open: (row) => setParams({ guest: row.id }),
    sort: (key) => {
      const same = getParam('sort') === key || (!getParam('sort') && key === 'vmid');
      setParams({ sort: key, desc: same && getParam('desc') !== '1' ? '1' : '' });
      update();
    },
    rowClass: (g) => {
      const level = alerting.get(g.id)?.level;
      return `${g.status !== 'running' ? 'stopped ' : ''}${level === 'critical' ? 'alerting-crit' : level ? 'alerting' : ''}`;
    },
  });
  const cols = columns();
  const search = /** @type {HTMLInputElement} */ (h('input', {
    type: 'search', placeholder: 'Search: name, tag:web, cpu>80, backup>7d …   ( / )', 'aria-label': 'Search guests', value: getParam('q'),
    title: 'Free text, name: node: tag: status: ip:, cpu>80 memory>50 disk>=90 backup>7d, AND OR NOT, comma means OR',
    oninput: () => { setParams({ q: search.value }); update(); },
  }));
  const kinds = segment([['', 'All'], ['qemu', 'VMs'], ['lxc', 'LXCs']], 'kind', () => update());
  const states = segment([['', 'Any state'], ['running', 'Running'], ['stopped', 'Stopped']], 'state', () => update());
  const groups = segment([['', 'By node'], ['cluster', 'By cluster'], ['tag', 'By tag'], ['pool', 'By pool'], ['none', 'Flat']], 'group', () => update());
  const counter = h('span', { class: 'dim', role: 'status' });
  const tools = h('div', { class: 'tools' }, search, kinds.el, states.el, groups.el, picker(cols, () => { table.hide(hiddenColumns()); update(); }), counter);
  const empty = h('div', { class: 'card empty', hidden: true });
  const nodes = strip(() => update());
  table.hide(hiddenColumns());
  view.replaceChildren(nodes.el, tools, table.el, empty);

  /** @type {{text: string, test: ((g: any) => boolean)|null}} */
  let query = { text: '', test: null };

  /** What rows show beside their guest: alerts, and ages that grow by the minute. */
  let beside = '';
  function update() {
    kinds.update(); states.update(); groups.update();
    alerting = new Map();
    for (const a of state.activeAlerts) if (alerting.get(a.resourceId)?.level !== 'critical') alerting.set(a.resourceId, a);
    if (query.text !== search.value) query = { text: search.value, test: parse(search.value) };
    const node = getParam('node');
    const kind = getParam('kind');
    const status = getParam('state');
    const all = guests();
    const shown = all.filter((g) => (!node || g.node === node) && (!kind || g.type === kind)
      && (!status || (status === 'running') === (g.status === 'running')) && (!query.test || query.test(g)));
    const key = getParam('sort') || 'vmid';
    const down = getParam('desc') === '1';
    const compare = cols.find((c) => c.key === key)?.compare || ((a, b) => a.vmid - b.vmid);
    shown.sort((a, b) => (down ? -compare(a, b) : compare(a, b)) || a.vmid - b.vmid || text(a.id, b.id));
    setText(counter, shown.length === all.length ? `${all.length} guests` : `${shown.length} of ${all.length} guests`);
    const now = `${Math.floor(Date.now() / 60000)} ${state.activeAlerts.map((a) => a.id + a.level).join()}`;
    table.show(grouped(shown), { key, down }, now !== beside);
    beside = now;
    // After the table, which measures where it is: a strip written before would be laid out once more for that.
    nodes.update();
    const none = shown.length === 0;
    empty.hidden = !none;
    table.el.hidden = none;
    if (none) emptyText(empty, all.length > 0, () => { search.value = ''; setParams({ q: '', node: '', kind: '', state: '' }); update(); });
  }

  sparks.start(() => table.redraw());
  const stop = subscribe(() => update());
  update();
  return {
    close() { stop(); table.close(); sparks.stop(); },
    routed() {
      if (search.value !== getParam('q')) search.value = getParam('q');
      table.hide(hiddenColumns());
      update();
    },
    keys(event) {
      if (event.key === '/') { search.focus(); search.select(); return true; }
      if (event.key === 'j' || event.key === 'ArrowDown') { table.move(1); return true; }
      if (event.key === 'k' || event.key === 'ArrowUp') { table.move(-1); return true; }
      if (event.key === 'Enter') {
        const row = table.selected();
        if (row) { setParams({ guest: row.id }); return true; }
      }
      if (event.key === 'Escape') {
        if (document.activeElement === search) search.blur();
        if (search.value || getParam('node')) { search.value = ''; setParams({ q: '', node: '' }); update(); return true; }
      }
      return false;
    },
  };
}

/** Columns taken out: by the address, else as this browser last chose. */
function hiddenColumns() {
  return new Set((getParam('hide') || localStorage.getItem('pulse-hide') || '').split(' ').filter(Boolean));
}

/** The choice of columns. @param {import('../grid.js').Column[]} cols @param {() => void} changed */
function picker(cols, changed) {
  const button = h('button', { type: 'button', 'aria-haspopup': 'dialog', onclick: () => {
    const chosen = hiddenColumns();
    const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': 'columns-title' }, h('h2', { id: 'columns-title' }, 'Columns'),
      h('p', { class: 'dim' }, 'Where the room does not suffice, those of least importance give way by themselves.'),
      h('div', { class: 'fields' }, cols.slice(1).map((c) => check(c.hint || c.title, !chosen.has(c.key), (on) => {
        if (on) chosen.delete(c.key);
        else chosen.add(c.key);
        const list = [...chosen].join(' ');
        localStorage.setItem('pulse-hide', list);
        setParams({ hide: list });
        changed();
      }).el)), h('div', { class: 'tools' }, h('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, 'Close'))));
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  } }, 'Columns');
  return button;
}

/** @param {HTMLElement} el @param {boolean} filtered @param {() => void} reset */
function emptyText(el, filtered, reset) {
  const kind = !link.lastData ? 'waiting' : filtered ? 'filtered' : state.nodes.length || state.pbs.length ? 'none' : 'fresh';
  if (el.dataset.kind === kind) return;
  el.dataset.kind = kind;
  if (kind === 'waiting') fill(el, h('h2', {}, 'Waiting for the first figures'));
  else if (kind === 'filtered') fill(el, h('h2', {}, 'Nothing matches'), h('p', {}, 'No guest matches the search and the filters.'), h('button', { type: 'button', onclick: reset }, 'Show all guests'));
  else if (kind === 'none') fill(el, h('h2', {}, 'No guests'), h('p', {}, 'The nodes above have no virtual machines or containers that Pulse may see.'));
  else fill(el, h('h2', {}, 'No Proxmox host yet'), h('p', {}, 'Add a Proxmox VE node or a Proxmox Backup Server, and its guests appear here within ten seconds.'), h('a', { class: 'button', href: '/settings' }, 'Add the first node'));
}

/** Rows with a header before each group. @param {any[]} list */
function grouped(list) {
  const mode = getParam('group');
  if (mode === 'none') return list.map((row) => ({ row }));
  const cluster = new Map(state.nodes.map((n) => [n.instance, n.clusterName]));
  /** @type {Map<string, any[]>} */
  const by = new Map();
  for (const g of list) {
    const names = mode === 'tag' ? (g.tags?.length ? g.tags : ['no tag']) : [mode === 'pool' ? g.pool || 'no pool' : mode === 'cluster' ? cluster.get(g.instance) || g.instance : g.node];
    for (const name of mode === 'tag' ? names.slice(0, 1) : names) {
      const there = by.get(name);
      if (there) there.push(g);
      else by.set(name, [g]);
    }
  }
  return [...by.keys()].sort(text).flatMap((name) => {
    const rows = by.get(name) || [];
    const running = rows.filter((g) => g.status === 'running').length;
    return [{ group: { name, note: `${running} of ${rows.length} running` } }, ...rows.map((row) => ({ row }))];
  });
}

/** Buttons of which one is pressed, kept in the address. @param {string[][]} choices @param {string} param @param {() => void} changed */
function segment(choices, param, changed) {
  const buttons = choices.map(([value, label]) => h('button', {
    type: 'button', 'data-value': value, onclick: () => { setParams({ [param]: value }); changed(); },
  }, label));
  return {
    el: h('div', { class: 'seg', role: 'group' }, buttons),
    update: () => buttons.forEach((b) => setAttr(b, 'aria-pressed', b.dataset.value === getParam(param) ? 'true' : 'false')),
  };
}
