// Settings: connections, system, security, backup and restore, diagnostics.
// @ts-check
import { call, get, post } from '../api.js';
import { fill, h, setAttr, setText } from '../dom.js';
import { bytes } from '../format.js';
import { getParam, setParams } from '../route.js';
import { busy, check, confirmed, field, input, select, toast } from '../ui.js';
import { connections } from './connections.js';
import { security } from './security.js';

const TABS = [['', 'Connections'], ['system', 'System'], ['security', 'Security'], ['transfer', 'Backup and restore'], ['diagnostics', 'Diagnostics']];

/** @param {HTMLElement} view */
export function open(view) {
  const tabs = h('div', { class: 'seg', role: 'tablist', 'aria-label': 'Settings' }, TABS.map(([key, label]) => h('button', {
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
    close = () => {};
    fill(body);
    if (tab === 'system') system(body);
    else if (tab === 'security') security(body);
    else if (tab === 'transfer') transfer(body);
    else if (tab === 'diagnostics') diagnostics(body);
    else close = connections(body);
  }
  show();
  return { close: () => close(), routed: show };
}

/** @param {HTMLElement} body */
async function system(body) {
  let s;
  try {
    s = await get('/api/system/settings');
  } catch (e) {
    fill(body, h('p', { class: 'error' }, /** @type {Error} */ (e).message));
    return;
  }
  const locked = s.envOverrides || {};
  const lock = (/** @type {string} */ key) => (locked[key] ? { disabled: true, title: 'Set by an environment variable' } : {});
  const pve = input({ type: 'number', min: '5', max: '3600', value: String(s.pvePollingInterval || 10) });
  const timeout = input({ type: 'number', min: '1', max: '300', value: String(s.connectionTimeout || 10), ...lock('connectionTimeout') });
  const origins = input({ value: s.allowedOrigins || '', placeholder: 'https://dashboard.example', ...lock('allowedOrigins') });
  const level = select([['debug', 'Debug'], ['info', 'Information'], ['warn', 'Warnings'], ['error', 'Errors']], s.logLevel || 'info', lock('logLevel'));
  const discovery = check('Look for Proxmox hosts in my network', Boolean(s.discoveryEnabled));
  if (locked.discoveryEnabled) discovery.input.disabled = true;
  const subnet = input({ value: s.discoverySubnet || 'auto', placeholder: 'auto or 192.168.1.0/24', ...lock('discoverySubnet') });
  const channel = select([['stable', 'Stable'], ['rc', 'Release candidates']], s.updateChannel || 'stable');
  const embedding = check('May be shown inside other pages (frames)', Boolean(s.allowEmbedding));
  const save = async () => {
    await post('/api/system/settings/update', {
      pvePollingInterval: Number(pve.value) || 10, connectionTimeout: Number(timeout.value) || 10, allowedOrigins: origins.value.trim(), logLevel: level.value,
      discoveryEnabled: discovery.input.checked, discoverySubnet: subnet.value.trim() || 'auto', updateChannel: channel.value, allowEmbedding: embedding.input.checked,
    });
    toast('Saved');
  };
  fill(body,
    h('fieldset', { class: 'card block' }, h('legend', {}, 'Polling'), h('div', { class: 'fields' },
      field('Seconds between two looks at a host', pve, '5 to 3600; 10 is the usual'), field('Seconds to wait for an answer', timeout))),
    h('fieldset', { class: 'card block stack' }, h('legend', {}, 'Network'), discovery.el, h('div', { class: 'fields' },
      field('Networks to look in', subnet), field('Origins that may read the API', origins, 'separated by commas; empty: only this page')), embedding.el),
    h('fieldset', { class: 'card block' }, h('legend', {}, 'Log and updates'), h('div', { class: 'fields' }, field('Log', level), field('Updates', channel))),
    h('div', { class: 'tools' }, h('button', { type: 'button', class: 'primary', onclick: (/** @type {Event} */ e) => busy(e.target, save) }, 'Save')));
}

/** @param {HTMLElement} body */
function transfer(body) {
  const out = input({ type: 'password', minlength: '12', autocomplete: 'new-password', placeholder: 'at least 12 characters' });
  const in_ = input({ type: 'password', autocomplete: 'off' });
  const file = input({ type: 'file', accept: '.json,.enc,.txt,application/json' });
  const exportNow = async () => {
    if (out.value.length < 12) throw new Error('The passphrase needs at least 12 characters.');
    const answer = await post('/api/config/export', { passphrase: out.value });
    const url = URL.createObjectURL(new Blob([JSON.stringify(answer)], { type: 'application/json' }));
    const a = h('a', { href: url, download: `pulse-config-${new Date().toISOString().slice(0, 10)}.json` });
    document.body.append(a);
    a.click();
    a.remove();
    URL.revokeObjectURL(url);
    toast('Exported. Keep the passphrase: without it the file is of no use.');
  };
  const importNow = async () => {
    const chosen = file.files?.[0];
    if (!chosen) throw new Error('Choose the exported file first.');
    if (!(await confirmed('Replace the configuration?', 'Connections, alert rules and destinations are replaced by those in the file. The password and tokens of this Pulse stay.', 'Import'))) return;
    const text = await chosen.text();
    let data = text.trim();
    try {
      data = JSON.parse(text).data || data;
    } catch {
      // Not the wrapped form: the text is the data itself.
    }
    await call('POST', '/api/config/import', { passphrase: in_.value, data });
    toast('Imported. The connections are polled now.');
  };
  fill(body,
    h('fieldset', { class: 'card block stack' }, h('legend', {}, 'Export'),
      h('p', { class: 'dim' }, 'Connections with their credentials, alert rules, mail and webhooks, settings and notes, encrypted with your passphrase. Passwords and tokens of this Pulse are not in it.'),
      h('div', { class: 'fields' }, field('Passphrase', out)), h('div', {}, h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, exportNow) }, 'Export'))),
    h('fieldset', { class: 'card block stack' }, h('legend', {}, 'Import'),
      h('div', { class: 'fields' }, field('File', file), field('Passphrase', in_)), h('div', {}, h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, importNow) }, 'Import'))));
}

/** @param {HTMLElement} body */
async function diagnostics(body) {
  const out = h('pre', { class: 'code card' }, 'Loading …');
  const copy = h('button', { type: 'button', onclick: async () => { await navigator.clipboard.writeText(out.textContent || ''); toast('Copied'); } }, 'Copy');
  const version = h('p', {});
  fill(body, version, h('div', { class: 'tools' }, copy), out);
  get('/api/version', { quiet: true }).then((v) => setText(version, `Pulse ${v.version} · ${v.deploymentType || ''} · ${v.channel || ''}`), () => {});
  try {
    const d = await get('/api/diagnostics');
    setText(out, JSON.stringify(d, null, 2));
    if (d.memory?.rssBytes) version.append(` · ${bytes(d.memory.rssBytes)} of memory`);
  } catch (e) {
    setText(out, /** @type {Error} */ (e).message);
  }
}
