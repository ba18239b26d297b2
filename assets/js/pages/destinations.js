// Where notices go: mail and webhooks, each with a test that tells the receiver's own words, and what was delivered.
// @ts-check
import { del, get, post, put } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { dateTime, when } from '../format.js';
import { busy, check, confirmed, field, input, select, toast } from '../ui.js';

/** @param {HTMLElement} body */
export function destinations(body) {
  const mail = h('fieldset', { class: 'card block stack' }, h('legend', {}, 'Mail'));
  const hooks = h('section', { class: 'card block stack' });
  const log = h('section', { class: 'card block' });
  fill(body, mail, hooks, log);
  mailForm(mail);
  webhookList(hooks);
  deliveries(log);
  return () => {};
}

/** @param {HTMLElement} el */
async function mailForm(el) {
  let config;
  let providers;
  try {
    [config, providers] = await Promise.all([get('/api/notifications/email'), get('/api/notifications/email-providers')]);
  } catch (e) {
    el.append(h('p', { class: 'error' }, /** @type {Error} */ (e).message));
    return;
  }
  const on = check('Send mail', config.enabled);
  const help = h('p', { class: 'dim pre' });
  const provider = select([['', 'Choose a provider'], ...providers.map((/** @type {any} */ p) => [p.name, p.name])], config.provider || '', {
    onchange: () => {
      const p = providers.find((/** @type {any} */ x) => x.name === provider.value);
      if (!p) return;
      server.value = p.smtpHost;
      port.value = String(p.smtpPort);
      security.value = p.startTLS ? 'starttls' : p.tls ? 'tls' : 'none';
      setText(help, p.instructions);
    },
  });
  const server = input({ value: config.server, placeholder: 'smtp.example.org' });
  const port = input({ type: 'number', min: '1', max: '65535', value: String(config.port || 587) });
  const security = select([['starttls', 'STARTTLS'], ['tls', 'TLS from the start'], ['none', 'as the server offers']], config.startTLS ? 'starttls' : config.tls ? 'tls' : 'none');
  const user = input({ value: config.username, autocomplete: 'off' });
  const password = input({ type: 'password', autocomplete: 'new-password', placeholder: 'unchanged when blank' });
  const from = input({ type: 'email', value: config.from });
  const to = input({ value: (config.to || []).join(', '), placeholder: 'one or more addresses, separated by commas' });
  const collect = () => ({
    ...config, enabled: on.input.checked, provider: provider.value, server: server.value.trim(), port: Number(port.value) || 587,
    username: user.value.trim(), password: password.value, from: from.value.trim(), to: to.value.split(/[\s,;]+/).filter(Boolean),
    tls: security.value !== 'none', startTLS: security.value === 'starttls',
  });
  const said = h('p', { role: 'status' });
  el.append(on.el, h('div', { class: 'fields' }, field('Provider', provider), field('Server', server), field('Port', port), field('Security', security),
    field('User', user), field('Password', password), field('From', from), field('To', to, 'empty: to the sender')), help,
  h('div', { class: 'tools' },
    h('button', { type: 'button', class: 'primary', onclick: (/** @type {Event} */ e) => busy(e.target, async () => { await put('/api/notifications/email', collect()); password.value = ''; toast('Saved'); }) }, 'Save'),
    h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, () => test(said, post('/api/notifications/test', { method: 'email', config: { ...collect(), enabled: true } }))) }, 'Send a test mail')), said);
}

/** Shows what came of a test. @param {HTMLElement} said @param {Promise<any>} sending */
async function test(said, sending) {
  said.className = 'dim';
  setText(said, 'Sending …');
  try {
    const answer = await sending;
    said.className = 'ok';
    setText(said, answer.response ? `Delivered; the receiver says: ${answer.response}` : answer.message || 'Delivered.');
  } catch (e) {
    said.className = 'crit';
    setText(said, /** @type {Error} */ (e).message);
  }
}

/** @param {HTMLElement} el */
async function webhookList(el) {
  let list;
  let templates;
  try {
    [list, templates] = await Promise.all([get('/api/notifications/webhooks'), get('/api/notifications/webhook-templates')]);
  } catch (e) {
    fill(el, h('h2', {}, 'Webhooks'), h('p', { class: 'error' }, /** @type {Error} */ (e).message));
    return;
  }
  const again = () => webhookList(el);
  fill(el, h('h2', {}, 'Webhooks'),
    list.length ? list.map((/** @type {any} */ w) => h('details', { class: 'card' }, h('summary', {}, h('span', { class: w.enabled ? 'dot ok' : 'dot off' }), ' ', h('b', {}, w.name), ` · ${w.service || 'generic'}`), webhookForm(w, templates, again)))
      : h('p', { class: 'dim' }, 'No webhook yet.'),
    h('details', { class: 'card' }, h('summary', {}, 'Add a webhook'), webhookForm({ name: '', url: '', method: 'POST', service: 'generic', enabled: true, headers: {}, template: '' }, templates, again)));
}

/** @param {any} w @param {any[]} templates @param {() => void} changed */
function webhookForm(w, templates, changed) {
  const name = input({ value: w.name, required: true });
  const url = input({ type: 'url', value: w.url, required: true, placeholder: 'https://' });
  const help = h('p', { class: 'dim pre' });
  const service = select(templates.map((t) => [t.service, t.name]), w.service || 'generic', {
    onchange: () => {
      const t = templates.find((x) => x.service === service.value);
      url.placeholder = t?.urlPattern || 'https://';
      setText(help, t?.instructions || '');
    },
  });
  const method = select([['POST', 'POST'], ['PUT', 'PUT'], ['GET', 'GET']], w.method || 'POST');
  const headers = /** @type {HTMLTextAreaElement} */ (h('textarea', { rows: '2', placeholder: 'Name: value, one a line' }));
  headers.value = Object.entries(w.headers || {}).map(([k, v]) => `${k}: ${v}`).join('\n');
  const template = /** @type {HTMLTextAreaElement} */ (h('textarea', { rows: '5', class: 'code', spellcheck: 'false', placeholder: 'empty: the service\'s own form' }));
  template.value = w.template || '';
  const on = check('Enabled', w.enabled);
  const said = h('p', { role: 'status' });
  const collect = () => ({
    ...w, name: name.value.trim(), url: url.value.trim(), service: service.value, method: method.value, template: template.value, enabled: on.input.checked,
    headers: Object.fromEntries(headers.value.split('\n').map((l) => l.split(/:(.*)/s)).filter((p) => p.length > 1 && p[0].trim()).map((p) => [p[0].trim(), p[1].trim()])),
  });
  return h('form', {
    class: 'stack',
    onsubmit: (/** @type {SubmitEvent} */ e) => {
      e.preventDefault();
      busy(e.submitter, async () => {
        if (w.id) await put(`/api/notifications/webhooks/${encodeURIComponent(w.id)}`, collect());
        else await post('/api/notifications/webhooks', collect());
        toast('Saved');
        changed();
      });
    },
  }, h('div', { class: 'fields' }, field('Name', name), field('Service', service), field('URL', url), field('Method', method)), help,
  field('Headers', headers), field('Template', template, 'Go template; fields such as {{.Level}}, {{.Message}}, {{.Value}}'), on.el,
  h('div', { class: 'tools' }, h('button', { type: 'submit', class: 'primary' }, 'Save'),
    h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, () => test(said, post('/api/notifications/webhooks/test', collect()))) }, 'Send a test'),
    w.id ? h('button', {
      type: 'button', class: 'danger', onclick: async (/** @type {Event} */ e) => {
        if (await confirmed(`Delete the webhook ${w.name}?`, 'Alerts are no longer sent there.', 'Delete')) busy(e.target, async () => { await del(`/api/notifications/webhooks/${encodeURIComponent(w.id)}`); changed(); });
      },
    }, 'Delete') : null), said);
}

/** @param {HTMLElement} el */
async function deliveries(el) {
  const list = await get('/api/notifications/history', { quiet: true }).catch(() => []);
  const items = (Array.isArray(list) ? list : list.history || list.deliveries || []).slice(-50).reverse();
  fill(el, h('h2', {}, 'Delivered'), items.length ? h('div', { class: 'scroll' }, h('table', { class: 'plain-table' },
    h('thead', {}, h('tr', {}, ['Time', 'Channel', 'Alerts', 'Outcome', 'Tries'].map((t) => h('th', { scope: 'col' }, t)))),
    h('tbody', {}, items.map((/** @type {any} */ d) => h('tr', {}, h('td', { class: 'nowrap' }, dateTime(when(d.timestamp))), h('td', {}, d.channel || d.webhookName || ''),
      h('td', {}, [].concat(d.alertIds || d.alertId || []).join(', ')), h('td', { class: d.success ? 'ok' : 'crit' }, d.success ? `delivered${d.statusCode ? ` (${d.statusCode})` : ''}` : d.errorMessage || d.error || `failed (${d.statusCode})`),
      h('td', {}, String(d.attempts ?? (d.retryAttempts ?? 0) + 1)))))))
    : h('p', { class: 'dim' }, 'Nothing was sent yet.'));
}
