// Looks at the page as somebody does who uses it.

import axe from 'axe-core';

/** Waits for a state of a task: rows, nodes and headers of a task say which it is and how it stands. */
export async function taskIs(page, task, states) {
  const wanted = [states].flat();
  const found = wanted.map((state) => `[data-task="${task}"][data-state="${state}"]`).join(',');
  await page.locator(found).first().waitFor({ state: 'attached' });
}

/** Every number that the log shows, in order, whatever part of the list is in the document at a time. */
export async function everySeq(page, attribute = 'data-seq') {
  return page.evaluate(async (name) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const rows = () => [...document.querySelectorAll(`[${name}]`)];
    const scrollerOf = (element) => {
      for (let at = element?.parentElement; at; at = at.parentElement) {
        const style = getComputedStyle(at);
        if (/auto|scroll/.test(style.overflowY) && at.scrollHeight > at.clientHeight) return at;
      }
      return document.scrollingElement;
    };
    const scroller = scrollerOf(rows()[0]);
    const order = [];
    const rowsOf = new Map();
    const double = [];
    scroller.scrollTop = 0;
    await frame();
    for (;;) {
      const now = rows().map((row) => Number(row.getAttribute(name)));
      const once = new Set(now);
      if (once.size !== now.length) double.push(now);
      for (const seq of now) {
        if (!rowsOf.has(seq)) order.push(seq);
        rowsOf.set(seq, true);
      }
      const before = scroller.scrollTop;
      scroller.scrollTop = before + Math.max(40, scroller.clientHeight * 0.6);
      await frame();
      if (scroller.scrollTop <= before) break;
    }
    return { order, double };
  }, attribute);
}

/** What axe-core finds serious or worse, as lines. */
export async function barriers(page, name) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((one) => one.impact === 'serious' || one.impact === 'critical');
  return serious.flatMap((one) =>
    one.nodes.slice(0, 5).map((node) => `${name}: ${one.impact} ${one.id}: ${one.help}: ${node.target.join(' ')}: ${node.failureSummary}`),
  );
}
