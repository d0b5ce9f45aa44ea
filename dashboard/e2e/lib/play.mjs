// A scenario: real Chromium, and nothing that passes unseen. An error on the console, an exception, a dialog, a violation of the
// page's own policy, a request to anywhere else fails the scenario, whatever else it found.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { Line } from './line.mjs';

/** Nothing on the page takes so long unless it does not come at all, milliseconds. */
export const PATIENCE = 45_000;

const FLAGS = [
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-dev-shm-usage',
  // A tab that is not in front goes on at full speed: two tabs are looked at.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** What the browser itself says while the network is away. */
const AWAY = /net::ERR_|WebSocket connection to|Failed to load resource|the server responded with a status of 50[0-9]/;

/** Runs in every document before anything else does. */
function watchDocument() {
  window.__violations = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample} (${event.sourceFile}:${event.lineNumber})`);
  });
}

export class Stage {
  /** What was seen that nobody may see. */
  amiss = [];
  /** Whether the network is away, or the engine. */
  away = false;
  /** What of the console is meant to come just now. */
  expected = /$^/;
  #contexts = [];

  constructor(browser, line, given) {
    this.browser = browser;
    this.line = line;
    this.given = given;
  }

  ask(what, more) {
    return this.line.ask(what, more);
  }

  /** A browser of somebody's: cookies of its own. */
  async person(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(PATIENCE);
    await context.addInitScript(watchDocument);
    this.#contexts.push(context);
    return context;
  }

  /** A tab, watched. */
  async tab(context) {
    const page = await context.newPage();
    const origin = new URL(this.given.link).origin;
    const note = (words) => this.amiss.push(words);
    page.on('console', (message) => {
      const words = `${message.text()} (${message.location().url})`;
      if (message.type() === 'error' && !(this.away && AWAY.test(words)) && !this.expected.test(words)) note(`console: ${words}`);
    });
    page.on('pageerror', (error) => note(`exception: ${error.stack ?? error}`));
    page.on('dialog', (dialog) => {
      note(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('popup', (popup) => note(`popup: ${popup.url()}`));
    page.on('download', (download) => note(`download: ${download.url()}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const own = url.origin === origin || url.protocol === 'data:' || url.protocol === 'blob:';
      if (!own) note(`request: ${request.url()}`);
    });
    page.on('websocket', (socket) => {
      if (new URL(socket.url()).host !== new URL(origin).host) note(`websocket: ${socket.url()}`);
    });
    return page;
  }

  /** Opens the link that gadugi printed: the tab is let in, and is at the page. */
  async enter(context, path = '/') {
    const page = await this.tab(context);
    await page.goto(this.given.link);
    await page.waitForURL((url) => url.search === '' && url.pathname === '/');
    if (path !== '/') await page.goto(new URL(path, this.given.link).href);
    return page;
  }

  /** The page's own violations of its policy, in every tab. */
  async violations() {
    const found = [];
    for (const context of this.#contexts) {
      for (const page of context.pages()) found.push(...(await page.evaluate(() => window.__violations ?? [])));
    }
    return found;
  }

  /** A picture of how it looks, where the test says that pictures go. */
  async picture(page, name) {
    await mkdir(this.given.pictures, { recursive: true });
    await page.screenshot({ path: join(this.given.pictures, `${name}.png`) });
  }
}

/** Waits until the page has fetched what it wanted, or goes on fetching: what it shows by then is looked at. */
export async function settled(page) {
  await page.waitForLoadState('networkidle', { timeout: 1500 }).catch(() => {});
}

/** Waits until something is so; what it is. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`it never came about that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Plays one scenario and ends the process. */
export async function play(scenario) {
  const line = new Line();
  const given = await line.read();
  const args = [...FLAGS, ...(given.flags ?? [])];
  const browser = await chromium.launch({ executablePath: given.chromium, headless: true, chromiumSandbox: false, args });
  let left = false;
  line.onend = () => {
    // The test is gone, or has heard the end.
    if (!left) void browser.close().finally(() => process.exit(1));
  };
  const stage = new Stage(browser, line, given);
  let last;
  try {
    const done = (await scenario(stage)) ?? {};
    stage.amiss.push(...(await stage.violations()).map((words) => `policy: ${words}`));
    if (stage.amiss.length > 0) throw new Error(`what nobody may see:\n${stage.amiss.join('\n')}`);
    last = { done };
  } catch (error) {
    last = { failed: String(error?.stack ?? error), amiss: stage.amiss, pages: await shown(stage) };
  }
  left = true;
  await browser.close();
  await line.write(last);
  process.exit('done' in last ? 0 : 1);
}

// What the tabs show, for whoever has to find out why.
async function shown(stage) {
  const texts = [];
  for (const [at, page] of stage.browser.contexts().flatMap((context) => context.pages()).entries()) {
    await stage.picture(page, `failed-${stage.given.name}-${at}`).catch(() => {});
    const text = await page.evaluate(() => document.body?.innerText ?? '').catch((error) => String(error));
    texts.push(`${page.url()}\n${text.slice(0, 4000)}`);
  }
  return texts;
}
