// The rows of a diff that are listed: a header for each file, and its lines where it is unfolded; one below the other, or what was
// beside what is.

import { compare, type Line, type Part } from '../lib/stream/diff';
import { Unified, type DiffLine } from '../lib/stream/unified';

/** Files with more lines than this are folded at first. */
const FOLDED = 800;

/** Changed lines in a row that are compared word by word. */
const BLOCK = 60;

/** The line of a header, and of a side that has none. */
export const HEADER = -1;
export const NONE = -2;

/** `line`: the one line, or what was; `now`: what is, the same where nothing changed. */
export type DiffRow = { file: number; line: number; now: number };

export class DiffRows {
  readonly diff: Unified;
  /** Whether each file is unfolded. */
  readonly open: boolean[];
  #files: Int32Array = new Int32Array();
  #lines: Int32Array = new Int32Array();
  #now: Int32Array = new Int32Array();
  #sides = false;
  /** Of each file that was laid side by side, the lines of its rows: left and right in turn. */
  readonly #pairs = new Map<number, number[]>();
  readonly #parts = new Map<number, Part[] | undefined>();

  constructor(text: string) {
    this.diff = new Unified(text);
    this.open = this.diff.files.map((file) => file.end - file.first <= FOLDED);
    this.#lay();
  }

  get count(): number {
    return this.#files.length;
  }

  row(at: number): DiffRow {
    return { file: this.#files[at] ?? 0, line: this.#lines[at] ?? HEADER, now: this.#now[at] ?? HEADER };
  }

  get sides(): boolean {
    return this.#sides;
  }

  /** Lists what was beside what is, or lines one below the other. */
  set sides(on: boolean) {
    this.#sides = on;
    this.#lay();
  }

  /** The row of a file's header. */
  header(file: number): number {
    let row = 0;
    for (let at = 0; at < file; at += 1) row += 1 + this.#length(at);
    return row;
  }

  toggle(file: number, open = this.open[file] !== true): void {
    this.open[file] = open;
    this.#lay();
  }

  all(open: boolean): void {
    this.open.fill(open);
    this.#lay();
  }

  /** The words of a line that differ from the line beside it, where it has one. */
  parts(line: number): Part[] | undefined {
    if (!this.#parts.has(line)) this.#compare(line);
    return this.#parts.get(line);
  }

  #length(file: number): number {
    const known = this.diff.files[file];
    if (known === undefined || this.open[file] !== true) return 0;
    return this.#sides ? this.#paired(file).length / 2 : known.end - known.first;
  }

  // Removed lines stand beside the added ones that follow them.
  #paired(file: number): number[] {
    const before = this.#pairs.get(file);
    if (before !== undefined) return before;
    const { first = 0, end = 0 } = this.diff.files[file] ?? {};
    const pairs: number[] = [];
    let [removed, added]: [number[], number[]] = [[], []];
    const put = () => {
      for (let at = 0; at < Math.max(removed.length, added.length); at += 1) pairs.push(removed[at] ?? NONE, added[at] ?? NONE);
      [removed, added] = [[], []];
    };
    for (let at = first; at < end; at += 1) {
      const { is } = this.diff.line(at);
      if (is === 'removed' && added.length > 0) put();
      if (is === 'removed') removed.push(at);
      else if (is === 'added') added.push(at);
      else {
        put();
        pairs.push(at, at);
      }
    }
    put();
    this.#pairs.set(file, pairs);
    return pairs;
  }

  #lay(): void {
    const files = this.diff.files;
    const total = files.reduce((sum, _, file) => sum + 1 + this.#length(file), 0);
    this.#files = new Int32Array(total);
    this.#lines = new Int32Array(total);
    this.#now = new Int32Array(total);
    let row = 0;
    files.forEach((known, file) => {
      this.#files[row] = file;
      this.#lines[row] = HEADER;
      this.#now[row] = HEADER;
      row += 1;
      const length = this.#length(file);
      const pairs = this.#sides && length > 0 ? this.#paired(file) : null;
      for (let at = 0; at < length; at += 1) {
        this.#files[row] = file;
        this.#lines[row] = pairs === null ? known.first + at : (pairs[2 * at] ?? NONE);
        this.#now[row] = pairs === null ? known.first + at : (pairs[2 * at + 1] ?? NONE);
        row += 1;
      }
    });
  }

  // Finds the removed and added lines that stand together, and compares them in pairs.
  #compare(line: number): void {
    if (this.#parts.size > 5000) this.#parts.clear();
    this.#parts.set(line, undefined);
    const is = (at: number) => this.diff.line(at).is;
    if (is(line) !== 'added' && is(line) !== 'removed') return;
    let from = line;
    while (line - from < 2 * BLOCK && from > 0 && (is(from - 1) === 'removed' || (is(from - 1) === 'added' && is(from) === 'added'))) from -= 1;
    let middle = from;
    while (middle - from < BLOCK && middle < this.diff.lines && is(middle) === 'removed') middle += 1;
    let end = middle;
    while (end - middle < BLOCK && end < this.diff.lines && is(end) === 'added') end += 1;
    if (middle === from || end - middle !== middle - from) return;
    for (let at = 0; at < middle - from; at += 1) {
      const before = asLine(this.diff.line(from + at));
      const after = asLine(this.diff.line(middle + at));
      compare(before, after);
      this.#parts.set(from + at, before.parts);
      this.#parts.set(middle + at, after.parts);
    }
  }
}

function asLine(line: DiffLine): Line {
  return { is: line.is === 'added' ? 'added' : 'removed', text: line.text };
}
