// What an edit changes, line by line, and within changed lines word by word.

import { diffLines, diffWordsWithSpace } from 'diff';

/** Words of a line; `changed` where they are what differs from the other side. */
export interface Part {
  text: string;
  changed: boolean;
}

/** A line of a diff. */
export interface Line {
  is: 'same' | 'added' | 'removed';
  text: string;
  /** The line in parts, where it has another beside it. */
  parts?: Part[];
  /** Its number in the file as it is now, from 1, where that is known and it is still there. */
  number?: number;
}

/** More changed lines than this are not matched with each other: they are shown as all removed and all added. */
const FAR_APART = 1500;

/** Lines longer than this are not compared by words. */
const LONG = 400;

function lines(text: string): string[] {
  if (text === '') return [];
  const all = text.split('\n');
  if (all.at(-1) === '') all.pop();
  return all;
}

/** What turns one text into the other. */
export function changes(old: string, now: string): Line[] {
  // A last line without its newline is the same line as one with it.
  const ended = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
  const found = diffLines(ended(old), ended(now), { maxEditLength: FAR_APART });
  if (found === undefined) return [...plainly(lines(old), 'removed'), ...plainly(lines(now), 'added')];
  const out: Line[] = [];
  let removed: string[] = [];
  for (const change of found) {
    const some = lines(change.value);
    if (change.removed) {
      removed = some;
    } else if (change.added) {
      out.push(...paired(removed, some));
      removed = [];
    } else {
      out.push(...plainly(removed, 'removed'), ...plainly(some, 'same'));
      removed = [];
    }
  }
  out.push(...plainly(removed, 'removed'));
  return out;
}

function plainly(texts: readonly string[], is: Line['is']): Line[] {
  return texts.map((text) => ({ is, text }));
}

// Lines that stand for each other are compared by words.
function paired(removed: readonly string[], added: readonly string[]): Line[] {
  const before = plainly(removed, 'removed');
  const after = plainly(added, 'added');
  if (removed.length === added.length) {
    before.forEach((one, at) => {
      const other = after[at];
      if (other !== undefined) compare(one, other);
    });
  }
  return [...before, ...after];
}

/** Puts parts into two lines, where they are alike enough for that to help. */
export function compare(before: Line, after: Line): void {
  if (before.text.length > LONG || after.text.length > LONG) return;
  const words = diffWordsWithSpace(before.text, after.text);
  const same = words.filter((word) => !word.added && !word.removed).reduce((sum, word) => sum + word.value.trim().length, 0);
  if (same * 3 < Math.max(before.text.trim().length, after.text.trim().length)) return;
  before.parts = words.filter((word) => !word.added).map((word) => ({ text: word.value, changed: word.removed }));
  after.parts = words.filter((word) => !word.removed).map((word) => ({ text: word.value, changed: word.added }));
}

/** Gives lines their numbers, where it is known at which line of the file as it is now they begin. */
export function numbered(all: Line[], first: number | undefined): Line[] {
  if (first === undefined) return all;
  let next = first;
  return all.map((line) => (line.is === 'removed' ? line : { ...line, number: next++ }));
}

/** How many lines come and go. */
export function tally(all: readonly Line[]): { added: number; removed: number } {
  let added = 0;
  let removed = 0;
  for (const line of all) {
    if (line.is === 'added') added += 1;
    else if (line.is === 'removed') removed += 1;
  }
  return { added, removed };
}
