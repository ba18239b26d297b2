// Proxmox Backup Servers: state, datastores, namespaces, jobs.
// @ts-check
import { fill, h } from '../dom.js';
import { age, bytes, dateTime, duration, percent, when } from '../format.js';
import { simpleTable } from '../drawer.js';
import { meter, setMeter } from '../meter.js';
import { state, subscribe } from '../store.js';

const JOBS = [['syncJobs', 'Sync', 'lastSync'], ['verifyJobs', 'Verify', 'lastVerify'], ['pruneJobs', 'Prune', 'lastPrune'], ['garbageJobs', 'Garbage collection', 'lastGarbage']];

/** @param {HTMLElement} view */
export function open(view) {
  let shown = '';
  function update() {
    const next = JSON.stringify(state.pbs);
    if (next === shown) return;
    shown = next;
    if (!state.pbs.length) {
      fill(view, h('div', { class: 'card empty' }, h('h2', {}, 'No Proxmox Backup Server yet'), h('p', {}, 'Add one to see its datastores, jobs and backups here.'), h('a', { class: 'button', href: '/settings' }, 'Add a server')));
      return;
    }
    fill(view, ...state.pbs.map(server));
  }
  const stop = subscribe(update);
  update();
  return { close: stop };
}

/** @param {any} p */
function server(p) {
  const online = p.status === 'online';
  const cpu = meter();
  const memory = meter();
  setMeter(cpu, online ? p.cpu / 100 : null, online ? `${p.cpu.toFixed(1)}%` : '–');
  setMeter(memory, online && p.memoryTotal ? p.memory / 100 : null, `${percent(p.memory / 100)} · ${bytes(p.memoryUsed)} of ${bytes(p.memoryTotal)}`);
  return h('section', { class: 'card block' },
    h('div', { class: 'top' }, h('span', { class: online ? 'dot ok' : 'dot crit', role: 'img', 'aria-label': p.status }), h('h2', {}, p.name),
      h('span', { class: 'dim' }, online ? `version ${p.version} · up ${duration(p.uptime)}` : `offline${p.error ? `: ${p.error}` : ''} · last seen ${age(when(p.lastSeen))} ago`)),
    h('div', { class: 'meters wide' }, h('span', { class: 'dim' }, 'CPU'), cpu.el, h('span', { class: 'dim' }, 'Mem'), memory.el),
    simpleTable('Datastores', ['Name', 'Used', '', 'Free', 'Dedup', 'Namespaces', 'Garbage collection'], (p.datastores || []).map(datastore)) || h('p', { class: 'dim' }, 'No datastore that Pulse may see.'),
    ...JOBS.map(([key, title, last]) => simpleTable(`${title} jobs`, ['Job', 'Datastore', 'Last run', 'State', 'Next run'],
      (p[key] || []).map((/** @type {any} */ j) => [j.id || '–', j.store, when(j[last]) === null ? 'never' : `${age(when(j[last]))} ago`,
        h('span', { class: j.error ? 'crit' : '' }, j.error || j.status || '–'), when(j.nextRun) === null ? '–' : dateTime(when(j.nextRun))]))));
}

/** @param {any} d */
function datastore(d) {
  const m = meter();
  setMeter(m, d.total > 0 ? d.usage / 100 : null, d.total > 0 ? percent(d.usage / 100) : d.error || 'not known');
  const spaces = (d.namespaces || []).map((/** @type {any} */ n) => n.path || '(root)').join(', ');
  return [h('b', {}, d.name), h('div', { class: 'wide-meter' }, m.el), d.status === 'available' ? `${bytes(d.used)} of ${bytes(d.total)}` : h('span', { class: 'crit' }, d.error || d.status),
    bytes(d.free), d.deduplicationFactor ? `${d.deduplicationFactor.toFixed(1)}×` : '–', h('span', { title: spaces }, spaces || '–'),
    d.gcLast ? `${d.gcState || ''} ${age(when(d.gcLast))} ago`.trim() : '–'];
}
