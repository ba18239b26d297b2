// The last hour of CPU and memory per guest, for the lines behind the bars: asked for once, then fed by live figures.
// @ts-check
import { get } from './api.js';
import { guests, link, subscribe } from './store.js';

const POINTS = 60;
const STEP_MS = 60000;

/** @type {Map<string, Record<string, number[]>>} */
const series = new Map();
let lastStep = 0;
let stop = () => {};

export const sparks = {
  /** @param {string} id @param {string} metric @returns {number[]|undefined} percentages, oldest first */
  of: (id, metric) => series.get(id)?.[metric],
  /** @param {() => void} loaded */
  start(loaded) {
    // The figures come first: the lines of a thousand guests take a while to be sent and read.
    let asked = false;
    const ask = () => {
      if (asked || !link.lastData) return;
      asked = true;
      setTimeout(() => load().then(loaded, () => {}), 250);
    };
    stop = subscribe(() => { ask(); feed(); });
    ask();
  },
  stop: () => stop(),
};

async function load() {
  const answer = await get('/api/charts?range=1h&points=60&metrics=cpu,memory', { quiet: true });
  for (const [id, metrics] of Object.entries(answer.data || {})) {
    /** @type {Record<string, number[]>} */
    const kept = {};
    for (const metric of ['cpu', 'memory']) kept[metric] = thin(/** @type {any} */ (metrics)[metric] || []);
    series.set(id, kept);
  }
  lastStep = Date.now();
}

/** One value a minute is all that 60 pixels can show. @param {{timestamp: number, value: number}[]} points */
function thin(points) {
  /** @type {Map<number, number>} */
  const by = new Map();
  for (const p of points) by.set(Math.floor(p.timestamp / STEP_MS), p.value);
  return [...by.values()].slice(-POINTS);
}

function feed() {
  const now = Date.now();
  if (now - lastStep < STEP_MS) return;
  lastStep = now;
  for (const g of guests()) {
    if (g.status !== 'running') continue;
    const kept = series.get(g.id) || { cpu: [], memory: [] };
    series.set(g.id, {
      cpu: [...kept.cpu, g.cpu * 100].slice(-POINTS),
      memory: [...kept.memory, g.memory.usage].slice(-POINTS),
    });
  }
}
