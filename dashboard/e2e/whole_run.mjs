// A run as it happens, on one page that is loaded once: tasks begin, stream, are cancelled and retried by its buttons, finish and
// merge. Then every view is looked at in light and dark, wide and narrow, by eye (pictures) and by axe-core.

import { barriers, logIs } from './lib/look.mjs';
import { act, atRun, open, says, view, VIEWS } from './lib/page.mjs';
import { play, settled } from './lib/play.mjs';

const GREET = 'Write a greeting';
const REPLY = 'Answer the greeting';
const SLOW = 'Take your time';
const BROKEN = 'Break the build';

async function watch(stage, page) {
  await page.evaluate(() => {
    window.__loadedOnce = true;
  });
  await says(page, GREET, 'Running');
  await says(page, SLOW, 'Running');
  await says(page, REPLY, 'Waiting');

  // The words of one of them, while it works: cards of what it said, did, and was answered.
  await open(page, GREET);
  const stream = page.getByRole('feed');
  await stream.getByText('I write the greeting.').waitFor();
  await stream.getByText('src/greet.txt').first().waitFor();
  await stream.getByText('Wait at the gate').first().waitFor();
  await stream.getByText('and a half').first().waitFor();
  await stage.ask('open gate', { name: 'greet' });
  await stream.getByText('The greeting is written, behind the gate.').first().waitFor();
  await page.goBack();

  // By the buttons: one is cancelled, and taken up again.
  await act(page, SLOW, 'Cancel');
  await says(page, SLOW, 'Cancelled');
  await act(page, SLOW, 'Retry');
  await says(page, SLOW, 'Running');
  await stage.ask('open gate', { name: 'slow' });
  await says(page, SLOW, 'Succeeded');

  await says(page, GREET, 'Succeeded');
  await says(page, REPLY, 'Running');
  await stage.ask('open gate', { name: 'reply' });
  await says(page, REPLY, 'Succeeded');
  await says(page, BROKEN, 'Rejected');
  await page.getByText('Finished').first().waitFor();
  if (!(await page.evaluate(() => window.__loadedOnce))) throw new Error('the page was loaded again');
}

/** Looks at all views as the page is now; what axe-core finds. */
async function tour(stage, page, name) {
  const found = [];
  const look = async (at) => {
    // Charts and graphs come a moment after their view.
    await settled(page);
    await stage.picture(page, `${at}-${name}`);
    found.push(...(await barriers(page, `${at} (${name})`)));
  };
  for (const at of VIEWS) {
    await view(page, at);
    await look(at.toLowerCase().replace(' ', '-'));
  }
  await view(page, 'Overview');
  await open(page, GREET);
  await page.getByRole('feed').getByText('I write the greeting.').waitFor();
  await look('task');
  for (const tab of ['Diff', 'Prompt and plan', 'Figures', 'Stream']) {
    await page.getByRole('navigation', { name: 'Views of the task' }).getByRole('link', { name: tab }).click();
    if (tab !== 'Stream') await look(`task-${tab.split(' ')[0].toLowerCase()}`);
  }
  for (const path of ['/needs', '/machine', '/runs']) {
    await page.goto(new URL(path, stage.given.link).href);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await look(path.slice(1));
  }
  await page.goto(new URL('/', stage.given.link).href);
  await atRun(page);
  return found;
}

await play(async (stage) => {
  const page = await stage.enter(await stage.person());
  await atRun(page);
  await watch(stage, page);
  await view(page, 'Log');
  await logIs(page, await stage.ask('events'), 'the page');
  const status = await stage.ask('status');

  const found = [];
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    found.push(...(await tour(stage, page, scheme)));
  }
  await page.setViewportSize({ width: 390, height: 844 });
  found.push(...(await tour(stage, page, 'narrow')));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) found.push(`the narrow page is ${wide} pixels wider than its window`);
  if (found.length > 0) throw new Error(`not everybody can use it:\n${found.join('\n')}`);
  return { tasks: status.tasks.map((task) => task.id).sort() };
});
