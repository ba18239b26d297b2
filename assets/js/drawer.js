// The drawer of one guest or node: charts, where each figure comes from, file systems, backups, snapshots, alerts, links, notes.
// @ts-check
import { get, put, post } from './api.js';
import { chart } from './chart.js';
import { fill, h, setText } from './dom.js';
import { age, bytes, dateTime, duration, percent, rate, when } from './format.js';
import { getParam, setParams } from './route.js';
import { guests, state, subscribe } from './store.js';
import { thresholds } from './thresholds.js';

const RANGES = ['1h', '4h', '24h', '7d', '30d', '1y'];
const SPAN_MS = { '1h': 3600e3, '4h': 4 * 3600e3, '24h': 86400e3, '7d': 7 * 86400e3, '30d': 30 * 86400e3, '1y': 365 * 86400e3 };

/** @type {{close: () => void, id: string}|null} */
let open = null;

/** Opens, changes or closes the drawer as the address says. */
export function syncDrawer() {
  const id = getParam('guest') || getParam('nodeId');
  if (open?.id === id) return;
  open?.close();
  open = id ? build(id) : null;
}

/** @returns {boolean} whether a drawer was there to close */
export function closeDrawer() {
  if (!open) return false;
  setParams({ guest: '', nodeId: '', range: '' });
  return true;
}

/** @param {string} id */
const find = (id) => guests().find((g) => g.id === id) || state.nodes.find((n) => n.id === id);

/** @param {string} id */
function build(id) {
  const before = /** @type {HTMLElement|null} */ (document.activeElement);
  const title = h('h1', { id: 'drawer-title' });
  const facts = h('dl', { class: 'facts' });
  const charts = h('div', { class: 'charts' });
  const ranges = h('div', { class: 'seg', role: 'group', 'aria-label': 'Range' });
  const more = h('div');
  const close = h('button', { type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', onclick: closeDrawer }, '✕');
  const el = h('aside', { class: 'drawer', role: 'dialog', 'aria-labelledby': 'drawer-title', tabindex: '-1' },
    h('div', { class: 'drawer-head' }, title, close), facts, ranges, charts, more);
  document.body.append(el);
  el.focus({ preventScroll: true });
  /** @type {{from: number, to: number}|null} */
  let zoomed = null;
  const abort = new AbortController();
  const isNode = state.nodes.some((n) => n.id === id);

  function range() {
    const chosen = getParam('range');
    return RANGES.includes(chosen) ? chosen : '1h';
  }
  function drawRanges() {
    fill(ranges, ...RANGES.map((r) => h('button', {
      type: 'button', 'aria-pressed': r === range() && !zoomed ? 'true' : 'false',
      onclick: () => { zoomed = null; setParams({ range: r === '1h' ? '' : r }); drawRanges(); loadCharts(); },
    }, r)), ...(zoomed ? [h('button', { type: 'button', 'aria-pressed': 'true', onclick: () => { zoomed = null; drawRanges(); loadCharts(); } }, 'Zoomed ✕')] : []));
  }

  /** @type {any} */
  let answer = null;
  async function loadCharts() {
    try {
      answer = await get(`/api/charts?range=${range()}&ids=${encodeURIComponent(id)}`, { signal: abort.signal });
      drawCharts();
    } catch (e) {
      if (!abort.signal.aborted) fill(charts, h('p', { class: 'error' }, /** @type {Error} */ (e).message));
    }
  }
  function drawCharts() {
    if (!answer) return;
    const data = (isNode ? answer.nodeData : answer.data)?.[id] || {};
    const to = zoomed?.to ?? answer.timestamp;
    const from = zoomed?.from ?? to - SPAN_MS[/** @type {'1h'} */ (range())];
    const cut = (/** @type {string} */ key) => (data[key] || []).filter((/** @type {any} */ p) => p.timestamp >= from && p.timestamp <= to);
    const zoom = (/** @type {number} */ a, /** @type {number} */ b) => { zoomed = { from: a, to: b }; drawRanges(); drawCharts(); };
    const pct = (/** @type {number} */ v) => `${v.toFixed(v < 10 ? 1 : 0)}%`;
    const one = (/** @type {string} */ t, /** @type {string} */ key) => chart({ title: t, from, to, zoom, format: pct, max: 100, series: [{ label: t, colour: 'var(--spark)', points: cut(key) }] });
    const two = (/** @type {string} */ t, /** @type {string} */ a, /** @type {string} */ an, /** @type {string} */ b, /** @type {string} */ bn) => chart({
      title: t, from, to, zoom, format: rate,
      series: [{ label: an, colour: 'var(--spark)', points: cut(a) }, { label: bn, colour: 'var(--warn)', points: cut(b) }],
    });
    const past = answer.stats?.past;
    const loading = past && h('p', { class: 'dim' }, `What Proxmox recorded earlier is on its way into the charts: ${past.done} of ${past.total}`);
    fill(charts, ...(loading ? [loading] : []), one('CPU', 'cpu'), one('Memory', 'memory'), one('Disk', 'disk'),
      ...(isNode ? [] : [two('Network', 'netin', 'in', 'netout', 'out'), two('Disk I/O', 'diskread', 'read', 'diskwrite', 'write')]));
  }

  function update() {
    const thing = find(id);
    if (!thing) {
      setText(title, 'Gone');
      fill(facts, h('dt', {}, 'State'), h('dd', {}, 'This guest or node is no longer there.'));
      return;
    }
    setText(title, `${thing.name}${isNode ? '' : ` (${thing.type === 'qemu' ? 'VM' : 'LXC'} ${thing.vmid})`}`);
    const rows = isNode ? nodeFacts(thing) : guestFacts(thing);
    fill(facts, ...rows.flatMap(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]));
  }
  const stop = subscribe(update);
  update();
  drawRanges();
  loadCharts();
  const timer = setInterval(() => { if (!zoomed && (range() === '1h' || answer?.stats?.past)) loadCharts(); }, 30000);
  const thing = find(id);
  if (thing) fill(more, isNode ? nodeMore(thing) : guestMore(thing, abort.signal));
  return {
    id,
    close() {
      stop();
      clearInterval(timer);
      abort.abort();
      el.remove();
      before?.focus?.({ preventScroll: true });
    },
  };
}

/** @param {any} g @returns {[string, any][]} */
function guestFacts(g) {
  const source = (/** @type {string|undefined} */ s) => (s ? h('span', { class: 'dim' }, ` · source: ${s}`) : '');
  /** @type {[string, any][]} */
  const rows = [
    ['State', `${g.status}${g.lock ? `, locked: ${g.lock}` : ''}${g.haState ? `, HA ${g.haState}` : ''}`],
    ['Node', `${g.node}${g.instance === g.node ? '' : ` (${g.instance})`}`],
    ['Uptime', duration(g.uptime)],
    ['CPU', `${percent(g.cpu)} of ${g.cpus} cores`],
    ['Memory', [`${bytes(g.memory.used)} of ${bytes(g.memory.total)} (${percent(g.memory.usage / 100)})`, source(g.memorySource)]],
    ['Disk', [g.disk.used > 0 ? `${bytes(g.disk.used)} of ${bytes(g.disk.total)} (${percent(g.disk.usage / 100)})` : `${bytes(g.disk.total)}, usage not known`, source(g.diskSource), g.diskStatus ? h('span', { class: 'warn' }, ` · ${g.diskStatus}`) : '']],
    ['Network', `in ${rate(g.networkIn)}, out ${rate(g.networkOut)}`],
    ['Disk I/O', `read ${rate(g.diskRead)}, write ${rate(g.diskWrite)}`],
    ['Last backup', when(g.lastBackup) === null ? 'none known' : `${dateTime(when(g.lastBackup))} (${age(when(g.lastBackup))} ago)`],
  ];
  if (g.ipAddresses?.length) rows.push(['Addresses', g.ipAddresses.join(', ')]);
  if (g.os) rows.push(['System', g.os]);
  if (g.pool) rows.push(['Pool', g.pool]);
  if (g.tags?.length) rows.push(['Tags', g.tags.map((/** @type {string} */ t) => h('span', { class: 'tag' }, t))]);
  if (g.backupCovered === false) rows.push(['Backup job', h('span', { class: 'warn' }, 'not covered by any backup job')]);
  if (g.sourceAge > 60) rows.push(['Age of data', `${duration(g.sourceAge)} (the host did not answer since)`]);
  return rows;
}

/** @param {any} n @returns {[string, any][]} */
function nodeFacts(n) {
  /** @type {[string, any][]} */
  const rows = [
    ['State', n.error ? `${n.status}: ${n.error}` : n.status],
    ['Version', [n.pveVersion, n.kernelVersion].filter(Boolean).join(' · ') || 'not known'],
    ['Uptime', duration(n.uptime)],
    ['CPU', `${percent(n.cpu)} of ${n.cpuInfo.cores} × ${n.cpuInfo.model || 'unknown model'}`],
    ['Memory', `${bytes(n.memory.used)} of ${bytes(n.memory.total)}${n.memorySource ? ` · source: ${n.memorySource}` : ''}`],
    ['Root disk', `${bytes(n.disk.used)} of ${bytes(n.disk.total)}`],
  ];
  if (n.swap?.total) rows.push(['Swap', `${bytes(n.swap.used)} of ${bytes(n.swap.total)}`]);
  if (n.loadAverage?.length) rows.push(['Load', n.loadAverage.join(' ')]);
  if (n.updatesPending !== undefined) rows.push(['Updates', `${n.updatesPending} pending`]);
  if (n.subscription) rows.push(['Subscription', n.subscription]);
  if (n.certificateExpiry) rows.push(['Certificate', `valid until ${dateTime(when(n.certificateExpiry))}`]);
  if (n.rebootPending) rows.push(['Reboot', h('span', { class: 'warn' }, 'a newer kernel is installed')]);
  if (n.failedServices?.length) rows.push(['Services', h('span', { class: 'crit' }, n.failedServices.map((/** @type {any} */ s) => `${s.name}: ${s.state}`).join(', '))]);
  if (n.temperatures?.length) rows.push(['Temperatures', n.temperatures.map((/** @type {any} */ t) => `${t.sensor} ${t.celsius}°C`).join(', ')]);
  return rows;
}

/** @param {string} heading @param {any[][]} rows @param {string[]} head */
export function simpleTable(heading, head, rows) {
  if (!rows.length) return null;
  return h('section', {}, h('h2', {}, heading), h('div', { class: 'scroll' }, h('table', { class: 'plain-table' },
    h('thead', {}, h('tr', {}, head.map((t) => h('th', { scope: 'col' }, t)))),
    h('tbody', {}, rows.map((r) => h('tr', {}, r.map((c) => h('td', {}, c))))))));
}

/** @param {any} n */
function nodeMore(n) {
  const mine = (/** @type {any} */ o) => o.instance === n.instance && o.node === n.name;
  return h('div', {},
    thresholds(n.id, 'node'),
    simpleTable('Storage', ['Name', 'Type', 'State', 'Used'], state.storage.filter(mine).map((s) => [s.name, s.type, s.status, `${bytes(s.used)} of ${bytes(s.total)}`])),
    simpleTable('Disks', ['Device', 'Model', 'Size', 'Health', 'Life left'], (state.physicalDisks || []).filter(mine).map((/** @type {any} */ d) => [d.device, d.model, bytes(d.size), d.health, d.wearout === undefined ? '–' : `${d.wearout}%`])),
    simpleTable('ZFS pools', ['Pool', 'Health', 'Allocated'], (state.zfsPools || []).filter(mine).map((/** @type {any} */ z) => [z.name, z.health, `${bytes(z.allocated)} of ${bytes(z.size)}`])));
}

/** @param {any} g @param {AbortSignal} signal */
function guestMore(g, signal) {
  const vmid = String(g.vmid);
  const kind = g.type === 'qemu' ? 'vm' : 'ct';
  const files = state.pveBackups.storageBackups.filter((/** @type {any} */ b) => b.vmid === g.vmid && !b.isPBS && (!b.instance || b.instance === g.instance))
    .map((/** @type {any} */ b) => [dateTime(b.ctime * 1000), b.storage, bytes(b.size), b.protected ? 'protected' : '', b.notes || '']);
  const pbs = state.pbsBackups.filter((b) => b.vmid === vmid && b.backupType === kind)
    .map((b) => [dateTime(when(b.backupTime)), `${b.datastore}${b.namespace ? `/${b.namespace}` : ''}`, bytes(b.size), b.verified ? 'verified' : b.verification || 'not verified', b.comment || '']);
  const snapshots = state.pveBackups.guestSnapshots.filter((/** @type {any} */ s) => s.vmid === g.vmid && (!s.instance || s.instance === g.instance))
    .map((/** @type {any} */ s) => [s.name, dateTime(when(s.time)), s.vmstate ? 'with memory' : '', s.description || '']);
  const filesystems = (g.filesystems || []).map((/** @type {any} */ f) => [f.mountpoint, f.type, `${bytes(f.used)} of ${bytes(f.total)}`, f.counted ? '' : 'not counted']);
  return h('div', {},
    activeAlerts(g.id), thresholds(g.id, 'guest'),
    simpleTable('File systems', ['Mounted at', 'Type', 'Used', ''], filesystems),
    simpleTable('Backups', ['Time', 'Where', 'Size', 'State', 'Notes'], [...pbs, ...files].slice(0, 30)),
    simpleTable('Snapshots', ['Name', 'Time', '', 'Description'], snapshots),
    links(g, signal));
}

/** @param {string} id */
function activeAlerts(id) {
  const mine = state.activeAlerts.filter((a) => a.resourceId === id);
  if (!mine.length) return null;
  return h('section', {}, h('h2', {}, 'Alerts'), mine.map((a) => h('p', { class: a.level === 'critical' ? 'crit' : 'warn' }, a.message,
    a.acknowledged ? ' (acknowledged) ' : ' ',
    a.acknowledged ? null : h('button', {
      type: 'button',
      onclick: async (/** @type {Event} */ e) => {
        await post(`/api/alerts/${encodeURIComponent(a.id)}/acknowledge`);
        /** @type {HTMLElement} */ (e.target).replaceWith('acknowledged');
      },
    }, 'Acknowledge'))));
}

/** Console link, web link and notes of a guest. @param {any} g @param {AbortSignal} signal */
function links(g, signal) {
  const host = state.nodes.find((n) => n.name === g.node && n.instance === g.instance)?.host || '';
  const console_ = host ? `${host}/?console=${g.type === 'qemu' ? 'kvm' : 'lxc'}&vmid=${g.vmid}&node=${encodeURIComponent(g.node)}&resize=off` : '';
  const url = /** @type {HTMLInputElement} */ (h('input', { type: 'url', placeholder: 'https://', 'aria-label': 'Link of this guest' }));
  const notes = /** @type {HTMLTextAreaElement} */ (h('textarea', { rows: '3', 'aria-label': 'Notes' }));
  const said = h('span', { role: 'status', class: 'dim' });
  const openLink = h('a', { class: 'button', target: '_blank', rel: 'noopener noreferrer', hidden: true }, 'Open link');
  get(`/api/guests/metadata/${encodeURIComponent(g.id)}`, { quiet: true, signal }).then((m) => {
    url.value = m.customUrl || '';
    notes.value = m.notes || m.description || '';
    if (/^https?:/.test(url.value)) { openLink.setAttribute('href', url.value); openLink.hidden = false; }
  }, () => {});
  return h('section', {}, h('h2', {}, 'Links and notes'),
    h('div', { class: 'tools' }, console_ ? h('a', { class: 'button', href: console_, target: '_blank', rel: 'noopener noreferrer' }, 'Console') : null,
      host ? h('a', { class: 'button', href: `${host}/#v1:0:=${g.type}%2F${g.vmid}`, target: '_blank', rel: 'noopener noreferrer' }, 'In Proxmox') : null, openLink),
    h('form', {
      class: 'stack',
      onsubmit: async (/** @type {Event} */ e) => {
        e.preventDefault();
        try {
          await put(`/api/guests/metadata/${encodeURIComponent(g.id)}`, { customUrl: url.value, notes: notes.value });
          setText(said, 'Saved');
        } catch (error) {
          setText(said, /** @type {Error} */ (error).message);
        }
      },
    }, h('label', {}, 'Link', url), h('label', {}, 'Notes', notes), h('div', {}, h('button', { type: 'submit' }, 'Save'), ' ', said)));
}
