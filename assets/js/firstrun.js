// First run: give this Pulse a password before it is given the keys of hypervisors.
// @ts-check
import { post } from './api.js';
import { fill, h, setText } from './dom.js';
import { busy, check, field, input } from './ui.js';

/** @param {() => void} done */
export function firstRun(done) {
  const user = input({ value: 'admin', autocomplete: 'username', required: true });
  const password = input({ type: 'password', autocomplete: 'new-password', required: true, minlength: '8' });
  const again = input({ type: 'password', autocomplete: 'new-password', required: true });
  const code = input({ autocomplete: 'off', placeholder: 'only from outside your network' });
  const token = check('Make an API token too', true);
  const error = h('p', { class: 'error', role: 'alert' });
  const form = h('form', {
    class: 'card block stack',
    onsubmit: (/** @type {SubmitEvent} */ e) => {
      e.preventDefault();
      if (password.value !== again.value) {
        setText(error, 'The two passwords differ.');
        return;
      }
      setText(error, '');
      busy(e.submitter, async () => {
        const answer = await post('/api/security/quick-setup', {
          username: user.value.trim(), password: password.value, generateApiToken: token.input.checked, ...(code.value ? { bootstrapCode: code.value.trim() } : {}),
        }, { quiet: true });
        await post('/api/login', { username: user.value.trim(), password: password.value }, { quiet: true }).catch(() => null);
        const made = answer.apiToken || answer.token;
        fill(form, h('h2', {}, 'Protected'), h('p', {}, 'The password is in force.'),
          made ? h('p', {}, 'Your API token; copy it now, it is not shown again: ', h('code', {}, made)) : null,
          h('div', {}, h('button', { type: 'button', class: 'primary', onclick: done }, 'Go on')));
      });
    },
  }, h('h2', {}, 'Choose a password'), h('p', { class: 'dim' }, 'Pulse will hold credentials of your hypervisors. Whoever opens this page from now on has to log in.'),
  h('div', { class: 'fields' }, field('User', user), field('Password', password, 'at least 8 characters'), field('Once more', again), field('Bootstrap code', code, 'printed in the log at start')),
  token.el, error, h('div', {}, h('button', { type: 'submit', class: 'primary' }, 'Protect this Pulse')));
  return form;
}
