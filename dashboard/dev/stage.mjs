// @ts-check
// A stand-in for the server, in development only, for a page that Chromium shows.

import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { detail, events, history, limits, machine, rows } from './fake.mjs';

const DIST = new URL('../dist/', import.meta.url).pathname;
export const ORIGIN = 'http://127.0.0.1:7777';
export const RUN = 'orchestration-20261121-221504-a1b2';
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";
/** @type {Record<string, string>} */
const KINDS = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** Answers a page in place of a server: its files with the server's own security policy, a made-up run, a line that speaks.
 * @param {import('playwright-core').Page} page @param {number} tasks @returns {Promise<{ say: (message: unknown) => void, cut: (code: number) => void }>} */
export async function serve(page, tasks) {
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
  /** @type {import('playwright-core').WebSocketRoute | undefined} */
  let line;
  await page.routeWebSocket(/\/api\/events/, (socket) => {
    line ??= socket;
    if (new URL(socket.url()).searchParams.has('run')) line = socket;
    const after = new URL(socket.url()).searchParams.get('after');
    const say = (/** @type {unknown} */ message) => socket.send(JSON.stringify(message));
    if (after === null) say(tasks === 0 ? { type: 'snapshot', seq: 0, repository: 'widgets', runs: [] } : { type: 'snapshot', seq: 400, repository: 'widgets', runs: rows(whole), detail: whole, machine });
    else {
      say({ type: 'resumed', seq: Number(after), repository: 'widgets' });
      for (const event of log.slice(Number(after))) say({ type: 'event', event });
    }
    say({ type: 'machine', machine, limits });
    socket.onMessage(() => say({ type: 'detail', detail: whole }));
  });
  return { say: (message) => line?.send(JSON.stringify(message)), cut: (code) => void line?.close({ code }) };
}
