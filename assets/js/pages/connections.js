// The configured connections: state, add, change, test, remove; set-up by script; hosts found in the network.
// @ts-check
import { del, get, post, put } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { on } from '../store.js';
import { busy, check, confirmed, field, input, select, toast } from '../ui.js';

const FLAGS = {
  pve: [['monitorVMs', 'Virtual machines'], ['monitorContainers', 'Containers'], ['monitorStorage', 'Storage'], ['monitorBackups', 'Backups']],
  pbs: [['monitorDatastores', 'Datastores'], ['monitorSyncJobs', 'Sync jobs'], ['monitorVerifyJobs', 'Verify jobs'], ['monitorPruneJobs', 'Prune jobs'], ['monitorGarbageJobs', 'Garbage collection']],
};

/** @param {HTMLElement} body @returns {() => void} */
export function connections(body) {
  const list = h('div', { class: 'stack' });
  const form = h('div');
  const found = h('div');
  const add = (/** @type {string} */ type) => fill(form, nodeForm({ type, verifySSL: false }, done, () => fill(form)));
  const done = () => { fill(form); load(); };
  fill(body, list,
    h('div', { class: 'tools' },
      h('button', { type: 'button', class: 'primary', onclick: () => add('pve') }, 'Add Proxmox VE'),
      h('button', { type: 'button', onclick: () => add('pbs') }, 'Add Backup Server'),
      h('button', { type: 'button', onclick: () => fill(form, scriptForm(() => fill(form))) }, 'Set up by script')),
    form, found);

  async function load() {
    try {
      const nodes = await get('/api/config/nodes');
      fill(list, nodes.length ? nodes.map((/** @type {any} */ n) => row(n)) : h('div', { class: 'card empty' },
        h('h2', {}, 'No connection yet'), h('p', {}, 'Add a Proxmox VE host or a Backup Server with a user or an API token, or let a script make both for you.')));
    } catch (e) {
      fill(list, h('p', { class: 'error' }, /** @type {Error} */ (e).message));
    }
  }

  /** @param {any} n */
  function row(n) {
    const said = h('span', { role: 'status', class: 'dim' });
    const good = n.status === 'connected';
    return h('article', { class: 'card' }, h('div', { class: 'top' },
      h('span', { class: good ? 'dot ok' : 'dot crit', role: 'img', 'aria-label': n.status }), h('b', { title: n.name }, n.name), h('span', { class: 'badge' }, n.type === 'pve' ? 'VE' : 'Backup'),
      h('span', { class: 'dim' }, `${n.host} · ${n.status}${n.isCluster ? ` · cluster ${n.clusterName}` : ''}${n.error ? ` · ${n.error}` : ''}`)),
    h('div', { class: 'tools end-row' }, said, h('span', { class: 'fill' }),
      h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, async () => {
        const answer = await post(`/api/config/nodes/${n.id}/test`);
        said.className = answer.status === 'success' ? 'ok' : 'crit';
        setText(said, answer.message + (answer.latency !== undefined ? ` (${answer.latency} ms)` : ''));
      }) }, 'Test'),
      h('button', { type: 'button', onclick: () => fill(form, nodeForm(n, done, () => fill(form))) }, 'Change'),
      h('button', { type: 'button', class: 'danger', onclick: async (/** @type {Event} */ e) => {
        if (await confirmed(`Remove ${n.name}?`, 'Pulse stops watching it. Its charts are kept for a while, the host itself is not touched.', 'Remove')) busy(e.target, async () => { await del(`/api/config/nodes/${n.id}`); load(); });
      } }, 'Remove')));
  }

  function showFound(/** @type {any} */ answer) {
    const servers = (answer?.servers || []).filter((/** @type {any} */ s) => !s.configured);
    if (!servers.length) return fill(found, h('p', { class: 'dim' }, answer?.scanning ? 'Looking for Proxmox hosts in your network …' : (answer?.errors || []).join('; ')));
    fill(found, h('section', { class: 'card block' }, h('h2', {}, 'Found in your network'), servers.map((/** @type {any} */ s) => h('div', { class: 'tools' },
      h('b', {}, s.hostname || s.name || s.ip || s.host), h('span', { class: 'dim' }, `${s.type === 'pbs' ? 'Backup Server' : 'Proxmox VE'} ${s.version || ''} at ${s.ip || s.host}:${s.port}`),
      h('button', { type: 'button', onclick: () => fill(form, nodeForm({ type: s.type, name: s.hostname || s.name || '', host: `https://${s.ip || s.host}:${s.port}` }, done, () => fill(form))) }, 'Add')))));
  }
  load();
  get('/api/discover', { quiet: true }).then(showFound, () => {});
  const stops = [on('discovery_started', (d) => found.querySelector('button') || showFound(d)), on('discovery_update', showFound), on('node_auto_registered', () => { toast('A host has registered itself.'); load(); }), on('node_deleted', load)];
  const timer = setInterval(load, 15000);
  return () => { clearInterval(timer); stops.forEach((f) => f && f()); };
}

/** @param {any} n @param {() => void} done @param {() => void} cancel */
function nodeForm(n, done, cancel) {
  const isNew = !n.id;
  const pbs = n.type === 'pbs';
  const name = input({ value: n.name || '', placeholder: 'as you call it' });
  const host = input({ value: n.host || '', required: true, placeholder: pbs ? 'https://pbs.lan:8007' : 'https://pve.lan:8006' });
  const how = select([['token', 'API token'], ['password', 'User and password']], n.hasPassword && !n.hasToken ? 'password' : 'token', { onchange: () => showHow() });
  const tokenName = input({ value: n.tokenName || '', placeholder: pbs ? 'pulse-monitor@pbs!pulse' : 'pulse-monitor@pam!pulse' });
  const tokenValue = input({ type: 'password', autocomplete: 'off', placeholder: isNew ? '' : 'unchanged when blank' });
  const user = input({ value: n.user || '', placeholder: pbs ? 'monitor@pbs' : 'monitor@pam' });
  const password = input({ type: 'password', autocomplete: 'new-password', placeholder: isNew ? '' : 'unchanged when blank' });
  const fingerprint = input({ value: n.fingerprint || '', placeholder: 'SHA-256; empty: not pinned', title: 'SHA-256 fingerprint of the certificate' });
  const verify = check('Check the certificate against known authorities', Boolean(n.verifySSL));
  const flags = FLAGS[pbs ? 'pbs' : 'pve'].map(([key, label]) => ({ key, ...check(label, isNew ? true : Boolean(n[key])) }));
  const credentials = h('div', { class: 'fields' });
  const showHow = () => fill(credentials, ...(how.value === 'token' ? [field('Token', tokenName, 'user@realm!name'), field('Secret', tokenValue)] : [field('User', user), field('Password', password)]));
  showHow();
  const said = h('p', { role: 'status' });
  const pin = h('div');
  const collect = () => ({
    type: n.type, name: name.value.trim() || host.value.replace(/^https?:\/\//, '').split(/[:/]/)[0], host: host.value.trim(), verifySSL: verify.input.checked, fingerprint: fingerprint.value.trim(),
    ...(how.value === 'token' ? { tokenName: tokenName.value.trim(), tokenValue: tokenValue.value } : { user: user.value.trim(), password: password.value }),
    ...Object.fromEntries(flags.map((f) => [f.key, f.input.checked])),
  });
  const testNow = async () => {
    said.className = 'dim';
    setText(said, 'Connecting …');
    fill(pin);
    try {
      const answer = await post('/api/config/nodes/test-connection', collect());
      said.className = 'ok';
      setText(said, answer.message);
      offerPin(answer.fingerprint);
    } catch (e) {
      said.className = 'crit';
      setText(said, /** @type {Error} */ (e).message);
      offerPin(/** @type {any} */ (e).body?.fingerprint);
    }
  };
  /** Trust on first use: shows the certificate and offers to accept only this one. @param {string|undefined} print */
  const offerPin = (print) => {
    if (!print || print === fingerprint.value) return;
    fill(pin, h('p', {}, 'Its certificate: ', h('code', {}, print)), h('button', { type: 'button', onclick: () => { fingerprint.value = print; fill(pin); } }, 'Accept only this certificate'));
  };
  return h('form', {
    class: 'card block stack',
    onsubmit: (/** @type {SubmitEvent} */ e) => {
      e.preventDefault();
      busy(e.submitter, async () => {
        if (isNew) await post('/api/config/nodes', collect());
        else await put(`/api/config/nodes/${n.id}`, collect());
        toast(isNew ? 'Added. Its figures appear within ten seconds.' : 'Saved');
        done();
      });
    },
  }, h('h2', {}, `${isNew ? 'Add' : 'Change'} ${pbs ? 'a Backup Server' : 'a Proxmox VE host'}`),
  h('div', { class: 'fields' }, field('Address', host), field('Name', name), field('Credential', how)), credentials,
  h('div', { class: 'fields' }, field('Fingerprint', fingerprint)), verify.el, h('div', { class: 'tools' }, flags.map((f) => f.el)),
  h('div', { class: 'tools' }, h('button', { type: 'submit', class: 'primary' }, isNew ? 'Add' : 'Save'),
    h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, testNow) }, 'Test'), h('button', { type: 'button', onclick: cancel }, 'Cancel')), said, pin);
}

/** A command for the host's own shell that makes user, role and token and registers them here. @param {() => void} cancel */
function scriptForm(cancel) {
  const type = select([['pve', 'Proxmox VE'], ['pbs', 'Backup Server']], 'pve');
  const host = input({ required: true, placeholder: 'https://192.168.1.10:8006' });
  const backups = check('May read backup files', true);
  const out = h('div');
  return h('form', {
    class: 'card block stack',
    onsubmit: (/** @type {SubmitEvent} */ e) => {
      e.preventDefault();
      busy(e.submitter, async () => {
        const answer = await post('/api/setup-script-url', { type: type.value, host: host.value.trim(), backupPerms: backups.input.checked });
        const command = h('code', {}, answer.command);
        fill(out, h('p', {}, 'Run this as root on the host:'), h('pre', { class: 'code card' }, command),
          h('p', {}, 'Set-up code: ', h('b', {}, answer.setupCode), `, good until ${new Date(answer.expires * 1000).toLocaleTimeString()}`),
          h('button', { type: 'button', onclick: async () => { await navigator.clipboard.writeText(answer.command); toast('Copied'); } }, 'Copy command'));
      });
    },
  }, h('h2', {}, 'Set up by script'), h('div', { class: 'fields' }, field('Kind', type), field('Address', host)), backups.el,
  h('div', { class: 'tools' }, h('button', { type: 'submit', class: 'primary' }, 'Make the command'), h('button', { type: 'button', onclick: cancel }, 'Cancel')), out);
}
