// The shell: header, tabs, which page is open, login, keys.
// @ts-check
import { get, post, whenUnauthorized } from './api.js';
import { fill, h, setAttr, setClass, setText } from './dom.js';
import { age } from './format.js';
import { getParam, go, onRoute } from './route.js';
import { closeDrawer, syncDrawer } from './drawer.js';
import { connect, disconnect, link, state, subscribe } from './store.js';

/** @typedef {{close: () => void, keys?: (event: KeyboardEvent) => boolean, routed?: () => void}} Page */

/** Pages by path: title, key after `g`, module. */
const PAGES = [
  { path: '/', title: 'Main', key: 'm', load: () => import('./pages/main.js') },
  { path: '/storage', title: 'Storage', key: 's', load: () => import('./pages/storage.js') },
  { path: '/backups', title: 'Backups', key: 'b', load: () => import('./pages/backups.js') },
  { path: '/pbs', title: 'PBS', key: 'p', load: () => import('./pages/pbs.js') },
  { path: '/alerts', title: 'Alerts', key: 'a', load: () => import('./pages/alerts.js') },
  { path: '/settings', title: 'Settings', key: 'e', load: () => import('./pages/settings.js') },
];

const view = /** @type {HTMLElement} */ (document.getElementById('view'));
const bar = /** @type {HTMLElement} */ (document.getElementById('bar'));
const notice = /** @type {HTMLElement} */ (document.getElementById('notice'));
/** @type {Page|null} */
let page = null;
let shown = '';

// ----- theme
const dark = window.matchMedia('(prefers-color-scheme: dark)');
function applyTheme() {
  const chosen = localStorage.getItem('pulse-theme');
  document.documentElement.dataset.theme = chosen || (dark.matches ? 'dark' : 'light');
}
dark.addEventListener('change', applyTheme);
applyTheme();

// ----- header
const dot = h('span', { class: 'dot' });
const linkText = h('span', { class: 'text' });
const alertCount = h('span', { class: 'count', hidden: true });
const nav = h('nav', { 'aria-label': 'Pages' }, PAGES.map((p) => h('a', { href: p.path, 'data-path': p.path, title: `${p.title} (g ${p.key})` }, p.title, p.path === '/alerts' ? alertCount : null)));

function buildBar() {
  if (getParam('kiosk') === '1') {
    bar.hidden = true;
    return;
  }
  fill(bar,
    h('a', { class: 'brand', href: '/' }, h('img', { src: '/icon.svg', alt: '' }), 'Pulse'),
    nav, h('span', { class: 'fill' }),
    h('span', { class: 'link', role: 'status' }, dot, linkText),
    h('button', { type: 'button', class: 'plain', title: 'Keys (?)', 'aria-label': 'Keyboard help', onclick: help }, '?'),
    status.hasAuthentication ? h('button', { type: 'button', class: 'plain', onclick: logout }, 'Log out') : null,
    h('button', {
      type: 'button', class: 'plain', title: 'Dark or light', 'aria-label': 'Switch between dark and light',
      onclick: () => {
        localStorage.setItem('pulse-theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
        applyTheme();
      },
    }, '◐'));
}

function updateBar() {
  for (const a of nav.querySelectorAll('a')) setAttr(a, 'aria-current', a.dataset.path === location.pathname ? 'page' : null);
  const old = link.lastData ? (Date.now() - link.lastData) / 1000 : 0;
  const live = link.status === 'live' && old < 40;
  setClass(dot, live ? 'dot ok' : link.status === 'connecting' ? 'dot warn' : 'dot crit');
  setText(linkText, link.status === 'connecting' ? 'connecting' : live ? `updated ${age(link.lastData)} ago` : link.lastData ? `no data for ${age(link.lastData)}` : 'no connection');
  setText(notice, link.status !== 'offline' ? '' : link.lastData ? `Connection to Pulse lost. The figures are ${age(link.lastData)} old; trying again.` : 'No connection for live figures yet; trying again. A proxy in between has to let WebSockets through.');
  const open = state.activeAlerts.filter((a) => !a.acknowledged).length;
  alertCount.hidden = open === 0;
  setText(alertCount, String(open));
  document.title = open ? `(${open}) Pulse` : 'Pulse';
}

// ----- pages
async function show() {
  const path = location.pathname;
  const found = PAGES.find((p) => p.path === path) || PAGES[0];
  updateBar();
  syncDrawer();
  if (shown === found.path) {
    page?.routed?.();
    return;
  }
  shown = found.path;
  page?.close();
  page = null;
  const module = await found.load();
  if (shown === found.path) page = module.open(view);
}

document.addEventListener('click', (event) => {
  const a = /** @type {HTMLElement} */ (event.target).closest('a');
  if (!a || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || a.target || a.origin !== location.origin) return;
  if (a.hash || !PAGES.some((p) => p.path === a.pathname)) return;
  event.preventDefault();
  go(a.pathname + a.search);
});

// ----- keys
let pendingG = false;
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // A question that is asked takes all keys; a button or a link takes its own.
  if (document.querySelector('dialog[open]')) return;
  if (event.key === 'Enter' && /** @type {HTMLElement} */ (event.target).closest('a, button')) return;
  const typing = /** @type {HTMLElement} */ (event.target).closest('input, textarea, select');
  if (typing && event.key !== 'Escape') return;
  if (pendingG) {
    pendingG = false;
    const target = PAGES.find((p) => p.key === event.key);
    if (target) {
      event.preventDefault();
      go(target.path);
      return;
    }
  }
  if (event.key === 'g') {
    pendingG = true;
    setTimeout(() => { pendingG = false; }, 1200);
    return;
  }
  if (event.key === 'Escape' && closeDrawer()) return;
  if (event.key === '?') { help(); return; }
  if (page?.keys?.(event)) event.preventDefault();
});

/** What the keys do. */
function help() {
  const keys = [['/', 'search'], ['j  k', 'next, previous row'], ['Enter', 'open the row'], ['Esc', 'close, clear'], ['g then m s b p a e', 'Main, Storage, Backups, PBS, Alerts, Settings'], ['?', 'this list']];
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-labelledby': 'keys-title' }, h('h2', { id: 'keys-title' }, 'Keys'),
    h('dl', { class: 'facts' }, keys.flatMap(([k, v]) => [h('dt', {}, k), h('dd', {}, v)])), h('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// ----- login
/** @type {any} */
let status = {};
async function logout() {
  await post('/api/logout').catch(() => null);
  if (status.proxyAuthLogoutURL) location.href = status.proxyAuthLogoutURL;
  else location.reload();
}
let loginShown = false;
function login() {
  if (loginShown) return;
  loginShown = true;
  disconnect();
  page?.close();
  page = null;
  shown = '';
  const error = h('p', { class: 'error', role: 'alert' });
  const user = /** @type {HTMLInputElement} */ (h('input', { name: 'username', autocomplete: 'username', required: true }));
  const password = /** @type {HTMLInputElement} */ (h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true }));
  const button = h('button', { class: 'primary', type: 'submit' }, 'Log in');
  fill(view, h('form', {
    class: 'card form',
    onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      setAttr(button, 'disabled', '');
      try {
        await post('/api/login', { username: user.value, password: password.value }, { quiet: true });
        loginShown = false;
        start();
      } catch (e) {
        setText(error, /** @type {Error} */ (e).message);
        password.value = '';
        password.focus();
      } finally {
        setAttr(button, 'disabled', null);
      }
    },
  }, h('h1', {}, 'Log in to Pulse'), h('label', {}, 'User', user), h('label', {}, 'Password', password), error, button));
  user.focus();
}
whenUnauthorized(login);

// ----- start
async function start() {
  // Whether a login is needed is asked with something small; the page's scripts come meanwhile.
  const may = get('/api/alerts/active').then(() => true, (e) => e.status !== 401);
  status = await get('/api/security/status', { quiet: true }).catch(() => ({}));
  buildBar();
  if (!(await may)) return;
  connect();
  show();
}

subscribe(updateBar);
onRoute(show);
setInterval(updateBar, 1000);
start();
