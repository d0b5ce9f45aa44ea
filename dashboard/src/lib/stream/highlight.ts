// Marks what is looked for in what is drawn, without changing the document (the CSS custom highlights). Browsers that do not know
// them show hits by the card alone.

/** More places than this are not marked. */
const MOST = 500;

/** Marks the words wherever they stand in an element; no words: marks nothing. */
export function highlight(area: HTMLElement, words: string): void {
  if (typeof CSS === 'undefined' || !('highlights' in CSS)) return;
  CSS.highlights.delete('found');
  const sought = words.toLowerCase();
  if (sought === '') return;
  const ranges: Range[] = [];
  const walker = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null && ranges.length < MOST; node = walker.nextNode()) {
    const text = (node.textContent ?? '').toLowerCase();
    // Letters whose lower case is longer would shift what follows: such words are left unmarked.
    if (text.length !== (node.textContent ?? '').length) continue;
    for (let at = text.indexOf(sought); at >= 0 && ranges.length < MOST; at = text.indexOf(sought, at + sought.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + sought.length);
      ranges.push(range);
    }
  }
  if (ranges.length > 0) CSS.highlights.set('found', new Highlight(...ranges));
}
