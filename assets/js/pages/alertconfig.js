// The alert configuration: thresholds for all, delays, schedule. Shows what a change would have meant before it is saved.
// @ts-check
import { get, post, put } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { busy, check, field, input, toast } from '../ui.js';

const PERCENT = [['cpu', 'CPU'], ['memory', 'Memory'], ['disk', 'Disk']];
const IO = [['diskRead', 'Disk read'], ['diskWrite', 'Disk write'], ['networkIn', 'Network in'], ['networkOut', 'Network out']];
const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];

/** @param {HTMLElement} body */
export function thresholdsForm(body) {
  load(body, (config) => {
    const rows = [
      group(config, 'guestDefaults', 'Guests', [...PERCENT, ...IO]),
      group(config, 'nodeDefaults', 'Nodes and backup servers', PERCENT),
    ];
    const storage = number(config.storageDefault?.trigger ?? 85);
    const delay = number(config.timeThreshold ?? 0, 'Seconds');
    const enabled = check('Alerts are on', config.enabled !== false);
    const preview = h('p', { class: 'dim', role: 'status' });
    const collect = () => {
      const next = structuredClone(config);
      next.enabled = enabled.input.checked;
      rows.forEach((r) => r.collect(next));
      next.storageDefault = pair(Number(storage.value) || 85, config.storageDefault);
      next.timeThreshold = Math.max(0, Math.round(Number(delay.value) || 0));
      return next;
    };
    return [
      h('div', { class: 'card block' }, enabled.el),
      ...rows.map((r) => r.el),
      h('fieldset', { class: 'card block' }, h('legend', {}, 'Storage and delay'), h('div', { class: 'fields' },
        field('Storage and datastores, percent used', storage),
        field('Delay in seconds', delay, 'How long a figure must stay above its threshold before an alert is raised'))),
      h('div', { class: 'tools' },
        h('button', { type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, async () => setText(preview, await previewText(collect()))) }, 'Preview'),
        h('button', { type: 'button', class: 'primary', onclick: (/** @type {Event} */ e) => busy(e.target, () => save(collect())) }, 'Save'), preview),
      overrides(config),
    ];
  });
  return () => {};
}

/** @param {HTMLElement} body @param {(config: any) => any[]} build */
function load(body, build) {
  fill(body, h('p', { class: 'dim' }, 'Loading …'));
  get('/api/alerts/config').then((config) => fill(body, ...build(config)), (e) => fill(body, h('p', { class: 'error' }, e.message)));
}

/** @param {any} config */
async function save(config) {
  await put('/api/alerts/config', config);
  toast('Saved');
}

/** What the last day would have been like. @param {any} config */
async function previewText(config) {
  const answer = await post('/api/alerts/preview', { config, hours: 24 });
  const alerts = answer.alerts?.length ?? answer.count ?? 0;
  return `With these settings the last 24 hours would have raised ${alerts} alerts and sent ${answer.notifications ?? 0} messages.`;
}

/** @param {number|string} value @param {string} [title] */
const number = (value, title) => input({ type: 'number', min: '0', step: '1', value: String(value), title, 'aria-label': title });

/** @param {number} trigger @param {any} old keeps the distance between trigger and clear */
function pair(trigger, old) {
  const margin = old && old.trigger > old.clear ? old.trigger - old.clear : 5;
  return { trigger, clear: Math.max(0, trigger - margin) };
}

/** @param {any} config @param {string} key @param {string} title @param {string[][]} metrics */
function group(config, key, title, metrics) {
  const inputs = metrics.map(([metric, label]) => {
    const io = IO.some(([m]) => m === metric);
    const el = number(config[key]?.[metric]?.trigger > 0 ? config[key][metric].trigger : '');
    el.placeholder = 'off';
    return { metric, el: field(`${label}, ${io ? 'MB/s' : 'percent'}`, el), input: el };
  });
  return {
    el: h('fieldset', { class: 'card block' }, h('legend', {}, title), h('div', { class: 'fields' }, inputs.map((i) => i.el))),
    /** @param {any} next */
    collect(next) {
      next[key] = next[key] || {};
      for (const { metric, input: el } of inputs) {
        if (Number(el.value) > 0) next[key][metric] = pair(Number(el.value), config[key]?.[metric]);
        else if (next[key][metric]) next[key][metric] = { trigger: 0, clear: 0 };
      }
    },
  };
}

/** Exceptions made on single guests, nodes and storages. @param {any} config */
function overrides(config) {
  const entries = Object.entries(config.overrides || {});
  if (!entries.length) return h('p', { class: 'dim' }, 'No exceptions. Open a guest or a node to give it thresholds of its own.');
  return h('section', { class: 'card block' }, h('h2', {}, 'Exceptions'), h('table', { class: 'plain-table' }, h('tbody', {}, entries.map(([id, own]) => {
    const words = own.disabled ? 'no alerts' : Object.entries(own).filter(([, v]) => v && typeof v === 'object' && 'trigger' in v).map(([k, v]) => `${k} ${v.trigger}`).join(', ');
    const row = h('tr', {}, h('td', {}, id), h('td', {}, words || JSON.stringify(own)), h('td', { class: 'end' }, h('button', {
      type: 'button', onclick: (/** @type {Event} */ e) => busy(e.target, async () => {
        const fresh = await get('/api/alerts/config');
        delete fresh.overrides[id];
        await save(fresh);
        row.remove();
      }),
    }, 'Remove')));
    return row;
  }))));
}

/** @param {HTMLElement} body */
export function schedule(body) {
  load(body, (config) => {
    const s = config.schedule || {};
    const quiet = s.quietHours || {};
    const quietOn = check('Quiet hours: warnings wait, critical alerts come through', Boolean(quiet.enabled));
    const start = input({ type: 'time', value: quiet.start || '22:00' });
    const end = input({ type: 'time', value: quiet.end || '08:00' });
    const zone = input({ value: quiet.timezone || Intl.DateTimeFormat().resolvedOptions().timeZone, placeholder: 'Europe/Berlin' });
    const days = DAYS.map((day) => ({ day, ...check(day.slice(0, 3), quiet.days ? Boolean(quiet.days[day]) : true) }));
    const cooldown = number(s.cooldown ?? 5);
    const window_ = number(s.groupingWindow || s.grouping?.window || 30);
    const most = number(s.maxAlertsHour ?? 10);
    const recovery = check('Tell when an alert is over', Boolean(s.notifyOnResolve));
    const escalation = check('Escalate alerts that nobody acknowledges', Boolean(s.escalation?.enabled));
    const levels = (s.escalation?.levels?.length ? s.escalation.levels : [{ after: 15, notify: 'email' }, { after: 60, notify: 'all' }])
            .map((/** @type {any} */ l) => ({ after: number(l.after, 'Minutes until this step'), notify: /** @type {HTMLSelectElement} */ (h('select', { 'aria-label': 'Who is told' }, ['email', 'webhook', 'all'].map((v) => h('option', { value: v, selected: v === l.notify }, v)))) }));
    const saveAll = async () => {
      const next = structuredClone(config);
      next.schedule = {
        ...s,
        quietHours: { ...quiet, enabled: quietOn.input.checked, start: start.value, end: end.value, timezone: zone.value.trim(), days: Object.fromEntries(days.map((d) => [d.day, d.input.checked])) },
        cooldown: Number(cooldown.value) || 0,
        groupingWindow: Number(window_.value) || 0,
        grouping: { byNode: false, byGuest: false, ...(s.grouping || {}), enabled: Number(window_.value) > 0, window: Number(window_.value) || 0 },
        maxAlertsHour: Number(most.value) || 0,
        notifyOnResolve: recovery.input.checked,
        escalation: { ...(s.escalation || {}), enabled: escalation.input.checked, levels: levels.map((/** @type {any} */ l) => ({ after: Number(l.after.value) || 15, notify: l.notify.value })) },
      };
      await save(next);
    };
    return [
      h('fieldset', { class: 'card block stack' }, h('legend', {}, 'Quiet hours'), quietOn.el,
        h('div', { class: 'fields' }, field('From', start), field('To', end), field('Time zone', zone)), h('div', { class: 'tools' }, days.map((d) => d.el))),
      h('fieldset', { class: 'card block' }, h('legend', {}, 'How often'), h('div', { class: 'fields' },
        field('Cool-down, minutes', cooldown, 'An alert that comes again within this time waits'),
        field('Gather alerts for, seconds', window_, 'Alerts within this time go out as one message; 0 sends at once'),
        field('At most per hour and alert', most, 'What is held back is sent later; 0 means no limit')), recovery.el),
      h('fieldset', { class: 'card block stack' }, h('legend', {}, 'Escalation'), escalation.el,
        levels.map((/** @type {any} */ l) => h('div', { class: 'tools' }, 'after', l.after, 'minutes to', l.notify))),
      h('div', { class: 'tools' }, h('button', { type: 'button', class: 'primary', onclick: (/** @type {Event} */ e) => busy(e.target, saveAll) }, 'Save')),
    ];
  });
  return () => {};
}
