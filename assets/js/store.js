// The live state: one WebSocket, full state first, deltas after; listeners are told once per update.
// @ts-check
import { urlToken } from './api.js';

/** @typedef {{total:number, used:number, free:number, usage:number}} Usage */
/**
 * @typedef {object} Guest
 * @property {string} id @property {number} vmid @property {string} name @property {string} node @property {string} instance
 * @property {string} status @property {string} type @property {number} cpu @property {number} cpus
 * @property {Usage} memory @property {Usage} disk
 * @property {number} networkIn @property {number} networkOut @property {number} diskRead @property {number} diskWrite
 * @property {number} uptime @property {string} lastBackup @property {string[]} [tags] @property {string} [lock]
 * @property {string} [memorySource] @property {string} [diskSource] @property {string} [diskStatus] @property {number} [sourceAge]
 * @property {string[]} [ipAddresses] @property {string} [os] @property {string} [haState] @property {string} [pool]
 * @property {boolean} [backupCovered] @property {any[]} [filesystems]
 */
/** @typedef {Record<string, any> & {nodes:any[], vms:Guest[], containers:Guest[], storage:any[], pbs:any[], pbsBackups:any[], pveBackups:any, activeAlerts:any[], recentlyResolved:any[], connectionHealth:Record<string, boolean>, lastUpdate:string}} State */

const ROW = ['cpu', 'memory', 'disk', 'networkIn', 'networkOut', 'diskRead', 'diskWrite', 'uptime'];

/** @type {State} */
export let state = empty();
/** connecting: never had data; live; offline: had data, lost the server */
export let link = { status: 'connecting', since: Date.now(), lastData: 0 };

/** @returns {State} */
function empty() {
  return {
    nodes: [], vms: [], containers: [], storage: [], pbs: [], pbsBackups: [],
    pveBackups: { backupTasks: [], storageBackups: [], guestSnapshots: [] },
    activeAlerts: [], recentlyResolved: [], connectionHealth: {}, lastUpdate: '',
  };
}

/** @type {Set<(changed: 'state'|'link') => void>} */
const listeners = new Set();
/** @type {Map<string, Set<(data: any) => void>>} */
const events = new Map();

/** @param {(changed: 'state'|'link') => void} f @returns {() => void} stops listening */
export function subscribe(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

/** @param {string} type a message type such as `alert`, `discovery_update` @param {(data: any) => void} f */
export function on(type, f) {
  if (!events.has(type)) events.set(type, new Set());
  events.get(type)?.add(f);
  return () => events.get(type)?.delete(f);
}

/** @returns {Guest[]} VMs and containers together */
export function guests() {
  return [...state.vms, ...state.containers];
}

let scheduled = false;
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    publish();
  });
}

/** Tells every view that the state is another. */
export function publish() {
  listeners.forEach((f) => f('state'));
}

/** @param {string} status */
function setLink(status) {
  if (link.status === status) return;
  link = { ...link, status, since: Date.now() };
  listeners.forEach((f) => f('link'));
}

/** @type {WebSocket|null} */
let socket = null;
let wanted = false;
let seq = -1;
let retryMs = 1000;
let retryTimer = 0;
let silenceTimer = 0;

/** Opens the socket and keeps it open until `disconnect`. */
export function connect() {
  wanted = true;
  if (!socket) open();
}

/** Closes it for good (logout). */
export function disconnect() {
  wanted = false;
  clearTimeout(retryTimer);
  socket?.close();
  socket = null;
  state = empty();
  link = { status: 'connecting', since: Date.now(), lastData: 0 };
}

function open() {
  clearTimeout(retryTimer);
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const query = urlToken ? `?token=${encodeURIComponent(urlToken)}` : '';
  const ws = new WebSocket(`${scheme}://${location.host}/ws${query}`);
  socket = ws;
  ws.onopen = () => {
    ws.send(JSON.stringify({ type: 'subscribe', data: { deltas: true } }));
  };
  ws.onmessage = (message) => {
    retryMs = 1000;
    watch(ws);
    receive(ws, message.data);
  };
  ws.onclose = () => {
    if (socket !== ws) return;
    socket = null;
    setLink('offline');
    if (wanted) {
      retryTimer = setTimeout(open, retryMs);
      retryMs = Math.min(retryMs * 2, 30000);
    }
  };
}

/** A socket that says nothing for 75 s is dead, whatever the browser believes (sleep, lost Wi-Fi). @param {WebSocket} ws */
function watch(ws) {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => ws.close(), 75000);
}

/** @param {WebSocket} ws @param {string} text */
function receive(ws, text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return;
  }
  const { type, data } = message;
  if (type === 'initialState' || type === 'rawData') {
    state = { ...empty(), ...data };
    seq = typeof message.seq === 'number' ? message.seq : -1;
    gotData();
  } else if (type === 'delta') {
    if (seq >= 0 && data.seq !== seq + 1) ws.send('{"type":"requestData"}');
    seq = data.seq;
    applyDelta(state, data);
    gotData();
  } else if (type === 'ping') ws.send(JSON.stringify({ type: 'pong', data: { timestamp: Date.now() } }));
  events.get(type)?.forEach((f) => f(data));
}

function gotData() {
  link.lastData = Date.now();
  setLink('live');
  changed();
}

/**
 * Brings a state up to date. Changed guests and nodes are new objects, so that views can compare by identity.
 * @param {State} into @param {any} delta
 */
export function applyDelta(into, delta) {
  for (const list of ['vms', 'containers']) {
    if (!delta[list]) continue;
    const rows = new Map(delta[list].map((/** @type {any[]} */ row) => [row[0], row]));
    into[list] = into[list].map((/** @type {Guest} */ g) => {
      const row = rows.get(g.id);
      return row ? withFigures(g, row) : g;
    });
  }
  for (const path of new Set([...Object.keys(delta.set || {}), ...Object.keys(delta.del || {})])) {
    const [section, inner] = path.split('.');
    const list = inner ? into[section]?.[inner] : into[section];
    const next = withChanges(list || [], delta.set?.[path] || [], delta.del?.[path] || []);
    if (inner) into[section] = { ...into[section], [inner]: next };
    else into[section] = next;
  }
  for (const [key, value] of Object.entries(delta)) {
    if (!['seq', 'set', 'del', 'vms', 'containers'].includes(key)) into[key] = value;
  }
}

/** @param {any[]} list @param {any[]} set @param {string[]} gone @returns {any[]} */
function withChanges(list, set, gone) {
  const byId = new Map(set.map((o) => [o.id, o]));
  const drop = new Set(gone);
  const kept = list
    .filter((o) => !drop.has(o.id))
    .map((o) => {
      const fresh = byId.get(o.id);
      byId.delete(o.id);
      return fresh ? patched(o, fresh) : o;
    });
  return [...kept, ...byId.values()];
}

/** Only the keys that changed are sent; null says that one is gone. @param {any} old @param {any} keys */
function patched(old, keys) {
  const next = { ...old, ...keys };
  for (const key of Object.keys(keys)) if (keys[key] === null) delete next[key];
  return next;
}

/** @param {Guest} g @param {any[]} row @returns {Guest} */
function withFigures(g, row) {
  /** @type {any} */
  const next = { ...g };
  ROW.forEach((key, i) => {
    const value = row[i + 1];
    if (key === 'memory' || key === 'disk') {
      const { total } = g[key];
      next[key] = { total, used: value, free: Math.max(0, total - value), usage: total > 0 ? (value / total) * 100 : 0 };
    } else next[key] = value;
  });
  return next;
}

// A laptop that wakes up reconnects at once instead of waiting for its timer.
const wake = () => {
  if (wanted && !socket && document.visibilityState === 'visible') {
    retryMs = 1000;
    open();
  }
};
document.addEventListener('visibilitychange', wake);
window.addEventListener('online', wake);
