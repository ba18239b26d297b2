// Screenshots of every page, drawer and dialogue at every width, dark and light: `node shots.mjs OUTDIR [WORD …]`.
// Words choose the names that contain one of them. ASSETS=1 shows `assets/` as it lies there, without a new build.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [out = 'shots', ...words] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'pulse-shots-'));
mkdirSync(out, { recursive: true });

/** Name, address, and what to do once there. */
const VIEWS = [
  ['main', '/'], ['main-flat', '/?group=none&sort=memory&desc=1'], ['main-tags', '/?group=tag'], ['main-empty', '/?q=nothinghere'],
  ['storage', '/storage'], ['backups', '/backups'], ['pbs', '/pbs'],
  ['alerts', '/alerts'], ['alerts-history', '/alerts?tab=history'], ['alerts-thresholds', '/alerts?tab=thresholds'], ['alerts-schedule', '/alerts?tab=schedule'], ['alerts-destinations', '/alerts?tab=destinations'],
  ['settings', '/settings'], ['settings-system', '/settings?tab=system'], ['settings-security', '/settings?tab=security'], ['settings-transfer', '/settings?tab=transfer'], ['settings-diagnostics', '/settings?tab=diagnostics'], ['settings-audit', '/settings?tab=audit'],
  ['drawer-guest', '/', async (p) => { await p.locator('.g-row').first().click({ position: { x: 30, y: 12 } }); await p.waitForSelector('.drawer .chart'); }],
  ['drawer-node', '/', async (p) => { await p.locator('.strip .details').first().click(); await p.waitForSelector('.drawer .chart'); }],
  ['add-node', '/settings', async (p) => { await p.getByRole('button', { name: 'Add Proxmox VE' }).click(); }],
  ['keys', '/', async (p) => { await p.keyboard.press('?'); }],
  ['columns', '/', async (p) => { await p.getByRole('button', { name: 'Columns' }).click(); }],
].filter(([name]) => !words.length || words.some((w) => String(name).includes(w)));

const portFile = join(work, 'port');
const child = spawn(process.env.PULSE_BINARY || join(root, 'target/debug/pulse'), ['demo', '--nodes', '3', '--guests', '50', '--port', '0'],
  { env: { ...process.env, DISCOVERY_ENABLED: 'false', PULSE_UPDATE_SERVER: 'http://127.0.0.1:9', PULSE_PORT_FILE: portFile }, stdio: ['pipe', 'ignore', 'ignore'] });
const pause = (ms) => new Promise((r) => setTimeout(r, ms));
let browser;
try {
  let url = '';
  for (let n = 0; n < 150; n += 1) {
    await pause(200);
    try {
      url = `http://127.0.0.1:${readFileSync(portFile, 'utf8').trim()}`;
      if ((await (await fetch(`${url}/api/state`)).json()).vms.length) break;
    } catch { /* not yet */ }
  }
  await pause(Number(process.env.WARM_MS || 12000));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  let count = 0;
  for (const scheme of ['dark', 'light']) {
    for (const width of (process.env.WIDTHS || '390,768,1440,2560').split(',').map(Number)) {
      const context = await browser.newContext({ viewport: { width, height: width === 390 ? 844 : width === 2560 ? 1440 : 900 }, colorScheme: scheme });
      if (process.env.ASSETS) {
        await context.route('**/a/*/**', (route) => route.fulfill({ path: join(root, 'assets', new URL(route.request().url()).pathname.split('/').slice(3).join('/')) }));
      }
      // One page for all, as a reader goes through it: new sockets are limited per address.
      const p = await context.newPage();
      await p.goto(url);
      await p.waitForSelector('.g-row');
      for (const [name, path, act] of VIEWS) {
        await p.evaluate((to) => {
          history.pushState(null, '', to);
          window.dispatchEvent(new PopStateEvent('popstate'));
        }, path);
        await pause(400);
        try {
          await act?.(p);
        } catch (e) {
          console.log(`${name} at ${width}: ${String(e).split('\n')[0]}`);
        }
        await pause(250);
        await p.screenshot({ path: join(out, `${name}-${width}-${scheme}.png`) });
        count += 1;
        for (let n = 0; n < 2; n += 1) await p.keyboard.press('Escape');
        await p.evaluate(() => document.querySelectorAll('dialog').forEach((d) => d.close()));
      }
      await context.close();
    }
  }
  console.log(`${count} screenshots in ${out}`);
} finally {
  await browser?.close();
  child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
}
