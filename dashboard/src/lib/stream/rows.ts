// What is remembered of every row of a stream, for as long as the page shows it: numbers, no words. A row is an entry that has a
// place of its own in the list; the result of a tool's use is folded into the use's row, and remembered beside it. Twenty-odd bytes
// a row, in arrays that grow: a million rows are about 20 MB, where a million objects would be ten times that.

import type { EntryKind } from '../wire';

/** The kinds of rows, in the order in which they are offered as filters. */
export const KINDS: readonly EntryKind[] = [
  'text',
  'thinking',
  'tool',
  'edit',
  'todo',
  'result',
  'error',
  'note',
  'phase',
  'final',
  'raw',
];

const FAILED = 0x80;
const CODE = 0x0f;

type Numbers = Float64Array | Uint32Array | Int32Array | Uint16Array | Uint8Array;

/** Numbers in a row that grows at its end. */
class Column<T extends Numbers> {
  #length = 0;
  #values: T;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#values = make(1024);
  }

  get length(): number {
    return this.#length;
  }

  get(at: number): number {
    return this.#values[at] ?? 0;
  }

  set(at: number, value: number): void {
    this.#values[at] = value;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const more = this.#make(this.#length * 2);
      more.set(this.#values);
      this.#values = more;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }
}

/** Where entries stand in the stream: a line's offset and the entry's place among those of its line. */
class Places {
  readonly offsets = new Column((length) => new Float64Array(length));
  readonly indexes = new Column((length) => new Uint16Array(length));

  push(offset: number, index: number): void {
    this.offsets.push(offset);
    this.indexes.push(index);
  }

  /** The first at or behind a place. */
  lower(offset: number, index: number): number {
    let low = 0;
    let high = this.offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.offsets.get(middle);
      if (there < offset || (there === offset && this.indexes.get(middle) < index)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether the one of this number is exactly there. */
  is(number: number, offset: number, index: number): boolean {
    return number < this.offsets.length && this.offsets.get(number) === offset && this.indexes.get(number) === index;
  }
}

/** A place in the stream. */
export interface Place {
  offset: number;
  index: number;
}

export class Rows {
  readonly #rows = new Places();
  readonly #kinds = new Column((length) => new Uint8Array(length));
  /** For each row the number of its result among those that are folded, and 1; 0 where it has none. */
  readonly #results = new Column((length) => new Uint32Array(length));
  readonly #folded = new Places();
  readonly #owners = new Column((length) => new Uint32Array(length));
  /** How many rows there are of each kind, in the order of {@link KINDS}. */
  readonly counts = KINDS.map(() => 0);
  /** How many failed. */
  failures = 0;

  get count(): number {
    return this.#kinds.length;
  }

  /** Adds a row. */
  push(place: Place, kind: EntryKind, failed: boolean): number {
    this.#rows.push(place.offset, place.index);
    const code = KINDS.indexOf(kind);
    this.#kinds.push((code < 0 ? KINDS.length - 1 : code) | (failed ? FAILED : 0));
    this.counts[code] = (this.counts[code] ?? 0) + 1;
    if (failed) this.failures += 1;
    this.#results.push(0);
    return this.count - 1;
  }

  /** Folds a result into a row. Results come in the stream's order. */
  fold(row: number, result: Place, failed: boolean): void {
    this.#folded.push(result.offset, result.index);
    this.#owners.push(row);
    this.#results.set(row, this.#owners.length);
    if (!failed || this.failed(row)) return;
    this.#kinds.set(row, this.#kinds.get(row) | FAILED);
    this.failures += 1;
  }

  kind(row: number): EntryKind {
    return KINDS[this.#kinds.get(row) & CODE] ?? 'raw';
  }

  failed(row: number): boolean {
    return (this.#kinds.get(row) & FAILED) !== 0;
  }

  place(row: number): Place {
    return { offset: this.#rows.offsets.get(row), index: this.#rows.indexes.get(row) };
  }

  /** Where the row's result stands. */
  result(row: number): Place | null {
    const number = this.#results.get(row);
    if (number === 0) return null;
    return { offset: this.#folded.offsets.get(number - 1), index: this.#folded.indexes.get(number - 1) };
  }

  /** The row into which the entry at a place is folded; -1: it is folded into none. */
  owner(place: Place): number {
    const number = this.#folded.lower(place.offset, place.index);
    return this.#folded.is(number, place.offset, place.index) ? this.#owners.get(number) : -1;
  }

  /** The row that shows the entry at a place, or the nearest behind it; -1 where there is none. */
  find(place: Place): number {
    const folded = this.owner(place);
    if (folded >= 0) return folded;
    const row = this.#rows.lower(place.offset, place.index);
    if (this.#rows.is(row, place.offset, place.index)) return row;
    // An entry without a row of its own, or an offset within a line: the row before it where it is of the same line.
    if (row > 0 && this.#rows.offsets.get(row - 1) === place.offset) return row - 1;
    return row < this.count ? row : this.count - 1;
  }
}
