// What happens to a page between its events: it is loaded again, a second tab comes, the engine is killed and comes back, the network
// is cut for ten seconds and stands still for as long. At the end each tab shows every event of the log once, and every card of a
// task's stream once.

import { isDeepStrictEqual } from 'node:util';

import { everyRow, logIs } from './lib/look.mjs';
import { atRun, confirm, open, says, view } from './lib/page.mjs';
import { play, until } from './lib/play.mjs';

/** How long the network is away, milliseconds. */
const AWAY = 10_000;

const LEFT = 'The left one';
const RIGHT = 'The right one';
const AFTER = 'What comes after';

const online = (page) => page.getByText('Offline.', { exact: true }).waitFor({ state: 'hidden' });

async function lose(stage, state, meanwhile) {
  stage.away = true;
  await stage.ask('network', { state });
  const end = Date.now() + AWAY;
  await meanwhile();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, end - Date.now())));
  await stage.ask('network', { state: 'up' });
}

await play(async (stage) => {
  const person = await stage.person();
  const first = await stage.enter(person);
  await atRun(first);
  await says(first, LEFT, 'Running');
  await says(first, RIGHT, 'Running');

  // A second tab, which stays on the stream of one task the whole time.
  const second = await stage.tab(person);
  await second.goto(first.url());
  await atRun(second);
  await open(second, LEFT);
  const stream = second.getByRole('feed');
  await stream.getByText('I begin the left one.').first().waitFor();

  await stage.ask('open gate', { name: 'reload' });
  await first.reload();
  await says(first, LEFT, 'Running');
  await stream.getByText('passed reload').first().waitFor();

  stage.away = true;
  await stage.ask('kill engine');
  await stage.ask('open gate', { name: 'killed' });
  // The engine after it took up what runs, and begins nothing new until somebody says so.
  await first.getByRole('button', { name: 'Resume', exact: true }).first().click();
  await confirm(first, 'Resume');
  await stream.getByText('passed killed').first().waitFor();
  await online(second);
  stage.away = false;

  await lose(stage, 'cut', async () => {
    await stage.ask('open gate', { name: 'cut' });
    await first.getByText('Offline.', { exact: true }).waitFor();
  });
  await stream.getByText('passed cut').first().waitFor();
  await online(first);

  await lose(stage, 'still', () => stage.ask('open gate', { name: 'still' }));
  await stream.getByText('passed still').first().waitFor();
  await online(first);
  stage.away = false;

  await stage.ask('open gate', { name: 'end' });
  for (const title of [LEFT, RIGHT, AFTER]) await says(first, title, 'Succeeded');
  await until('the run is over', async () => (await stage.ask('status')).status === 'finished');

  // The tab that was there all along shows the same cards as one that is opened now.
  await stream.getByText('passed end').first().waitFor();
  const fresh = await stage.tab(person);
  await fresh.goto(second.url());
  await fresh.getByRole('feed').getByText('passed end').first().waitFor();
  const cards = (page) => everyRow(page, '[role=feed] [data-offset]', ['data-offset', 'data-index']);
  const [lived, read] = [await cards(second), await cards(fresh)];
  if (!isDeepStrictEqual(lived, read) || lived.seen.length < 12 || lived.double.length > 0) {
    throw new Error(`the stream as it came: ${JSON.stringify(lived)}; as it is: ${JSON.stringify(read)}`);
  }

  const events = await stage.ask('events');
  await second.goBack();
  await fresh.goto(first.url());
  for (const [at, page] of [first, second, fresh].entries()) {
    await view(page, 'Log');
    await logIs(page, events, `tab ${at + 1}`);
  }
  return { events: events.length };
});
