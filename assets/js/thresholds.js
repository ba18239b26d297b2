// Alert thresholds of one guest or node, editable where they matter.
// @ts-check
import { get, put } from './api.js';
import { h, setText } from './dom.js';

const METRICS = [['cpu', 'CPU'], ['memory', 'Memory'], ['disk', 'Disk']];

/**
 * A small form: empty means "as by default".
 * @param {string} id the resource's id @param {'guest'|'node'} kind
 */
export function thresholds(id, kind) {
  const said = h('span', { role: 'status', class: 'dim' });
  const off = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox' }));
  const inputs = METRICS.map(([key, label]) => {
    const input = /** @type {HTMLInputElement} */ (h('input', { type: 'number', min: '0', max: '100', step: '1', 'aria-label': `${label} threshold in percent` }));
    return { key, label, input };
  });
  const form = h('form', {
    class: 'tools',
    onsubmit: async (/** @type {Event} */ e) => {
      e.preventDefault();
      try {
        const config = await get('/api/alerts/config');
        config.overrides = config.overrides || {};
        const own = { ...(config.overrides[id] || {}) };
        own.disabled = off.checked;
        for (const { key, input } of inputs) {
          if (input.value === '') delete own[key];
          else own[key] = { trigger: Number(input.value), clear: Math.max(0, Number(input.value) - 5) };
        }
        if (!own.disabled) delete own.disabled;
        if (Object.keys(own).length) config.overrides[id] = own;
        else delete config.overrides[id];
        await put('/api/alerts/config', config);
        setText(said, 'Saved');
      } catch (error) {
        setText(said, /** @type {Error} */ (error).message);
      }
    },
  }, inputs.map(({ label, input }) => h('label', { class: 'inline' }, label, input, '%')),
  h('label', { class: 'inline' }, off, 'no alerts'), h('button', { type: 'submit' }, 'Save'), said);
  get('/api/alerts/config', { quiet: true }).then((config) => {
    const own = config.overrides?.[id] || {};
    const defaults = (kind === 'node' ? config.nodeDefaults : config.guestDefaults) || {};
    off.checked = Boolean(own.disabled);
    for (const { key, input } of inputs) {
      input.placeholder = String(defaults[key]?.trigger ?? 'off');
      if (own[key]) input.value = String(own[key].trigger);
    }
  }, () => setText(said, 'The thresholds could not be read.'));
  return h('section', {}, h('h2', {}, 'Alert thresholds'), form);
}
