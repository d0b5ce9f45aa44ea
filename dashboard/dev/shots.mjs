// @ts-check
// Pictures of the page with made-up runs, to look at while it is being designed: `npm run build && node dev/shots.mjs [WORD]`
// writes those whose name contains WORD to `shots/`. Chromium is looked for at $CHROMIUM, else /usr/bin/chromium.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ORIGIN, RUN, serve } from './stage.mjs';

const OUT = new URL('../shots/', import.meta.url).pathname;

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
