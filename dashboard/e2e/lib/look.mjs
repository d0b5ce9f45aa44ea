// Looks at the page as somebody does who uses it.

import axe from 'axe-core';

/**
 * What the rows of a list say that they are, from its top to its end, whatever part of it is in the document at a time: `seen` in
 * the order in which they came up, `double` what stood there twice at once.
 */
export async function everyRow(page, selector, attributes) {
  return page.evaluate(
    async ({ selector, attributes }) => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const rows = () => [...document.querySelectorAll(selector)];
      const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowY);
      let scroller = rows()[0]?.parentElement;
      while (scroller && !scrolls(scroller)) scroller = scroller.parentElement;
      scroller ??= document.scrollingElement;
      const seen = [];
      const had = new Set();
      const double = [];
      scroller.scrollTop = 0;
      await frame();
      for (;;) {
        const now = rows().map((row) => attributes.map((name) => row.getAttribute(name)).join('.'));
        if (new Set(now).size !== now.length) double.push(now);
        for (const row of now) {
          if (!had.has(row)) seen.push(row);
          had.add(row);
        }
        const before = scroller.scrollTop;
        scroller.scrollTop = before + Math.max(40, scroller.clientHeight * 0.6);
        await frame();
        if (scroller.scrollTop <= before) break;
      }
      return { seen, double };
    },
    { selector, attributes },
  );
}

/** The log of the run on view, row by row, against the numbers of the events that there are. */
export async function logIs(page, events, whose) {
  await page.locator('[data-seq]').first().waitFor();
  await page.getByText('reading earlier ones').waitFor({ state: 'hidden' });
  const { seen, double } = await everyRow(page, '[data-seq]', ['data-seq']);
  if (seen.join() === events.join() && double.length === 0) return;
  const missing = events.filter((seq) => !seen.includes(String(seq)));
  const strange = seen.filter((seq) => !events.includes(Number(seq)));
  throw new Error(
    `${whose} shows ${seen.length} events of ${events.length}; missing: ${missing}; not in the log: ${strange}; twice: ${JSON.stringify(double)}; in the order ${seen}`,
  );
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
