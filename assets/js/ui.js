// Small dialogues with the reader: busy buttons, questions before something is destroyed, messages.
// @ts-check
import { h, setText } from './dom.js';

/**
 * Runs work behind a button: it is disabled and says so meanwhile; a failure is shown beside it.
 * @param {EventTarget|null} target @param {() => Promise<any>} work
 */
export async function busy(target, work) {
  const button = /** @type {HTMLButtonElement} */ (target);
  const label = button.textContent || '';
  button.disabled = true;
  const timer = setTimeout(() => setText(button, `${label} …`), 300);
  try {
    return await work();
  } catch (e) {
    toast(/** @type {Error} */ (e).message, true);
    return undefined;
  } finally {
    clearTimeout(timer);
    button.disabled = false;
    if (button.textContent !== label) setText(button, label);
  }
}

/** @param {string} title @param {string} text @param {string} yes @returns {Promise<boolean>} */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': 'ask-title' },
      h('h2', { id: 'ask-title' }, title), h('p', {}, text),
      h('div', { class: 'tools' }, h('button', { type: 'button', class: 'danger', onclick: () => dialog.close('yes') }, yes),
        h('button', { type: 'button', autofocus: true, onclick: () => dialog.close('no') }, 'Cancel'))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A message that goes away by itself. @param {string} text @param {boolean} [bad] */
export function toast(text, bad = false) {
  let box = document.getElementById('toasts');
  if (!box) {
    box = h('div', { id: 'toasts', role: 'status', 'aria-live': 'polite' });
    document.body.append(box);
  }
  const item = h('p', { class: bad ? 'bad' : '' }, text);
  box.append(item);
  setTimeout(() => item.remove(), bad ? 9000 : 4000);
}

/** A labelled form field. @param {string} label @param {HTMLElement} input @param {string} [help] */
export function field(label, input, help) {
  return h('label', { class: 'field' }, h('span', {}, label), input, help ? h('small', { class: 'dim' }, help) : null);
}

/** @param {string} label @param {boolean} on @param {(on: boolean) => void} [changed] */
export function check(label, on, changed) {
  const input = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', onchange: () => changed?.(input.checked) }));
  input.checked = on;
  return { el: h('label', { class: 'inline' }, input, label), input };
}

/** @param {Record<string, any>} attrs @returns {HTMLInputElement} */
export function input(attrs) {
  return /** @type {HTMLInputElement} */ (h('input', attrs));
}

/** @param {string[][]} choices value, label @param {string} value @param {Record<string, any>} [attrs] @returns {HTMLSelectElement} */
export function select(choices, value, attrs = {}) {
  const el = /** @type {HTMLSelectElement} */ (h('select', attrs, choices.map(([v, label]) => h('option', { value: v }, label))));
  el.value = value;
  return el;
}
