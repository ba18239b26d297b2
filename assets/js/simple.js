// The small statistics page: one table of containers, live.
// @ts-check
import { h } from './dom.js';
import { age, bytes, percent, rate } from './format.js';
import { connect, link, state, subscribe } from './store.js';

const rows = /** @type {HTMLElement} */ (document.getElementById('rows'));
const status = /** @type {HTMLElement} */ (document.getElementById('status'));
const updated = /** @type {HTMLElement} */ (document.getElementById('updated'));

document.documentElement.dataset.theme = window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';

subscribe(() => {
  status.textContent = link.status;
  rows.replaceChildren(...state.containers.map((c) => h('tr', {},
    h('td', {}, c.name), h('td', {}, c.status), h('td', { class: 'end' }, percent(c.cpu)),
    h('td', { class: 'end' }, `${bytes(c.memory.used)} / ${bytes(c.memory.total)}`),
    ...[c.diskRead, c.diskWrite, c.networkIn, c.networkOut].map((n) => h('td', { class: 'end' }, rate(n))))));
});
setInterval(() => { updated.textContent = link.lastData ? `updated ${age(link.lastData)} ago` : ''; }, 1000);
connect();
