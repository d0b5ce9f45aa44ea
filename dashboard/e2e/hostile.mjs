// Every view of a run whose prompts, agents and file names try to be more than text. Nothing of it runs (a mark in the page would
// tell), nothing is asked for elsewhere, the page's own policy is not broken, and what was said can be read.

import { atRun, VIEWS, view } from './lib/page.mjs';
import { play, settled } from './lib/play.mjs';

/** Characters that turn text round or paint over others: none of them reaches the document. */
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

async function unharmed(page, where) {
  const state = await page.evaluate(() => {
    const links = [...document.querySelectorAll('a[href]')].map((link) => link.getAttribute('href'));
    return {
      ran: window.__ran,
      owned: document.querySelector('#owned, main iframe, main script, main img[src="x"], main svg[onload]')?.outerHTML,
      links: links.filter((href) => !/^(\/|#|https?:\/\/127\.0\.0\.1)/.test(href)),
      handlers: [...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames().filter((name) => name.startsWith('on'))),
      text: document.body.innerText,
      title: document.title,
      names: [...document.querySelectorAll('[title], [aria-label]')].map((one) => `${one.getAttribute('title')}${one.getAttribute('aria-label')}`),
    };
  });
  if (state.ran !== undefined) throw new Error(`${where}: it ran: ${state.ran}`);
  if (state.owned !== undefined) throw new Error(`${where}: it is more than text: ${state.owned}`);
  if (state.links.length > 0) throw new Error(`${where}: links lead elsewhere: ${state.links}`);
  if (state.handlers.length > 0) throw new Error(`${where}: handlers in the markup: ${state.handlers}`);
  const painted = [state.text, state.title, ...state.names].map((text) => FORBIDDEN.exec(text)).find((found) => found !== null);
  if (painted) {
    const code = painted[0].codePointAt(0).toString(16);
    throw new Error(`${where}: U+${code} is shown as it is: ${JSON.stringify(painted.input.slice(Math.max(0, painted.index - 80), painted.index + 40))}`);
  }
  return state.text;
}

await play(async (stage) => {
  const page = await stage.enter(await stage.person());
  const run = await atRun(page);
  const status = await stage.ask('status');
  for (const name of VIEWS) {
    await view(page, name);
    await settled(page);
    await unharmed(page, name);
    await stage.picture(page, `hostile-${name.toLowerCase().replace(' ', '-')}`);
  }
  // The browser says of each task that there is none that there is none.
  stage.expected = /status of 404 .*\/api\/tasks\/javascript/;
  for (const path of ['/needs', '/runs', '/machine', `/runs/${encodeURIComponent('<img src=x onerror=window.__ran=1>')}`, "/runs/x/tasks/javascript:alert('1')"]) {
    await page.goto(new URL(path, stage.given.link).href);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    await unharmed(page, path);
  }

  stage.expected = /$^/;
  for (const task of status.tasks) {
    await page.goto(new URL(`/runs/${run}/tasks/${encodeURIComponent(task.id)}`, stage.given.link).href);
    const stream = page.getByRole('feed');
    await stream.locator('[data-offset]').first().waitFor();
    // Through the whole stream, everything unfolded, then every part of the page that shows the task.
    let all = '';
    await stream.evaluate((list) => list.scrollTo(0, 0));
    for (;;) {
      await stream.evaluate(async (list) => {
        for (const folded of list.querySelectorAll('[aria-expanded=false]')) folded.click();
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      });
      all += await unharmed(page, `the stream of ${task.id}`);
      const moved = await stream.evaluate(async (list) => {
        const before = list.scrollTop;
        list.scrollTop = before + list.clientHeight * 0.7;
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        return list.scrollTop > before;
      });
      if (!moved) break;
    }
    if (task.id === 'hostile') {
      for (const text of stage.given.markup) {
        if (!all.includes(text)) throw new Error(`it cannot be read on the page: ${text}`);
      }
    }
    await stage.picture(page, `hostile-task-${task.id}`);
    const own = page.url();
    for (const query of ['tab=diff', 'tab=plan', 'tab=figures', 'raw=1', 'stream=stderr', 'stream=stderr&raw=1']) {
      await page.goto(`${own}?${query}`);
      await page.getByRole('navigation', { name: 'Views of the task' }).waitFor();
      await settled(page);
      const text = await unharmed(page, `${task.id}?${query}`);
      if (task.id === 'hostile' && query === 'tab=diff' && !text.includes('src/<img src=x onerror=window.__ran=')) {
        throw new Error(`the diff does not name the file:\n${text}`);
      }
      await stage.picture(page, `hostile-${task.id}-${query.replace(/\W+/g, '-')}`);
    }
  }
});
