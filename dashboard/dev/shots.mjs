// @ts-check
// Pictures of the page with made-up runs, to look at while it is being designed: `npm run build && node dev/shots.mjs [WORD]`
// writes those whose name contains WORD to `shots/`. Chromium is looked for at $CHROMIUM, else /usr/bin/chromium.

import { mkdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { detail, events, history, limits, machine, rows } from './fake.mjs';

const DIST = new URL('../dist/', import.meta.url).pathname;
const OUT = new URL('../shots/', import.meta.url).pathname;
const ORIGIN = 'http://127.0.0.1:7777';
const RUN = 'orchestration-20261121-221504-a1b2';
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";
/** @type {Record<string, string>} */
const KINDS = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** @param {import('playwright-core').Page} page @param {number} tasks */
async function serve(page, tasks) {
  const whole = detail(tasks, RUN);
  const log = events(RUN, 400);
  await page.route('**/*', (route) => {
    const { pathname } = new URL(route.request().url());
    const json = (/** @type {unknown} */ body, status = 200) => route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) });
    if (route.request().method() === 'POST') return json({ code: 'land-refused', message: 'Uncommitted changes of yours touch src/store/mod.rs.', hint: 'Commit or stash them, then land again.' }, 409);
    if (pathname === '/api/machine') return json({ now: machine, history, limits });
    if (pathname.startsWith('/api/') && pathname.endsWith('/figures')) return json({ series: whole.tasks.slice(0, 6).map((one, n) => ({ task: one.id, attempt: 1, step: 2, points: history.map((look, at) => ({ at: look.at, span_ms: 2000, span_seconds: 2, cpu_percent: 60 + 40 * Math.sin(at / (9 + n)), memory_mb: 300 + 100 * n + at / 3, tokens: at * 900 * (n + 1), cost_usd: at * 0.004 * (n + 1) })) })) });
    if (pathname.startsWith('/api/runs/')) return json(whole);
    if (pathname.startsWith('/api/')) return json({ code: 'unknown-task', message: 'Not in the made-up run.' }, 404);
    const file = extname(pathname) === '' ? 'index.html' : pathname.slice(1);
    return route.fulfill({ contentType: KINDS[extname(file)] ?? 'text/plain', headers: { 'Content-Security-Policy': CSP }, body: readFileSync(join(DIST, file)) });
  });
  await page.routeWebSocket(/\/api\/events/, (socket) => {
    const after = new URL(socket.url()).searchParams.get('after');
    const say = (/** @type {unknown} */ message) => socket.send(JSON.stringify(message));
    if (after === null) say(tasks === 0 ? { type: 'snapshot', seq: 0, runs: [] } : { type: 'snapshot', seq: 400, runs: rows(whole), detail: whole, machine });
    else {
      say({ type: 'resumed', seq: Number(after) });
      for (const event of log.slice(Number(after))) say({ type: 'event', event });
    }
    say({ type: 'machine', machine, limits });
    socket.onMessage(() => say({ type: 'detail', detail: whole }));
  });
}

/** @typedef {{ name: string, path: string, tasks?: number, size?: [number, number], dark?: boolean, then?: (page: import('playwright-core').Page) => Promise<unknown> }} Shot */
/** @type {Shot[]} */
const SHOTS = [
  { name: 'overview', path: `/runs/${RUN}` },
  { name: 'overview-dark', path: `/runs/${RUN}`, dark: true },
  { name: 'overview-narrow', path: `/runs/${RUN}`, size: [360, 1400] },
  { name: 'graph', path: `/runs/${RUN}/graph`, then: (page) => page.locator('[data-task=t9]').first().focus() },
  { name: 'graph-dark-edge', path: `/runs/${RUN}/graph`, dark: true, then: (page) => page.locator('aside [data-row]').nth(4).click() },
  { name: 'graph-many', path: `/runs/${RUN}/graph`, tasks: 300 },
  { name: 'graph-narrow', path: `/runs/${RUN}/graph`, size: [360, 1400] },
  { name: 'timeline', path: `/runs/${RUN}/timeline` },
  { name: 'timeline-dark-near', path: `/runs/${RUN}/timeline`, dark: true, then: (page) => page.getByRole('button', { name: 'Nearer' }).click({ clickCount: 2 }) },
  { name: 'timeline-narrow', path: `/runs/${RUN}/timeline`, size: [360, 1000] },
  { name: 'queue', path: `/runs/${RUN}/queue` },
  { name: 'log', path: `/runs/${RUN}/log`, then: (page) => page.locator('[data-seq]').nth(20).click() },
  { name: 'log-narrow-dark', path: `/runs/${RUN}/log`, size: [360, 900], dark: true },
  { name: 'figures', path: `/runs/${RUN}/figures` },
  { name: 'figures-dark', path: `/runs/${RUN}/figures`, dark: true },
  { name: 'machine', path: '/machine' },
  { name: 'machine-narrow', path: '/machine', size: [360, 1400], dark: true },
  { name: 'needs', path: '/needs' },
  { name: 'needs-narrow-dark', path: '/needs', size: [360, 1200], dark: true },
  { name: 'runs', path: '/runs' },
  { name: 'runs-narrow', path: '/runs', size: [360, 1200] },
  { name: 'first', path: '/', tasks: 0 },
  { name: 'dialog', path: `/runs/${RUN}`, then: (page) => page.getByRole('button', { name: /^Retry/ }).first().click() },
  { name: 'dialog-refused', path: `/runs/${RUN}`, dark: true, then: async (page) => { await page.getByRole('button', { name: 'Cancel run' }).click(); await page.getByRole('button', { name: 'Cancel the run' }).click(); } },
  { name: 'help', path: `/runs/${RUN}`, then: (page) => page.keyboard.press('?') },
];

mkdirSync(OUT, { recursive: true });
const wanted = process.argv[2] ?? '';
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const shot of SHOTS.filter((one) => one.name.includes(wanted))) {
  const [width, height] = shot.size ?? [1440, 900];
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: shot.dark ? 'dark' : 'light', reducedMotion: 'reduce', bypassCSP: false });
  const page = await context.newPage();
  page.on('console', (message) => (message.type() === 'error' && !message.text().includes('409') ? console.log(`${shot.name}: ${message.text()}`) : undefined));
  page.on('pageerror', (error) => console.log(`${shot.name}: ${error.stack}`));
  await serve(page, shot.tasks ?? 20);
  await page.goto(`${ORIGIN}${shot.path}`);
  await page.waitForFunction(() => document.querySelector('main h1') !== null && document.querySelector('.ghosts') === null, null, { timeout: 8000 }).catch(() => console.log(`${shot.name}: nothing to see`));
  const began = Date.now();
  await page.waitForTimeout(400);
  await shot.then?.(page);
  await page.waitForTimeout(250);
  await page.screenshot({ path: join(OUT, `${shot.name}.png`) });
  const session = await context.newCDPSession(page);
  await session.send('Page.enable');
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: (await session.send('Page.getFrameTree')).frameTree.frame.id });
  await session.send('Runtime.evaluate', { contextId: executionContextId, expression: axe });
  const found = await session.send('Runtime.evaluate', { contextId: executionContextId, awaitPromise: true, returnByValue: true, expression: "axe.run(document).then((r) => r.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.length} × ${v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`))" });
  for (const line of found.result.value ?? [found.exceptionDetails?.exception?.description ?? 'axe said nothing']) console.log(`${shot.name}: axe ${line}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) console.log(`${shot.name}: ${wide} px too wide`);
  if (Date.now() - began > 6000) console.log(`${shot.name}: took ${Date.now() - began} ms`);
  await context.close();
}
await browser.close();
