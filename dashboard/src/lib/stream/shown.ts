// Which rows of a stream are listed: all of them, or those that a filter leaves. A place in the list is not a row's number once rows
// are left out; both ways between them are here, with the heights of what is listed.

import type { EntryKind } from '../wire';
import { Heights } from './heights';
import { KINDS, type Rows } from './rows';

/** What is listed. */
export interface Filter {
  /** Kinds that are left out. */
  without: ReadonlySet<EntryKind>;
  /** Only what failed. */
  failed: boolean;
  /** Only these rows, where somebody searches and wants no other. */
  only: ReadonlySet<number> | null;
}

export const ALL: Filter = { without: new Set(), failed: false, only: null };

/** How high rows of a kind are, CSS pixels, before any was seen. */
const GUESSES: Record<EntryKind, number> = {
  text: 96,
  thinking: 36,
  tool: 36,
  edit: 150,
  todo: 120,
  result: 36,
  error: 60,
  note: 32,
  phase: 40,
  final: 180,
  raw: 24,
};

/** After so many rows of a kind were measured, estimates are made anew. */
const LESSONS = new Set([20, 100, 500, 2500]);

/** What rows of each kind were measured to be. */
export class Estimates {
  readonly #seen = new Map<EntryKind, { sum: number; count: number }>();
  /** Whether enough was learned since the last time. */
  stale = false;

  learn(kind: EntryKind, height: number): void {
    const seen = this.#seen.get(kind) ?? { sum: 0, count: 0 };
    seen.sum += height;
    seen.count += 1;
    this.#seen.set(kind, seen);
    if (LESSONS.has(seen.count)) this.stale = true;
  }

  of(kind: EntryKind): number {
    const seen = this.#seen.get(kind);
    if (seen === undefined || seen.count < 5) return GUESSES[kind];
    return seen.sum / seen.count;
  }
}

function isAll(filter: Filter): boolean {
  return filter.without.size === 0 && !filter.failed && filter.only === null;
}

export class Shown {
  readonly heights: Heights;
  readonly filter: Filter;
  readonly #rows: Rows;
  readonly #estimates: Estimates;
  /** The rows that are listed; null: all. */
  readonly #listed: number[] | null;
  #taken = 0;

  constructor(rows: Rows, filter: Filter, estimates: Estimates) {
    this.#rows = rows;
    this.filter = filter;
    this.#estimates = estimates;
    this.#listed = isAll(filter) ? null : [];
    this.heights = new Heights((at, height) => estimates.learn(rows.kind(this.row(at)), height));
    this.extend();
  }

  /** How many are listed. */
  get count(): number {
    return this.heights.count;
  }

  /** Takes rows that came. */
  extend(): void {
    for (; this.#taken < this.#rows.count; this.#taken += 1) {
      const row = this.#taken;
      if (!this.#fits(row)) continue;
      this.#listed?.push(row);
      this.heights.push(this.#estimates.of(this.#rows.kind(row)));
    }
  }

  /** Rows changed that were there before. True: some are listed now that were not. */
  revise(rows: readonly number[]): boolean {
    let more = false;
    for (const row of rows) {
      const at = this.#lower(row);
      if (this.#listed === null || row >= this.#taken || this.#listed[at] === row || !this.#fits(row)) continue;
      this.#listed.splice(at, 0, row);
      this.heights.insert(at, this.#estimates.of(this.#rows.kind(row)));
      more = true;
    }
    return more;
  }

  /** Estimates anew what was not measured. */
  estimate(): void {
    this.#estimates.stale = false;
    const heights = KINDS.map((kind) => this.#estimates.of(kind));
    const byKind = new Map(KINDS.map((kind, at) => [kind, heights[at] ?? 0]));
    this.heights.estimate((at) => byKind.get(this.#rows.kind(this.row(at))) ?? 0);
  }

  /** The row at a place of the list; -1 where there is none. */
  row(at: number): number {
    if (at < 0 || at >= this.count) return -1;
    return this.#listed === null ? at : (this.#listed[at] ?? -1);
  }

  /** The place of a row, or of the next one that is listed. */
  at(row: number): number {
    return Math.min(this.#lower(row), this.count - 1);
  }

  /** Whether a row is listed. */
  has(row: number): boolean {
    return this.#listed === null ? row >= 0 && row < this.#taken : this.#listed[this.#lower(row)] === row;
  }

  #lower(row: number): number {
    if (this.#listed === null) return row;
    let low = 0;
    let high = this.#listed.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#listed[middle] ?? 0) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #fits(row: number): boolean {
    const { without, failed, only } = this.filter;
    if (without.size > 0 && without.has(this.#rows.kind(row))) return false;
    if (failed && !this.#rows.failed(row)) return false;
    return only === null || only.has(row);
  }
}
