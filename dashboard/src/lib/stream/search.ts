// Words that are looked for in a stream: at once in what is in memory, then by the server in all of it. What is found is rows, in
// order; what comes while somebody searches is looked at as it comes.

import type { Entry, EntryKind, Hits } from '../wire';
import type { Row } from './store';
import type { Place } from './rows';

/** More than this is not gathered: rows. */
export const MOST = 10_000;

/** Whether an entry holds words, which are in lower case. */
export function holds(entry: Entry, words: string): boolean {
  const has = (text: string | undefined) => text?.toLowerCase().includes(words) === true;
  if (has(entry.title) || has(entry.text) || has(entry.input)) return true;
  if (entry.edit !== undefined && (has(entry.edit.path) || entry.edit.hunks.some((hunk) => has(hunk.old) || has(hunk.new)))) return true;
  return entry.todo?.some((item) => has(item.text)) === true;
}

function rowHolds(row: Row, words: string): boolean {
  return holds(row.entry, words) || (row.result !== undefined && holds(row.result, words));
}

/** What a search looks at. */
export interface Sought {
  /** How many rows there are. */
  count(): number;
  /** A row, where it is in memory. */
  row(number: number): Row | undefined;
  /** The row that shows the entry at a place. */
  find(place: Place): number;
  /** Whether a row is where it was said to be, so far as is known. */
  server(words: string, kinds: readonly EntryKind[], from: number, signal: AbortSignal): Promise<Hits>;
}

export class Search {
  /** What is looked for, in lower case; empty: nothing. */
  readonly words: string;
  /** Rows that hold it, in order. */
  hits: number[] = [];
  /** Whether all of the stream was looked at. */
  complete = false;
  /** Why it was not, in words. */
  trouble = '';
  readonly #sought: Sought;
  readonly #heard: () => void;
  readonly #stop = new AbortController();
  readonly #known = new Set<number>();
  #looked = 0;

  constructor(words: string, sought: Sought, heard: () => void) {
    this.words = words.trim().toLowerCase();
    this.#sought = sought;
    this.#heard = heard;
  }

  get rows(): ReadonlySet<number> {
    return this.#known;
  }

  start(): void {
    if (this.words === '') return;
    this.extend();
    void this.#ask();
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Looks at rows that came, and at some that changed. */
  extend(changed: readonly number[] = []): void {
    if (this.words === '') return;
    const found: number[] = [];
    const look = (number: number) => {
      const row = this.#sought.row(number);
      if (row !== undefined && !this.#known.has(number) && rowHolds(row, this.words)) found.push(number);
    };
    changed.forEach(look);
    for (; this.#looked < this.#sought.count(); this.#looked += 1) look(this.#looked);
    this.#add(found);
  }

  /** The hit behind a row, or before it; round the end. -1: there is none. */
  next(row: number, by: 1 | -1): number {
    if (this.hits.length === 0) return -1;
    if (by === 1) return this.hits.find((hit) => hit > row) ?? this.hits[0] ?? -1;
    return this.hits.findLast((hit) => hit < row) ?? this.hits.at(-1) ?? -1;
  }

  #add(rows: readonly number[]): void {
    const room = MOST - this.#known.size;
    const fresh = rows.filter((row) => row >= 0 && !this.#known.has(row)).slice(0, Math.max(0, room));
    if (fresh.length === 0) return;
    for (const row of fresh) this.#known.add(row);
    this.hits = [...this.#known].sort((one, other) => one - other);
    this.#heard();
  }

  async #ask(): Promise<void> {
    try {
      let from: number | undefined = 0;
      while (from !== undefined && this.#known.size < MOST) {
        const page: Hits = await this.#sought.server(this.words, [], from, this.#stop.signal);
        // What the page has not read yet has no row: it is found as it comes.
        this.#add(page.hits.map((hit) => this.#sought.find(hit)));
        from = page.next;
      }
      this.complete = from === undefined;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.trouble = error instanceof Error ? error.message : String(error);
    }
    this.#heard();
  }
}
