// Security: password, API tokens, lock-outs, the audit log.
// @ts-check
import { del, get, post } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { dateTime, when } from '../format.js';
import { busy, confirmed, field, input, select, toast } from '../ui.js';
import { firstRun } from '../firstrun.js';

/** @param {HTMLElement} body */
export async function security(body) {
  let status;
  try {
    status = await get('/api/security/status');
  } catch (e) {
    fill(body, h('p', { class: 'error' }, /** @type {Error} */ (e).message));
    return;
  }
  const tokens = h('section', { class: 'card block stack' });
  const audit = h('section', { class: 'card block' });
  fill(body,
    h('section', { class: 'card block' }, h('h2', {}, 'State'), h('ul', {}, [
      [status.hasAuthentication, 'A password protects this Pulse', 'No password: everybody in the network can change things'],
      [status.apiTokenConfigured, 'An API token is set', 'No API token is set'],
      [status.hasHTTPS, 'This page came over HTTPS', 'This page came over plain HTTP'],
    ].map(([good, yes, no]) => h('li', { class: good ? 'ok' : 'warn' }, good ? `✓ ${yes}` : `! ${no}`)))),
    status.hasAuthentication ? passwordForm() : firstRun(() => security(body)), tokens, audit);
  tokenList(tokens);
  auditLog(audit);
}

function passwordForm() {
  const current = input({ type: 'password', autocomplete: 'current-password', required: true });
  const next = input({ type: 'password', autocomplete: 'new-password', required: true, minlength: '8' });
  return h('form', {
    class: 'card block stack',
    onsubmit: (/** @type {SubmitEvent} */ e) => {
      e.preventDefault();
      busy(e.submitter, async () => {
        await post('/api/security/change-password', { currentPassword: current.value, newPassword: next.value }, { quiet: true });
        toast('The password is changed; log in again.');
        location.reload();
      });
    },
  }, h('h2', {}, 'Password'), h('div', { class: 'fields' }, field('Current password', current), field('New password', next, 'at least 8 characters')),
  h('div', {}, h('button', { type: 'submit' }, 'Change password')));
}

/** @param {HTMLElement} el */
async function tokenList(el) {
  const secret = h('p', { role: 'status' });
  const show = (/** @type {string} */ token) => fill(secret, 'Copy it now, it is not shown again: ', h('code', {}, token));
  const answer = await get('/api/security/tokens', { quiet: true }).catch(() => null);
  const list = Array.isArray(answer) ? answer : answer?.tokens || [];
  const name = input({ placeholder: 'what it is for', required: true, 'aria-label': 'Name of the token' });
  const scope = select([['read', 'Read'], ['manage', 'Read and change'], ['export', 'Export'], ['scrape', 'Metrics only']], 'read', { 'aria-label': 'What it may do' });
  const days = input({ type: 'number', min: '0', placeholder: 'never', 'aria-label': 'Days until it expires' });
  fill(el, h('h2', {}, 'API tokens'),
    list.length ? h('div', { class: 'scroll' }, h('table', { class: 'plain-table' }, h('thead', {}, h('tr', {}, ['Name', 'May', 'Last used', 'Expires', ''].map((t) => h('th', { scope: 'col' }, t)))),
      h('tbody', {}, list.map((/** @type {any} */ t) => h('tr', {}, h('td', {}, t.name), h('td', {}, [].concat(t.scopes || t.scope || []).join(', ')), h('td', {}, dateTime(when(t.lastUsed))), h('td', {}, when(t.expires || t.expiresAt) === null ? 'never' : dateTime(when(t.expires || t.expiresAt))),
        h('td', { class: 'end' }, h('button', { type: 'button', class: 'danger', onclick: async (/** @type {Event} */ e) => {
          if (await confirmed(`Revoke the token ${t.name}?`, 'Whoever uses it is refused at once.', 'Revoke')) busy(e.target, async () => { await del(`/api/security/tokens/${encodeURIComponent(t.id)}`); tokenList(el); });
        } }, 'Revoke'))))))) : h('p', { class: 'dim' }, 'No named token.'),
    h('form', {
      class: 'tools',
      onsubmit: (/** @type {SubmitEvent} */ e) => {
        e.preventDefault();
        busy(e.submitter, async () => {
          const made = await post('/api/security/tokens', { name: name.value.trim(), scopes: scope.value === 'manage' ? ['read', 'manage'] : [scope.value], ...(Number(days.value) > 0 ? { expiresInDays: Number(days.value) } : {}) });
          await tokenList(el);
          const shown = h('p', { role: 'status' }, 'Copy it now, it is not shown again: ', h('code', {}, made.token));
          el.append(shown);
        });
      },
    }, name, scope, days, 'days', h('button', { type: 'submit' }, 'New token')),
    h('div', { class: 'tools' }, h('button', { type: 'button', onclick: async (/** @type {Event} */ e) => {
      if (await confirmed('Make a new main token?', 'The token set as API_TOKEN stops working at once.', 'Make a new one')) busy(e.target, async () => show((await post('/api/security/regenerate-token')).token));
    } }, 'Regenerate the main API token')), secret);
}

/** @param {HTMLElement} el */
async function auditLog(el) {
  const out = h('div');
  const who = input({ placeholder: 'user or address', 'aria-label': 'User or address' });
  fill(el, h('h2', {}, 'Audit log'), h('div', { class: 'tools' }, who, h('button', {
    type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, async () => { const r = await post('/api/security/reset-lockout', { identifier: who.value.trim() }); toast(r.message || 'Done'); }),
  }, 'Lift a lock-out')), out);
  const answer = await get('/api/security/audit?limit=100', { quiet: true }).catch(() => null);
  const events = Array.isArray(answer) ? answer : answer?.events || [];
  if (!events.length) {
    setText(out, 'No event yet.');
    return;
  }
  fill(out, h('div', { class: 'scroll' }, h('table', { class: 'plain-table' }, h('thead', {}, h('tr', {}, ['Time', 'Who', 'From', 'What', 'Outcome'].map((t) => h('th', { scope: 'col' }, t)))),
    h('tbody', {}, events.map((/** @type {any} */ a) => h('tr', {}, h('td', { class: 'nowrap' }, dateTime(when(a.time))), h('td', {}, a.actor || ''), h('td', {}, a.peer || ''), h('td', {}, [a.action, a.target].filter(Boolean).join(' ')), h('td', {}, a.outcome || '')))))));
}

