// How fast and how completely a task's lines reach the document: `cargo xtask bench stream` plays this. The task on view waits at a
// gate until the page looks; then it says so many lines a second, each with its number and the moment at which it was said.

import { play, until } from './lib/play.mjs';

/** Notes, in the page, the moment at which each line or a later one is in the document. */
function observe(pattern) {
  const line = new RegExp(pattern, 'g');
  window.__last = 0;
  window.__shown = [];
  const note = (text) => {
    const now = Date.now();
    for (const [, number] of text.matchAll(line)) {
      if (Number(number) <= window.__last) continue;
      window.__last = Number(number);
      window.__shown.push([window.__last, now]);
    }
  };
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === 'characterData') note(change.target.data);
      for (const node of change.addedNodes) note(node.textContent ?? '');
    }
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
}

/** The numbers of all lines of the list, in its order, from its top to its end. */
async function everyLine(pattern) {
  const line = new RegExp(pattern, 'g');
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const list = document.querySelector('[role=feed]');
  const order = [];
  const had = new Set();
  list.scrollTop = 0;
  await frame();
  for (;;) {
    for (const [, number] of list.textContent.matchAll(line)) {
      if (had.has(number)) continue;
      had.add(number);
      order.push(Number(number));
    }
    const before = list.scrollTop;
    list.scrollTop = before + list.clientHeight * 0.7;
    await frame();
    if (list.scrollTop <= before) return order;
  }
}

await play(async (stage) => {
  const { run, task, lines, seconds, pattern } = stage.given;
  const page = await stage.enter(await stage.person(), `/runs/${run}/tasks/${task}`);
  await page.locator('[role=feed] [data-offset]').first().waitFor();
  await page.evaluate(observe, pattern);
  const inspector = await page.context().newCDPSession(page);
  const heap = async () => {
    await inspector.send('HeapProfiler.collectGarbage');
    return (await inspector.send('Runtime.getHeapUsage')).usedSize / 2 ** 20;
  };
  const before = await heap();
  await stage.ask('begin');
  let highest = before;
  await until(
    'the last line is in the document',
    async () => {
      // With what is not collected yet; asking for a collection now would be what is measured.
      const used = (await inspector.send('Runtime.getHeapUsage')).usedSize;
      highest = Math.max(highest, used / 2 ** 20);
      return (await page.evaluate(() => window.__last)) >= lines;
    },
    (seconds + 60) * 1000,
  );
  const shown = await page.evaluate(() => window.__shown);
  const after = await heap();
  await stage.picture(page, 'bench-stream');
  const order = await page.evaluate(everyLine, pattern);
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  return { shown, order, nodes, heap_before_mib: before, heap_highest_mib: highest, heap_after_mib: after };
});
