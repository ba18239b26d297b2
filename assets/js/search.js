// The search box's language: free text, `name:` `node:` `tag:` `type:` `status:` `pool:` `vmid:`, `cpu>80`, `memory<20`, `disk>=90`,
// `backup>7d` (also `backup:none`), joined by AND (or nothing), OR, comma (= OR), NOT or a leading minus, and parentheses.
// @ts-check
import { when } from './format.js';

/** @typedef {(g: any) => boolean} Test */

const TOKEN = /\s*(\(|\)|,|"[^"]*"|[^\s(),"]*:"[^"]*"|[^\s(),]+)/y;
const COMPARE = /^(cpu|mem|memory|disk|backup|uptime|vmid)(>=|<=|>|<|=)(\d+(?:\.\d+)?)([a-z%]*)$/i;
const FIELD = /^(name|node|tag|tags|type|status|pool|vmid|id|instance|ip|os|backup|lock):(.*)$/i;
const SECONDS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** @param {string} text @returns {string[]} */
function tokens(text) {
  const out = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (!match) break;
    out.push(match[1]);
  }
  return out;
}

/**
 * @param {string} text
 * @returns {Test|null} null when the box is empty
 */
export function parse(text) {
  const list = tokens(text.trim());
  if (!list.length) return null;
  let at = 0;
  const peek = () => list[at];

  /** @returns {Test} */
  function or() {
    let left = and();
    while (at < list.length && (peek() === ',' || peek().toUpperCase() === 'OR')) {
      at += 1;
      if (at >= list.length || peek() === ')') break;
      const a = left;
      const b = and();
      left = (g) => a(g) || b(g);
    }
    return left;
  }
  /** @returns {Test} */
  function and() {
    let left = not();
    while (at < list.length && peek() !== ')' && peek() !== ',' && peek().toUpperCase() !== 'OR') {
      if (peek().toUpperCase() === 'AND') at += 1;
      if (at >= list.length) break;
      const a = left;
      const b = not();
      left = (g) => a(g) && b(g);
    }
    return left;
  }
  /** @returns {Test} */
  function not() {
    if (at >= list.length) return () => true;
    const token = list[at];
    if (token.toUpperCase() === 'NOT') {
      at += 1;
      const inner = not();
      return (g) => !inner(g);
    }
    if (token === '(') {
      at += 1;
      const inner = or();
      if (peek() === ')') at += 1;
      return inner;
    }
    at += 1;
    if (token.length > 1 && token.startsWith('-') && !/^-\d/.test(token)) {
      const inner = term(token.slice(1));
      return (g) => !inner(g);
    }
    return token === ')' || token === ',' ? () => true : term(token);
  }
  const test = or();
  return test;
}

/** @param {string} token @returns {Test} */
function term(token) {
  const compare = COMPARE.exec(token);
  if (compare) return comparison(compare[1].toLowerCase(), compare[2], Number(compare[3]), compare[4].toLowerCase());
  const field = FIELD.exec(token);
  if (field) return fieldTest(field[1].toLowerCase(), unquote(field[2]).toLowerCase());
  const needle = unquote(token).toLowerCase();
  return (g) => haystack(g).includes(needle);
}

/** @param {string} text */
const unquote = (text) => text.replace(/^"|"$/g, '');

/** @type {WeakMap<object, string>} */
const haystacks = new WeakMap();
/** @param {any} g */
function haystack(g) {
  let text = haystacks.get(g);
  if (text === undefined) {
    text = [g.name, g.vmid, g.node, g.instance, g.status, g.pool, g.os, ...(g.tags || []), ...(g.ipAddresses || [])]
      .filter(Boolean).join('\n').toLowerCase();
    haystacks.set(g, text);
  }
  return text;
}

/** @param {string} field @param {string} value @returns {Test} */
function fieldTest(field, value) {
  const has = (/** @type {any} */ v) => String(v ?? '').toLowerCase().includes(value);
  switch (field) {
    case 'tag': case 'tags': return (g) => (g.tags || []).some(has);
    case 'ip': return (g) => (g.ipAddresses || []).some(has);
    case 'vmid': return (g) => String(g.vmid ?? '').startsWith(value);
    case 'type': return (g) => has(g.type) || (value === 'vm' && g.type === 'qemu') || (value === 'ct' && g.type === 'lxc');
    case 'backup': return (g) => (value === 'none' ? when(g.lastBackup) === null : when(g.lastBackup) !== null);
    default: return (g) => has(g[field]);
  }
}

/** @param {string} field @param {string} op @param {number} n @param {string} unit @returns {Test} */
function comparison(field, op, n, unit) {
  const compare = (/** @type {number} */ v, /** @type {number} */ than) => {
    switch (op) {
      case '>': return v > than;
      case '<': return v < than;
      case '>=': return v >= than;
      case '<=': return v <= than;
      default: return Math.abs(v - than) <= 0.5;
    }
  };
  switch (field) {
    case 'cpu': return (g) => compare((g.cpu || 0) * 100, n);
    case 'mem': case 'memory': return (g) => compare(g.memory?.usage ?? 0, n);
    case 'disk': return (g) => g.diskSource !== 'unknown' && compare(g.disk?.usage ?? 0, n);
    case 'vmid': return (g) => compare(g.vmid, n);
    case 'uptime': return (g) => compare(g.uptime || 0, n * (SECONDS[/** @type {'d'} */ (unit)] || 1));
    default: {
      const seconds = n * (SECONDS[/** @type {'d'} */ (unit)] || 86400);
      return (g) => {
        const last = when(g.lastBackup);
        return compare(last === null ? Number.MAX_SAFE_INTEGER : (Date.now() - last) / 1000, seconds);
      };
    }
  }
}
